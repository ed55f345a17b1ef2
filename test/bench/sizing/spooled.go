package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen/client"
)

// shape is how events come.
type shape struct{ batch, clients int }

var shapes = []shape{{1, 64}, {10, 16}, {100, 16}, {1000, 16}}

// spooled is one run of the spooled configuration.
type spooled struct {
	shape
	client.Report
	cpu     float64 // microseconds of the collector an event, delivery to the store included
	fsyncs  float64 // an acknowledged request, in a run of its own
	peakMiB float64
}

// measureSpooled runs it twice: counting system calls makes a process slow.
func measureSpooled(ctx context.Context, s *settings, sh shape) (sp spooled, err error) {
	sp.shape = sh
	if err := sp.run(ctx, s, func(c *collector) error {
		before, err := c.CPU()
		if err != nil {
			return err
		}
		if sp.Report, err = load(ctx, s, c, 0, sh.batch, sh.clients, s.spooledDuration); err != nil {
			return err
		}
		after, err := c.CPU()
		if err != nil {
			return err
		}
		sp.cpu = (after - before) * 1e6 / float64(sp.Acknowledged)
		sp.peakMiB, err = c.PeakRSS()
		return err
	}); err != nil {
		return sp, err
	}
	err = sp.run(ctx, s, func(c *collector) error {
		calls, err := countFsyncs(ctx, c.PID())
		if err != nil {
			return err
		}
		r, err := load(ctx, s, c, 0, sh.batch, sh.clients, s.spooledDuration/2)
		n, countErr := calls()
		if r.Requests > 0 {
			sp.fsyncs = n / float64(r.Requests)
		}
		return errors.Join(err, countErr)
	})
	return sp, err
}

func (sp *spooled) run(ctx context.Context, s *settings, during func(*collector) error) (err error) {
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// More is acknowledged than delivered; a full queue would answer 503.
	flags := []string{"--config", "deploy/spooled.yaml", "--set", "exporters.auditsql.sending_queue.queue_size=8589934592"}
	c, err := start(ctx, s, flags, dir)
	if err != nil {
		return err
	}
	return errors.Join(during(c), c.Stop())
}

// countFsyncs counts the fsync and fdatasync calls of a process with strace. The
// function it gives ends the count.
func countFsyncs(ctx context.Context, pid int) (func() (float64, error), error) {
	dir, err := os.MkdirTemp("", "strace-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	file := filepath.Join(dir, "calls")
	cmd := exec.CommandContext(ctx, "strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", file, "-p", strconv.Itoa(pid))
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("count fsyncs with strace (apt-get install strace): %w", err)
	}
	time.Sleep(time.Second) // until it has attached
	return func() (float64, error) {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return 0, fmt.Errorf("stop strace: %w", err)
		}
		_ = cmd.Wait() // it ends by the signal
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		// A call that another thread's interrupts is printed in two lines.
		n := strings.Count(string(text), "sync(") - strings.Count(string(text), "resumed>)") + strings.Count(string(text), "sync resumed>)")
		return float64(n), os.RemoveAll(dir)
	}, nil
}
