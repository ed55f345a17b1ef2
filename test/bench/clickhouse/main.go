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
	rounds                          int
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
	flag.DurationVar(&s.duration, "duration", 8*time.Second, "length of one measurement")
	flag.Parse()
	if err := run(ctx, &s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called above
	}
}

// shape is a load: batch events a request, from so many clients that each wait
// for their answer.
type shape struct{ batch, clients int }

// Small requests from few clients leave little under way, and from many enough:
// who answers before the rows are stored does not feel that difference.
var shapes = []shape{{100, 8}, {100, 64}, {1000, 8}, {10_000, 8}}

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
	for _, load := range shapes {
		turns := make([]row, len(candidates))
		for i := range candidates {
			turns[i] = row{candidate: candidates[i].name, shape: load}
		}
		for range s.rounds {
			for i := range candidates {
				m, err := measure(ctx, s, db, &candidates[i], load)
				if err != nil {
					return fmt.Errorf("%s, batch %d: %w", candidates[i].name, load.batch, err)
				}
				fmt.Fprintf(os.Stderr, "%s, %d clients, batch %d: %.0f stored/s, %.1f us/event\n", candidates[i].name, load.clients, load.batch, m.storedPerSecond, m.cpu)
				turns[i].runs = append(turns[i].runs, m)
			}
		}
		rows = append(rows, turns...)
	}
	return write(s, version, rows)
}
