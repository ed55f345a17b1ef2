// Command sizing runs the shipped configuration of each database at a steady
// 1,000 events/s and says what that takes: CPU of the collector and of the
// server, memory over the run, and disk. Then it runs the spooled configuration
// as fast as it goes and counts its fsyncs. It is run by "make bench-sizing" and
// writes docs/benchmarks/sizing.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen/client"
	"github.com/activitylog/otelcol-activitylog/test/bench/process"
)

type settings struct {
	collector, auditload, out string
	only                      string
	duration, spooledDuration time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var s settings
	flag.StringVar(&s.collector, "collector", "build/otelcol-activitylog", "the built collector")
	flag.StringVar(&s.auditload, "auditload", "build/auditload", "the built load generator")
	flag.StringVar(&s.out, "out", "docs/benchmarks/sizing.md", "where the tables go")
	flag.StringVar(&s.only, "backends", "", "comma-separated databases (default: all)")
	flag.DurationVar(&s.duration, "duration", time.Minute, "length of the load on each database")
	flag.DurationVar(&s.spooledDuration, "spooled-duration", 10*time.Second, "length of each spooled run")
	flag.Parse()
	if err := run(ctx, &s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called above
	}
}

func run(ctx context.Context, s *settings) error {
	var r report
	for i := range backends {
		if s.only != "" && !strings.Contains(","+s.only+",", ","+backends[i].name+",") {
			continue
		}
		sz, err := measure(ctx, s, &backends[i])
		if err != nil {
			return fmt.Errorf("%s: %w", backends[i].name, err)
		}
		fmt.Fprint(os.Stderr, sz.line())
		r.sizes = append(r.sizes, sz)
	}
	for _, shape := range shapes {
		sp, err := measureSpooled(ctx, s, shape)
		if err != nil {
			return fmt.Errorf("spooled, batches of %d: %w", shape.batch, err)
		}
		fmt.Fprint(os.Stderr, sp.line())
		r.spooled = append(r.spooled, sp)
	}
	text := r.markdown(s)
	if err := os.WriteFile(s.out, text, 0o644); err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	_, err := os.Stdout.Write(text)
	return err
}

// collector is a running collector and where it takes events.
type collector struct {
	*process.Process
	events string
}

// start runs a shipped configuration on free ports, with its data in dir.
func start(ctx context.Context, s *settings, flags []string, dir string, env ...string) (*collector, error) {
	addresses := make([]string, 4)
	for i := range addresses {
		var err error
		if addresses[i], err = process.FreeAddress(ctx); err != nil {
			return nil, err
		}
	}
	env = append(env, "ACTIVITYLOG_DATA_DIR="+dir, "ACTIVITYLOG_SPOOL_DIR="+dir+"/spool", "ACTIVITYLOG_API_TOKEN=sizing-0123456789",
		"ACTIVITYLOG_EVENTS_ENDPOINT="+addresses[0], "ACTIVITYLOG_OTLP_HTTP_ENDPOINT="+addresses[1],
		"ACTIVITYLOG_OTLP_GRPC_ENDPOINT="+addresses[2], "ACTIVITYLOG_API_ENDPOINT="+addresses[3])
	p, err := process.StartWith(env, s.collector, append(flags, "--set", "service.telemetry.metrics.level=none")...)
	if err != nil {
		return nil, err
	}
	c := &collector{p, "http://" + addresses[0]}
	if err := c.Ready(ctx, "http://"+addresses[3]+"/readyz"); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// load runs the generator to its end.
func load(ctx context.Context, s *settings, c *collector, rate, batch, clients int, duration time.Duration) (r client.Report, err error) {
	cmd := exec.CommandContext(ctx, s.auditload, "run", "--endpoint", c.events, "--json", "--rate", strconv.Itoa(rate),
		"--batch", strconv.Itoa(batch), "--clients", strconv.Itoa(clients), "--duration", duration.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("run auditload: %w", err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("read auditload's report: %w", err)
	}
	if r.Acknowledged == 0 || r.Rejected+r.Unknown > 0 {
		return r, fmt.Errorf("not everything was acknowledged, so this is no measurement: %s", out)
	}
	return r, nil
}
