package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen/client"
)

// shape is how clients send.
type shape struct{ batch, clients int }

var shapes = []shape{{batch: 1, clients: 64}, {batch: 100, clients: 16}, {batch: 1000, clients: 16}}

// ingest is one measurement of the collector.
type ingest struct {
	client.Report
	collectorCPU float64 // microseconds an acknowledged event
}

func (s shape) name() string { return fmt.Sprintf("batch %d, %d clients", s.batch, s.clients) }

// load runs auditload, as its own process, against the collector.
func load(ctx context.Context, s *settings, c *collector, sh shape) (ingest, error) {
	before, err := c.CPU()
	if err != nil {
		return ingest{}, err
	}
	cmd := exec.CommandContext(ctx, s.auditload, "run", "--endpoint", "http://"+c.events, "--json",
		"--batch", strconv.Itoa(sh.batch), "--clients", strconv.Itoa(sh.clients), "--duration", s.duration.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return ingest{}, fmt.Errorf("run auditload: %w", err)
	}
	var in ingest
	if err := json.Unmarshal(out, &in.Report); err != nil {
		return ingest{}, fmt.Errorf("read auditload's report: %w", err)
	}
	after, err := c.CPU()
	if err != nil {
		return ingest{}, err
	}
	if in.Acknowledged == 0 || in.Unknown > 0 || in.Rejected > 0 {
		return ingest{}, fmt.Errorf("the run is no measurement: %s", out)
	}
	in.collectorCPU = (after - before) * 1e6 / float64(in.Acknowledged)
	return in, nil
}

// ingestEmpty measures each shape in turns with the bare loop, each turn on an
// empty store.
func ingestEmpty(ctx context.Context, s *settings, r *report) error {
	for _, sh := range shapes {
		row := ingestRow{shape: sh}
		for range s.rounds {
			err := inFolder(func(dir string) error {
				rate, err := peer(ctx, dir, sh.batch, s.duration)
				row.peer = append(row.peer, rate)
				return err
			})
			if err != nil {
				return fmt.Errorf("bare loop, batch %d: %w", sh.batch, err)
			}
			if err := inFolder(func(dir string) error { return oneIngest(ctx, s, dir, sh, &row) }); err != nil {
				return fmt.Errorf("%s: %w", sh.name(), err)
			}
		}
		r.empty = append(r.empty, row)
	}
	return inFolder(func(dir string) error {
		c, err := startCollector(ctx, s.collector, dir)
		if err != nil {
			return err
		}
		r.cpu, err = profiled(ctx, s, c)
		return errors.Join(err, c.Stop())
	})
}

func oneIngest(ctx context.Context, s *settings, dir string, sh shape, row *ingestRow) error {
	c, err := startCollector(ctx, s.collector, dir)
	if err != nil {
		return err
	}
	in, err := load(ctx, s, c, sh)
	row.ours = append(row.ours, in)
	return errors.Join(err, c.Stop())
}

// inFolder runs fn with a folder of its own. BENCH_DIR chooses the file system.
func inFolder(fn func(dir string) error) (err error) {
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return fn(dir)
}

// settle lets write-back of the last measurement end before the next begins.
func settle(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}
