package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// keptReads measures reading alone, on a store that stays in a folder: it is
// filled the first time and used again after that. The table has no writing.
func keptReads(ctx context.Context, s *settings, r *report) error {
	data := filepath.Join(s.kept, "data")
	if _, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		if err := preload(ctx, data, s.rows); err != nil {
			return fmt.Errorf("fill the store (remove %s): %w", data, err)
		}
	}
	c, err := startCollector(ctx, s.collector, s.kept)
	if err != nil {
		return err
	}
	return errors.Join(measureReads(ctx, c, r), c.Stop())
}
