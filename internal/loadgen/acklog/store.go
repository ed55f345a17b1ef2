package acklog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Compare scans the store and notes every event of it. All of it is read: an
// event stored under a wrong time must be found too.
func (l *Ledger) Compare(ctx context.Context, r storage.Reader) error {
	q := activity.Query{Order: activity.OldestFirst}
	for record, err := range r.Scan(ctx, activity.AllTenants(), q) {
		if err != nil {
			return fmt.Errorf("scan the store: %w", err)
		}
		l.Stored(&record.Event)
	}
	return nil
}

// CompareDeadLetters notes every event of a folder of dead letters; a folder
// that is not there holds none.
func (l *Ledger) CompareDeadLetters(directory string) error {
	err := filepath.WalkDir(directory, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != ".jsonl" {
			return err
		}
		return l.deadLetterFile(path)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the dead letters in %s: %w", directory, err)
	}
	return nil
}

func (l *Ledger) deadLetterFile(path string) (err error) {
	f, err := os.Open(path) //nolint:gosec // below the folder the operator names
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return l.deadLetters(f)
}
