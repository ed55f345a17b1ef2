package client

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what a run achieved. Times are in seconds unless named.
type Report struct {
	Seconds         float64          `json:"seconds"`
	Acknowledged    int64            `json:"acknowledged"`
	EventsPerSecond float64          `json:"events_per_second"`
	Rejected        int64            `json:"rejected"`
	Unknown         int64            `json:"unknown"`
	Requests        int64            `json:"requests"`
	Retries         int64            `json:"retries"`
	Statuses        map[string]int64 `json:"statuses"` // every attempt
	// Latency of acknowledged requests, retries included, in milliseconds.
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
	// CPUSeconds of the generator itself, user and system.
	CPUSeconds float64 `json:"cpu_seconds"`
}

// stats is safe for concurrent use. Its size does not depend on the run.
type stats struct {
	mu      sync.Mutex
	report  Report
	latency *hdrhistogram.Histogram // microseconds
}

func newStats() *stats {
	return &stats{
		report:  Report{Statuses: map[string]int64{}},
		latency: hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3),
	}
}

func (s *stats) answered(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Statuses[status]++
}

func (s *stats) retried() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Retries++
}

func (s *stats) done(out *outcome, took time.Duration, events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Requests++
	switch {
	case out.refused:
		s.report.Rejected += int64(events)
	case !out.taken, out.uncertain:
		s.report.Unknown += int64(events)
	default:
		s.report.Rejected += int64(len(out.rejected))
		s.report.Acknowledged += int64(events - len(out.rejected))
		// A latency beyond ten minutes counts as ten minutes.
		if s.latency.RecordValue(max(1, took.Microseconds())) != nil {
			_ = s.latency.RecordValue(s.latency.HighestTrackableValue())
		}
	}
}

func (s *stats) summary(elapsed time.Duration, cpu float64) Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.report
	r.Statuses = maps.Clone(r.Statuses)
	r.Seconds, r.CPUSeconds = elapsed.Seconds(), cpu
	if r.Seconds > 0 {
		r.EventsPerSecond = float64(r.Acknowledged) / r.Seconds
	}
	ms := func(us int64) float64 { return float64(us) / 1000 }
	r.P50, r.P95 = ms(s.latency.ValueAtQuantile(50)), ms(s.latency.ValueAtQuantile(95))
	r.P99, r.Max = ms(s.latency.ValueAtQuantile(99)), ms(s.latency.Max())
	return r
}

// cpuSeconds is what this process has used, user and system.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	_, err := fmt.Fprintf(w, `acknowledged %d events in %.1f s: %.0f events/s
rejected %d, unknown %d, requests %d, retries %d
latency p50 %.2f ms, p95 %.2f ms, p99 %.2f ms, max %.2f ms
own CPU %.2f s
`, r.Acknowledged, r.Seconds, r.EventsPerSecond, r.Rejected, r.Unknown, r.Requests, r.Retries,
		r.P50, r.P95, r.P99, r.Max, r.CPUSeconds)
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		if err == nil {
			_, err = fmt.Fprintf(w, "answers %s: %d\n", status, r.Statuses[status])
		}
	}
	if err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

// PrintJSON writes the report for programs.
func (r *Report) PrintJSON(w io.Writer) error {
	if err := json.NewEncoder(w).Encode(r); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}
