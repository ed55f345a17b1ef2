package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/pprof/profile"
)

// part is a component of the pipeline and the packages that make it up. A
// sample belongs to the innermost component on its stack: the receiver calls
// the processors, which call the exporter.
type part struct{ name, path string }

var parts = []part{
	{"receiver", "/receiver/activitylogreceiver"},
	{"enrich", "/processor/enrichprocessor"},
	{"integrity", "/processor/integrityprocessor"},
	{"exporter", "/exporter/auditsqlexporter"},
	{"exporter", "/internal/storage/"},
}

// profiled gives the collector's CPU an event in microseconds, by part.
func profiled(ctx context.Context, s *settings, c *collector) (map[string]float64, error) {
	type answer struct {
		p   *profile.Profile
		err error
	}
	got := make(chan answer, 1)
	go func() {
		p, err := fetchProfile(ctx, c, max(1, int(s.duration.Seconds())-1))
		got <- answer{p, err}
	}()
	in, err := load(ctx, s, c, shape{batch: 1000, clients: 16})
	a := <-got
	if err := errors.Join(err, a.err); err != nil {
		return nil, err
	}
	share, total := map[string]float64{}, 0.0
	for _, sample := range a.p.Sample {
		ns := float64(sample.Value[len(sample.Value)-1])
		share[partOf(sample)] += ns
		total += ns
	}
	if total == 0 {
		return nil, errors.New("the profile is empty")
	}
	for name := range share {
		share[name] *= in.collectorCPU / total
	}
	share["all"] = in.collectorCPU
	return share, nil
}

func partOf(s *profile.Sample) string {
	for _, location := range s.Location { // leaf first
		for _, line := range location.Line {
			if line.Function == nil {
				continue
			}
			for _, p := range parts {
				if strings.Contains(line.Function.Name, p.path) {
					return p.name
				}
			}
		}
	}
	return "net/http, runtime and the rest"
}

func fetchProfile(ctx context.Context, c *collector, seconds int) (*profile.Profile, error) {
	resp, err := get(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", c.pprof, seconds))
	if err != nil {
		return nil, fmt.Errorf("profile the collector: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	p, err := profile.Parse(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	return p, nil
}
