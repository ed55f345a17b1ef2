package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// cleanupBatch bounds one transaction.
const cleanupBatch = 10_000

// maxDays keeps the time of the cut inside an int64 of nanoseconds.
const maxDays = 36_500

func newCleanup() *cobra.Command {
	var src source
	var days int
	var types, aliases []string
	var tenant string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "Delete events older than some days",
		Long: `Delete events older than some days, in bounded batches; it can be stopped at any time.

With SQLite a running collector holds the writing lock: stop it first. --dry-run
only reads, and works beside a running collector.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if days < 1 || days > maxDays {
				return fmt.Errorf("%w: --days: write a number between 1 and %d", activity.ErrInvalid, maxDays)
			}
			r := storage.Retention{Before: time.Now().Add(-time.Duration(days) * 24 * time.Hour).UnixNano(), Limit: cleanupBatch}
			if r.Kinds, err = parseKinds(append(types, aliases...)); err != nil {
				return err
			}
			database, _, err := src.resolve(cmd.Context())
			if err != nil {
				return err
			}
			openStore, work := openWriting, cleanup
			if dryRun {
				openStore, work = openReading, countOld
			}
			store, err := openStore(cmd.Context(), database)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			return work(cmd.Context(), store, scopeOf(tenant), r, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	src.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&days, "days", 0, "keep this many days (required)")
	f.StringSliceVar(&types, "event-type", nil, "crud, login, request, cors, system; none = all")
	f.StringSliceVar(&aliases, "type", nil, "the same as --event-type")
	f.StringVar(&tenant, "tenant", "", "one tenant only (default: the default tenant); none = all")
	f.BoolVar(&dryRun, "dry-run", false, "count and delete nothing")
	return cmd
}

func cleanup(ctx context.Context, store storage.Store, scope activity.Scope, r storage.Retention, out, progress io.Writer) error {
	if !store.Capabilities().Retention {
		return lacking(store, "delete events by age", "let the database drop old partitions by itself")
	}
	var deleted int64
	for more := true; more; {
		result, err := store.DeleteBefore(ctx, scope, r)
		if err != nil {
			return fmt.Errorf("cleanup, after %d events: %w", deleted, err)
		}
		deleted += result.Deleted
		more, r.After = result.More, result.Next
		if more {
			_, _ = fmt.Fprintf(progress, "%d events\n", deleted) // progress is not a result
		}
	}
	return report(out, "deleted", deleted, r.Before)
}

// countOld is a cleanup that only reads.
func countOld(ctx context.Context, store storage.Store, scope activity.Scope, r storage.Retention, out, _ io.Writer) error {
	if !store.Capabilities().Count {
		return lacking(store, "count", "look into the database")
	}
	n, err := store.Count(ctx, scope, activity.Query{Kinds: r.Kinds, To: r.Before - 1}, math.MaxInt64-1)
	if err != nil {
		return fmt.Errorf("count old events: %w", err)
	}
	return report(out, "would delete", n.N, r.Before)
}

func report(out io.Writer, verb string, n, before int64) error {
	_, err := fmt.Fprintf(out, "%s %d events older than %s\n", verb, n, time.Unix(0, before).UTC().Format(time.RFC3339))
	return err
}
