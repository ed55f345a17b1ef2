package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// verifyBatch is how many events one worker hashes at a time.
const verifyBatch = 256

// progressEvery is how many events pass between two lines of progress.
const progressEvery = 100_000

// verifyGCPercent lets garbage be five times what is in use, some 10 MiB, before
// it is collected: nearly all that a verification allocates is garbage soon.
const verifyGCPercent = 500

// relaxGC collects garbage less often until restore is called, unless the
// operator has chosen how often with GOGC.
func relaxGC() (restore func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(verifyGCPercent)
	return func() { debug.SetGCPercent(before) }
}

func newVerify() *cobra.Command {
	var src source
	var kinds, models []string
	var from, to, tenant string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compute every seal again from the stored columns",
		Long: `Compute every seal again from the stored columns, beside a running collector.
Events that are tampered or unsealed are listed by id on the standard output.

Exit codes: 0 every seal fits; 1 something is tampered or unsealed; 2 the check failed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			var q activity.Query
			if q.Kinds, err = parseKinds(append(kinds, models...)); err != nil {
				return err
			}
			if q.From, err = parseTime("from", from); err != nil {
				return err
			}
			if q.To, err = parseTime("to", to); err != nil {
				return err
			}
			q.Order = activity.OldestFirst
			database, _, err := src.resolve(cmd.Context())
			if err != nil {
				return err
			}
			store, err := openReading(cmd.Context(), database)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			defer relaxGC()()
			return verify(cmd.Context(), store, scopeOf(tenant), q, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	src.flags(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&kinds, "kind", nil, "crud, login, request, cors, system; none = all")
	f.StringSliceVar(&models, "model", nil, "the same by model name: CRUDEvent, LoginEvent, RequestEvent, CorsEvent, SystemEvent")
	f.StringVar(&from, "from", "", "first time of occurrence, a date or RFC 3339")
	f.StringVar(&to, "to", "", "last time of occurrence, inclusive; a date is its first instant")
	f.StringVar(&tenant, "tenant", "", "one tenant only (default: the default tenant); none = all")
	return cmd
}

// tally is what the workers found.
type tally struct {
	mu                           sync.Mutex
	total                        int64
	verified, tampered, unsealed int64
	out, progress                io.Writer
	err                          error
}

// verify hashes in parallel what one scan reads; memory does not depend on how
// many events there are, and findings are printed as they are made.
func verify(ctx context.Context, store storage.Reader, scope activity.Scope, q activity.Query, out, progress io.Writer) error {
	t := &tally{out: out, progress: progress}
	batches := make(chan []storage.Record)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			var enc canonical.Encoder
			for batch := range batches {
				t.add(&enc, batch)
			}
		})
	}
	scanErr := feedBatches(ctx, store, scope, q, batches)
	close(batches)
	workers.Wait()
	if err := errors.Join(scanErr, t.err); err != nil {
		return fmt.Errorf("verify, after %d events: %w", t.total, err)
	}
	if _, err := fmt.Fprintf(out, "total %d, verified %d, tampered %d, unsealed %d\n", t.total, t.verified, t.tampered, t.unsealed); err != nil {
		return err
	}
	if t.tampered+t.unsealed > 0 {
		return errFindings
	}
	return nil
}

func feedBatches(ctx context.Context, store storage.Reader, scope activity.Scope, q activity.Query, to chan<- []storage.Record) error {
	batch := make([]storage.Record, 0, verifyBatch)
	for record, err := range store.Scan(ctx, scope, q) {
		if err != nil {
			return err
		}
		if batch = append(batch, record); len(batch) == verifyBatch {
			to <- batch
			batch = make([]storage.Record, 0, verifyBatch)
		}
	}
	to <- batch
	return ctx.Err()
}

func (t *tally) add(enc *canonical.Encoder, batch []storage.Record) {
	verdicts := make([]canonical.Verdict, len(batch))
	for i := range batch {
		verdicts[i] = enc.Verify(&batch[i].Event)
		if len(batch[i].Derived) > 0 {
			verdicts[i] = canonical.Tampered
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.total
	for i, v := range verdicts {
		t.total++
		switch v {
		case canonical.Verified:
			t.verified++
			continue
		case canonical.Tampered:
			t.tampered++
		case canonical.Unsealed:
			t.unsealed++
		}
		r := &batch[i]
		line := fmt.Sprintf("%s %s %s", v, r.Kind, r.ID)
		if len(r.Derived) > 0 {
			line += " columns: " + strings.Join(r.Derived, ",")
		}
		if _, err := fmt.Fprintln(t.out, line); err != nil && t.err == nil {
			t.err = err
		}
	}
	if t.total/progressEvery != before/progressEvery {
		_, _ = fmt.Fprintf(t.progress, "%d events checked\n", t.total) // progress is not a result
	}
}
