package api

import (
	"context"
	"fmt"
	"runtime"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// A batch is handed to a worker when it has so many events or bytes.
const (
	verifyBatch  = 512
	verifyBytes  = 4 << 20
	maxReportIDs = 1000
)

// report is the answer of verify_integrity. OK is true only when every event of
// the query was looked at and verified.
type report struct {
	Total       int64    `json:"total"`
	Verified    int64    `json:"verified"`
	Tampered    int64    `json:"tampered"`
	TamperedIDs []string `json:"tampered_ids"`
	Unsealed    int64    `json:"unsealed"`
	UnsealedIDs []string `json:"unsealed_ids"`
	// Erased events verify by the commitments that were kept.
	Erased int64 `json:"erased"`
	// Derived names, at level=full, the columns that disagree with their source.
	Derived map[string][]string `json:"derived,omitempty"`
	// IDsComplete is false when there are more ids than are listed.
	IDsComplete bool    `json:"ids_complete"`
	NextCursor  *string `json:"next_cursor"`
	OK          bool    `json:"ok"`
}

func newReport() *report {
	return &report{TamperedIDs: []string{}, UnsealedIDs: []string{}, IDsComplete: true}
}

// verify recomputes the seal of every event of a query, within a time budget;
// next_cursor continues where it stopped.
func (c *call) verify() error {
	full, err := c.full()
	if err != nil {
		return err
	}
	q, scope, err := c.query()
	if err != nil {
		return err
	}
	q.Order = activity.OldestFirst
	if c.params.Has("cursor") {
		if q.After, _, err = decodeCursor(c.params.Get("cursor"), c.fingerprint()); err != nil {
			return err
		}
	}
	release, err := c.takeLong()
	if err != nil {
		return err
	}
	defer release()
	c.extendDeadline(c.settings.VerifyBudget + c.settings.StallTimeout)
	r, stopped, err := c.report(scope, q, full)
	if err != nil {
		return fmt.Errorf("verify %s events: %w", c.endpoint.kind, err)
	}
	c.settings.Verified(c.r.Context(), r.Total)
	if !stopped.IsZero() {
		cursor := encodeCursor(c.fingerprint(), stopped, false)
		r.NextCursor = &cursor
	}
	r.OK = r.Verified == r.Total && stopped.IsZero()
	return c.encode(r)
}

// verifyOne reports on a single event.
func (c *call) verifyOne() error {
	full, err := c.full()
	if err != nil {
		return err
	}
	e, err := c.event()
	if err != nil {
		return err
	}
	q := activity.Query{
		Kinds: []activity.Kind{e.Kind}, From: e.Datetime, To: e.Datetime, Order: activity.OldestFirst,
		Filters: []activity.Filter{{Fields: []activity.Field{activity.FieldID}, Op: activity.OpEqual, Text: []string{e.ID.String()}}},
	}
	r, _, err := c.report(narrowed(c.scope, e.TenantID), q, full)
	if err != nil {
		return fmt.Errorf("verify the event %s: %w", e.ID, err)
	}
	r.OK = r.Total == 1 && r.Verified == 1
	return c.encode(struct {
		ID     string `json:"id"`
		Status string `json:"status"`
		Valid  *bool  `json:"valid"`
		*report
	}{e.ID.String(), r.status(), r.valid(), r})
}

// status and valid are what the replaced package answered for one event.
func (r *report) status() string {
	switch {
	case r.Unsealed > 0:
		return "no_hash"
	case r.OK:
		return "ok"
	}
	return "tampered"
}

func (r *report) valid() *bool {
	if r.Unsealed > 0 {
		return nil
	}
	return &r.OK
}

func (c *call) full() (bool, error) {
	switch level := c.params.Get(paramLevel); level {
	case "", "hash":
		return false, nil
	case "full":
		return true, nil
	default:
		return false, fmt.Errorf("%w: level: want hash or full, got %q", activity.ErrInvalid, level)
	}
}

// judged is a batch in the hands of a worker.
type judged struct {
	records  []storage.Record
	verdicts []canonical.Verdict
	done     chan struct{}
}

// report scans in this goroutine while workers hash; batches are counted in the
// order they were read, so that a report always lists the same ids.
func (c *call) report(scope activity.Scope, q activity.Query, full bool) (r *report, stopped activity.Position, err error) {
	workers := runtime.GOMAXPROCS(0)
	work := make(chan *judged)
	finished := make(chan struct{})
	for range workers {
		go func() {
			defer func() { finished <- struct{}{} }()
			var enc canonical.Encoder
			for j := range work {
				for i := range j.records {
					j.verdicts = append(j.verdicts, enc.Verify(&j.records[i].Event))
				}
				close(j.done)
			}
		}()
	}
	defer func() {
		close(work)
		for range workers {
			<-finished
		}
	}()

	r = newReport()
	var under []*judged // under way, oldest first, at most two a worker
	batch, held := make([]storage.Record, 0, verifyBatch), 0
	hand := func() {
		if len(under) == 2*workers {
			r.count(under[0], full)
			under = under[1:]
		}
		j := &judged{records: batch, done: make(chan struct{})}
		work <- j
		under = append(under, j)
		batch, held = make([]storage.Record, 0, verifyBatch), 0
	}
	stopped, err = c.scan(scope, q, func(record *storage.Record) {
		batch, held = append(batch, *record), held+record.Size()
		if len(batch) == verifyBatch || held >= verifyBytes {
			hand()
		}
	})
	if err != nil {
		return nil, stopped, err
	}
	if len(batch) > 0 {
		hand()
	}
	for _, j := range under {
		r.count(j, full)
	}
	return r, stopped, nil
}

// scan gives every record to see until the budget is spent, and then where it
// stopped. A search that found nothing within the budget has no place to stop
// at: that is storage.ErrBudget.
func (c *call) scan(scope activity.Scope, q activity.Query, see func(*storage.Record)) (stopped activity.Position, err error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), c.settings.VerifyBudget)
	defer cancel()
	var last activity.Position
	for record, err := range c.settings.Store.Scan(ctx, scope, q) {
		spent := ctx.Err() != nil && c.r.Context().Err() == nil
		switch {
		case err != nil && spent && last.IsZero():
			return last, fmt.Errorf("%w: no match within %s; narrow the query by time", storage.ErrBudget, c.settings.VerifyBudget)
		case err != nil && spent:
			return last, nil
		case err != nil:
			return last, err
		}
		see(&record)
		last = activity.PositionOf(activity.OldestFirst, &record.Event)
		if spent {
			return last, nil
		}
	}
	return activity.Position{}, nil
}

// count waits for a batch and adds its verdicts.
func (r *report) count(j *judged, full bool) {
	<-j.done
	for i, verdict := range j.verdicts {
		record := &j.records[i]
		r.Total++
		if len(record.Derived) > 0 {
			// A column that could not even be read is not the one that was sealed.
			verdict = canonical.Tampered
			if full && len(r.Derived) < maxReportIDs {
				if r.Derived == nil {
					r.Derived = map[string][]string{}
				}
				r.Derived[record.ID.String()] = record.Derived
			}
		}
		switch verdict {
		case canonical.Verified:
			r.Verified++
			if record.Erased(activity.GroupPersonal) || record.Erased(activity.GroupContent) {
				r.Erased++
			}
		case canonical.Tampered:
			r.Tampered++
			r.name(&r.TamperedIDs, record.ID)
		case canonical.Unsealed:
			r.Unsealed++
			r.name(&r.UnsealedIDs, record.ID)
		}
	}
}

func (r *report) name(ids *[]string, id activity.ID) {
	if len(*ids) == maxReportIDs {
		r.IDsComplete = false
		return
	}
	*ids = append(*ids, id.String())
}
