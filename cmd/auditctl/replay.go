package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
)

func newReplay() *cobra.Command {
	var src source
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Write dead letters to the store again",
		Long: `Write dead letters to the store again, with the seal they had. What is stored
leaves the dead letters; conflicts and unreadable records stay.

With SQLite a running collector holds the writing lock: stop it first.

Exit codes: 0 nothing is left; 1 dead letters are left; 2 the command failed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			database, letters, err := src.resolve(cmd.Context())
			if err != nil {
				return err
			}
			if letters.Directory == "" {
				return errors.New("say where the dead letters are with --dead-letters, or give --config")
			}
			// An exporter makes its folder when it starts: none is the wrong place, and
			// "nothing left" would be a lie.
			if _, err := os.Stat(letters.Directory); err != nil {
				return fmt.Errorf("look for dead letters (a relative folder counts from where the collector was started; or say where they are with --dead-letters): %w", err)
			}
			store, err := openWriting(cmd.Context(), database)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			log, err := deadletter.Open(letters, time.Now)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, log.Close()) }()
			return replay(cmd.Context(), store, log, cmd.OutOrStdout())
		},
	}
	src.flags(cmd)
	return cmd
}

func replay(ctx context.Context, store storage.Writer, log *deadletter.Log, out io.Writer) error {
	stored, left := 0, 0
	err := log.Replay(ctx, func(ctx context.Context, entries []deadletter.Entry) ([]bool, error) {
		done, err := rewrite(ctx, store, entries)
		for _, ok := range done {
			if ok {
				stored++
			} else {
				left++
			}
		}
		return done, err
	})
	if err != nil {
		return fmt.Errorf("replay, after %d events: %w", stored, err)
	}
	if _, err := fmt.Fprintf(out, "stored %d, left %d\n", stored, left); err != nil {
		return err
	}
	if left > 0 {
		return errFindings
	}
	return nil
}

// rewrite says of each entry whether the store now holds it. A record that
// could not be read whole is not tried: stored, it would not fit its seal.
func rewrite(ctx context.Context, store storage.Writer, entries []deadletter.Entry) ([]bool, error) {
	done := make([]bool, len(entries))
	var events []activity.Event
	var from []int // entry of each event
	for i := range entries {
		if entries[i].Cause != deadletter.CauseInvalid {
			events, from = append(events, entries[i].Event), append(from, i)
		}
	}
	if len(events) == 0 {
		return done, nil
	}
	result, err := store.Write(ctx, events)
	if err != nil {
		return done, err
	}
	for i, entry := range from {
		refused := slices.ContainsFunc(result.Refused, func(r storage.Refusal) bool { return r.Index == i })
		done[entry] = !refused && !slices.Contains(result.Conflicts, i)
	}
	return done, nil
}
