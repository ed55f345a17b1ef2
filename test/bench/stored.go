package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

// preloadBatch is the events of one transaction while the store is filled.
const preloadBatch = 10_000

// stored measures a store that holds s.rows events: reads, export and
// verification first, then writing.
func stored(ctx context.Context, s *settings, r *report) error {
	return inFolder(func(dir string) error {
		if err := preload(ctx, filepath.Join(dir, "data"), s.rows); err != nil {
			return fmt.Errorf("fill the store: %w", err)
		}
		c, err := startCollector(ctx, s.collector, dir)
		if err != nil {
			return err
		}
		return errors.Join(measureStored(ctx, s, c, r), c.Stop())
	})
}

// measureReads measures lists, export and verification.
func measureReads(ctx context.Context, c *collector, r *report) error {
	if err := pages(ctx, c, r); err != nil {
		return fmt.Errorf("list pages: %w", err)
	}
	if err := export(ctx, c, r); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := verify(ctx, c, r); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

func measureStored(ctx context.Context, s *settings, c *collector, r *report) error {
	if err := measureReads(ctx, c, r); err != nil {
		return err
	}
	for _, sh := range shapes {
		row := ingestRow{shape: sh}
		for range s.rounds {
			settle(ctx)
			in, err := load(ctx, s, c, sh)
			if err != nil {
				return fmt.Errorf("%s: %w", sh.name(), err)
			}
			row.ours = append(row.ours, in)
		}
		r.full = append(r.full, row)
	}
	return nil
}

// preload writes rows sealed events of the last 30 days, oldest first.
func preload(ctx context.Context, dir string, rows int) (err error) {
	const span = 30 * 24 * time.Hour
	cfg := open.NewDefaultConfig()
	cfg.SQLite.Directory = dir
	st, err := open.Store(ctx, cfg, open.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := st.Migrate(ctx); err != nil {
		return err
	}
	g, err := loadgen.New(loadgen.Config{
		Seed: 2, Run: "preload", Times: loadgen.Steady(time.Now().Add(-span), span/time.Duration(rows+1)),
	})
	if err != nil {
		return err
	}
	for stream := g.Stream(0); rows > 0; rows -= preloadBatch {
		events := stream.Batch(min(rows, preloadBatch))
		seal(events, time.Now().UnixNano())
		if _, err := st.Write(ctx, events); err != nil {
			return err
		}
	}
	return nil
}
