// Command long fills a store to millions of events and measures, at each size,
// how fast it still takes events and how fast it gives the first page. It is
// run by "make bench-long" and writes docs/benchmarks/long.md.
//
// It speaks to the drivers themselves: what the collector adds is the same at
// every size and measured elsewhere.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

type settings struct {
	out      string
	sizes    []int
	backends []string
	measured int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var s settings
	flag.StringVar(&s.out, "out", "docs/benchmarks/long.md", "where the table goes")
	sizes := flag.String("sizes", "1000000,5000000,10000000", "events stored when measured, ascending")
	backends := flag.String("backends", "sqlite,postgres,clickhouse", "which stores")
	flag.IntVar(&s.measured, "measured", 100_000, "events written at each size")
	flag.Parse()
	s.backends = strings.Split(*backends, ",")
	err := s.readSizes(*sizes)
	if err == nil {
		err = run(ctx, &s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called above
	}
}

func (s *settings) readSizes(list string) error {
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return fmt.Errorf("-sizes: %q is no number of events", word)
		}
		s.sizes = append(s.sizes, n)
	}
	if !slices.IsSorted(s.sizes) {
		return errors.New("-sizes: must ascend")
	}
	return nil
}

func run(ctx context.Context, s *settings) error {
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "bench-long-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // of the temporary folder
	if err := enoughDisk(dir, s); err != nil {
		return err
	}
	var all []series
	for _, name := range s.backends {
		one, err := backend(ctx, s, name, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, one)
	}
	return write(s, all)
}

func backend(ctx context.Context, s *settings, name, dir string) (out series, err error) {
	out.name = name
	st, err := openStore(ctx, name, dir)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	f, err := newFeeder()
	if err != nil {
		return out, err
	}
	for _, size := range s.sizes {
		if err := f.fill(ctx, st, size-s.measured); err != nil {
			return out, fmt.Errorf("fill to %d events: %w", size, err)
		}
		p, err := measure(ctx, s, st, f, size)
		if err != nil {
			return out, fmt.Errorf("at %d events: %w", size, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %d events: %.0f events/s, first page p50 %.2f ms, p99 %.2f ms\n", name, size, p.rate, p.p50, p.p99)
		out.points = append(out.points, p)
	}
	return out, nil
}
