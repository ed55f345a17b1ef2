package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// maxHeld is how many held events one statement leaves out by name.
const maxHeld = 500

// waitForMutation makes an ALTER answer when it is done. A mutation that a
// timeout leaves behind goes on; asking again finds less to do.
var waitForMutation = ch.Settings{"mutations_sync": 1, "lightweight_deletes_sync": 1}

// DeleteBefore implements storage.Retainer. When everything goes, whole months
// are dropped, one in each call; otherwise one statement deletes the rows of the
// call. A dry run works on a store opened for reading, too.
func (s *store) DeleteBefore(ctx context.Context, scope activity.Scope, r storage.Retention) (storage.RetentionResult, error) {
	var res storage.RetentionResult
	q, err := r.Query()
	if err != nil || scope.Empty() {
		return res, err
	}
	q.After = r.After
	if s.writer == nil && !r.DryRun {
		return res, fmt.Errorf("delete old events: %w", storage.ErrReadOnly)
	}
	err = s.use(ctx, func() (err error) {
		if !r.DryRun && wholeMonths(scope, &r) {
			if res, err = s.dropOldest(ctx, &r); err != nil || res.More {
				return err
			}
		}
		res, err = s.deleteOnce(ctx, scope, &q, &r)
		return err
	})
	if err != nil {
		return storage.RetentionResult{}, fmt.Errorf("delete old events: %w", err)
	}
	return res, nil
}

// doomed is what one statement deletes: everything of a query up to a place,
// except the held, that was stored before the search began.
type doomed struct {
	events int64
	last   place
	held   []place
	more   bool
}

func (s *store) deleteOnce(ctx context.Context, scope activity.Scope, q *activity.Query, r *storage.Retention) (res storage.RetentionResult, err error) {
	stored := int64(math.MaxInt64)
	if s.writer != nil {
		stored = s.writer.barrier()
	}
	q.Filters = []activity.Filter{{Fields: []activity.Field{activity.FieldStoredNS}, Op: activity.OpAtMost, Int: []int64{stored}}}
	var d doomed
	if r.Hold == nil {
		d, err = s.countOldest(ctx, scope, q, "", r.Limit)
	} else {
		d, err = s.judgeOldest(ctx, scope, q, r)
	}
	if err != nil {
		return res, err
	}
	res = storage.RetentionResult{Deleted: d.events, Held: int64(len(d.held)), More: d.more, Next: d.last.Position}
	if r.DryRun || d.events == 0 {
		return res, nil
	}
	b := &builder{}
	b.add("DELETE FROM activity_events").where(scope, &activity.Query{Kinds: q.Kinds})
	b.upTo(&q.After, &d.last)
	b.add(" AND stored_ns <= ", b.int(stored))
	b.except(d.held)
	return res, s.exec(ctx, s.config.MutationTimeout, waitForMutation, b)
}

// judgeOldest looks at the oldest events, up to the limit of the call.
func (s *store) judgeOldest(ctx context.Context, scope activity.Scope, q *activity.Query, r *storage.Retention) (d doomed, err error) {
	err = s.newSearch(scope, q).scan(ctx, func(rec *storage.Record) bool {
		if d.events+int64(len(d.held)) == int64(r.Limit) || len(d.held) == maxHeld {
			d.more = true
			return false
		}
		d.last = place{activity.PositionOf(activity.OldestFirst, &rec.Event), rec.TenantID, rec.Kind}
		if r.Hold(&rec.Event) {
			d.held = append(d.held, d.last)
		} else {
			d.events++
		}
		return true
	})
	return d, err
}

// countOldest finds on the server how many events there are, at most limit, and
// which is the last of them. condition is constant text.
func (s *store) countOldest(ctx context.Context, scope activity.Scope, q *activity.Query, condition string, limit int) (d doomed, err error) {
	x := s.newSearch(scope, q)
	_, err = x.eachWindow(ctx, func(part span, limitTime time.Duration) (more bool, err error) {
		n, last, err := x.countWindow(ctx, part, limitTime, condition, int64(limit)-d.events)
		if err != nil {
			return false, err
		}
		if n > 0 {
			d.events, d.last = d.events+n, last
		}
		return d.events < int64(limit), nil
	})
	d.more = d.events == int64(limit)
	return d, err
}

func (x *search) countWindow(ctx context.Context, part span, limitTime time.Duration, condition string, limit int64) (n int64, last place, err error) {
	q := x.query
	q.From, q.To = 0, 0 // the window is inside
	b := &builder{}
	b.add("SELECT n, last.1, last.2, last.3, last.4 FROM (SELECT toInt64(count()) AS n, max((datetime_ns, id, tenant_id, k)) AS last FROM (",
		"SELECT datetime_ns, id, tenant_id, CAST(kind, 'Int64') AS k FROM activity_events FINAL").where(x.scope, &q)
	b.within(part).add(condition)
	if !q.After.IsZero() {
		b.after(activity.OldestFirst, &q.After, false)
	}
	b.order(activity.OldestFirst, false).add(" LIMIT ", b.int(limit), "))")
	err = x.store.query(ctx, limitTime, b, func(r driver.Rows) error {
		var id string
		var kind int64
		if err := r.Scan(&n, &last.Datetime, &id, &last.tenant, &kind); err != nil {
			return err
		}
		copy(last.ID[:], id)
		last.kind = activity.Kind(kind) //nolint:gosec // of our enum
		return nil
	})
	return n, last, err
}

// upTo bounds a statement to what lies beyond a position, up to a place.
func (b *builder) upTo(after *activity.Position, last *place) *builder {
	if !after.IsZero() {
		b.add(" AND datetime_ns >= ", b.int(after.Datetime))
		b.after(activity.OldestFirst, after, false)
	}
	b.add(" AND datetime_ns <= ", b.int(last.Datetime))
	return b.add(" AND (datetime_ns, id, tenant_id, CAST(kind, 'Int64')) <= ",
		"(", b.int(last.Datetime), ", ", b.id(last.ID), ", ", b.text(last.tenant), ", ", b.int(int64(last.kind)), ")")
}

// except leaves out events by their key.
func (b *builder) except(held []place) {
	if len(held) == 0 {
		return
	}
	keys := make([]string, len(held))
	for i := range held {
		p := &held[i]
		keys[i] = strconv.FormatInt(p.Datetime, 10) + "/" + hex.EncodeToString(p.ID[:]) + "/" + p.tenant
	}
	b.add(" AND concat(toString(datetime_ns), '/', lower(hex(id)), '/', tenant_id) NOT IN ", b.texts(keys))
}

// barrier gives a stored_ns that every later commit of this process exceeds.
func (w *writer) barrier() int64 {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	return w.nextStored()
}
