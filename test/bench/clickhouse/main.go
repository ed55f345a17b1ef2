// Command clickhouse measures the built collector beside one with contrib's
// clickhouse exporter: the same OTLP events, the same batches, the same server.
// It is run by "make bench-clickhouse" and writes docs/benchmarks/clickhouse.md.
//
// What is compared runs in turns; the table gives the median of the turns.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/activitylog/otelcol-activitylog/test/bench/chserver"
)

type settings struct {
	collector, peer, auditload, out string
	dsn                             string
	rounds, clients                 int
	duration                        time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := settings{dsn: os.Getenv("ACTIVITYLOG_TEST_CLICKHOUSE_DSN")}
	flag.StringVar(&s.collector, "collector", "build/otelcol-activitylog", "the built collector")
	flag.StringVar(&s.peer, "peer", ".cache/bench-peer/peer", "the built collector with contrib's exporter")
	flag.StringVar(&s.auditload, "auditload", "build/auditload", "the built load generator")
	flag.StringVar(&s.out, "out", "docs/benchmarks/clickhouse.md", "where the table goes")
	flag.IntVar(&s.rounds, "rounds", 3, "turns of each")
	flag.IntVar(&s.clients, "clients", 8, "connections of the generator")
	flag.DurationVar(&s.duration, "duration", 8*time.Second, "length of one measurement")
	flag.Parse()
	if err := run(ctx, &s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called above
	}
}

var batches = []int{100, 1000, 10_000}

func run(ctx context.Context, s *settings) error {
	if s.dsn == "" {
		return errors.New("ACTIVITYLOG_TEST_CLICKHOUSE_DSN names no server: run make bench-clickhouse")
	}
	db, err := chserver.New(s.dsn)
	if err != nil {
		return err
	}
	version, err := db.Value(ctx, "SELECT version()")
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	var rows []row
	for _, batch := range batches {
		turns := make([]row, len(candidates))
		for i := range candidates {
			turns[i] = row{candidate: candidates[i].name, batch: batch}
		}
		for range s.rounds {
			for i := range candidates {
				m, err := measure(ctx, s, db, &candidates[i], batch)
				if err != nil {
					return fmt.Errorf("%s, batch %d: %w", candidates[i].name, batch, err)
				}
				turns[i].runs = append(turns[i].runs, m)
			}
		}
		rows = append(rows, turns...)
	}
	return write(s, version, rows)
}
