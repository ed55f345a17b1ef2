package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ingestRow is one shape of writing over the turns.
type ingestRow struct {
	shape
	ours []ingest
	peer []float64 // events/s of the bare loop, turn by turn
}

// report is everything measured.
type report struct {
	settings    *settings
	empty, full []ingestRow
	cpu         map[string]float64
	lists       []listRow

	exportBytes                 int64
	exportSeconds, exportGrowth float64
	verified                    int64
	verifySeconds               float64
}

func (i *ingestRow) of(field func(*ingest) float64) float64 {
	var all []float64
	for k := range i.ours {
		all = append(all, field(&i.ours[k]))
	}
	return median(all)
}

func (i *ingestRow) rate() float64 {
	return i.of(func(in *ingest) float64 { return in.EventsPerSecond })
}

// ratios are ours to the peer's, turn by turn.
func (i *ingestRow) ratios() []float64 {
	var out []float64
	for k := range i.peer {
		out = append(out, i.ours[k].EventsPerSecond/i.peer[k])
	}
	return out
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func (r *report) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	text := r.markdown()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	_, err := os.Stdout.Write(text)
	return err
}

func (r *report) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# SQLite, measured\n\n%s\n\nCommand: `make bench` (%d rounds of %s, median; %d events stored in the second half).\n",
		machine(), r.settings.rounds, r.settings.duration, r.settings.rows)
	b.WriteString("\nFigures move with the machine: read the ratios, which are made of turns of one run.\n")
	b.WriteString("\n## Acknowledged as committed, over HTTP, empty store\n\nThe bare loop writes the same rows, sealed beforehand, into the same tables " +
		"and indexes, one prepared statement, the same batch a transaction, synchronous=FULL. The generator shares the machine's cores.\n\n" +
		"| | events/s | bare loop | ratio (min) | p50 ms | p99 ms | collector us/event | generator us/event |\n|---|---|---|---|---|---|---|---|\n")
	for i := range r.empty {
		row := &r.empty[i]
		ratios := row.ratios()
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.2f (%.2f) | %.1f | %.1f | %.1f | %.1f |\n", row.name(), row.rate(), median(row.peer),
			median(ratios), slices.Min(ratios), row.of(func(in *ingest) float64 { return in.P50 }),
			row.of(func(in *ingest) float64 { return in.P99 }), row.of(func(in *ingest) float64 { return in.collectorCPU }),
			row.of(func(in *ingest) float64 { return in.CPUSeconds * 1e6 / float64(in.Acknowledged) }))
	}
	fmt.Fprintf(&b, "\n## The same with %d events stored\n\n| | events/s | of the empty store |\n|---|---|---|\n", r.settings.rows)
	for i := range r.full {
		fmt.Fprintf(&b, "| %s | %.0f | %.2f |\n", r.full[i].name(), r.full[i].rate(), r.full[i].rate()/r.empty[i].rate())
	}
	b.WriteString("\n## CPU an event, batch 1000, from a profile\n\n| part | us |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(r.cpu)) {
		fmt.Fprintf(&b, "| %s | %.2f |\n", name, r.cpu[name])
	}
	b.Write(r.reads())
	return b.Bytes()
}

// reads is the part about reading.
func (r *report) reads() []byte {
	var b bytes.Buffer
	b.WriteString("\n## Pages of 100 over REST\n\n| | p50 ms | p99 ms |\n|---|---|---|\n")
	for _, l := range r.lists {
		fmt.Fprintf(&b, "| %s | %.2f | %.2f |\n", l.name, l.p50, l.p99)
	}
	fmt.Fprintf(&b, "\n## Everything\n\n| | |\n|---|---|\n| export as JSON | %.1f s, %.0f MiB, memory grew by %.0f MiB |\n| verify %d events | %.1f s |\n",
		r.exportSeconds, float64(r.exportBytes)/(1<<20), r.exportGrowth, r.verified, r.verifySeconds)
	return b.Bytes()
}

// machine says where and when.
func machine() string {
	model := "unknown CPU"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel := "unknown"
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = strings.TrimSpace(string(b))
	}
	fs := "unknown"
	dir := os.Getenv("BENCH_DIR")
	if dir == "" {
		dir = os.TempDir()
	}
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) == nil {
		fs = fmt.Sprintf("type %#x", st.Type)
	}
	return fmt.Sprintf("%s. %d cores, %s, %s, Linux %s, file system %s.",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), model, runtime.Version(), kernel, fs)
}
