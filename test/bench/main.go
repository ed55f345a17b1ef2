// Command bench measures the built collector beside its peers in one run and
// writes the table to docs/benchmarks/. It is run by "make bench".
//
// A shared machine is never quiet: what is compared runs in turns, and the
// table gives the median of the turns and the ratios between them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type settings struct {
	collector, auditload string
	out                  string
	kept                 string
	rows                 int
	rounds               int
	duration             time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var s settings
	flag.StringVar(&s.collector, "collector", env("OTELCOL_BINARY", "build/otelcol-activitylog"), "the built collector")
	flag.StringVar(&s.auditload, "auditload", env("AUDITLOAD_BINARY", "build/auditload"), "the built load generator")
	flag.StringVar(&s.out, "out", "docs/benchmarks/sqlite.md", "where the table goes")
	flag.StringVar(&s.kept, "reads", "", "measure reading only, on the store kept in this folder; it is filled the first time")
	flag.IntVar(&s.rows, "rows", 1_000_000, "events stored before the second half")
	flag.IntVar(&s.rounds, "rounds", 3, "turns of each pair")
	flag.DurationVar(&s.duration, "duration", 6*time.Second, "length of one measurement")
	flag.Parse()
	if err := bench(ctx, &s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called above
	}
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func bench(ctx context.Context, s *settings) error {
	r := &report{settings: s}
	if s.kept != "" {
		if err := keptReads(ctx, s, r); err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		_, err := os.Stdout.Write(r.reads())
		return err
	}
	if err := ingestEmpty(ctx, s, r); err != nil {
		return fmt.Errorf("writing to an empty store: %w", err)
	}
	if err := stored(ctx, s, r); err != nil {
		return fmt.Errorf("with %d events stored: %w", s.rows, err)
	}
	return r.write(s.out)
}
