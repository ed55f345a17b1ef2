package sqldb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// wholeSegments reports whether the retention takes everything that is old
// enough, so that no row has to be looked at.
func wholeSegments(scope activity.Scope, r *storage.Retention) bool {
	for _, k := range activity.Kinds() {
		if len(r.Kinds) > 0 && !slices.Contains(r.Kinds, k) {
			return false
		}
	}
	return scope.All() && r.Hold == nil
}

// dropOldest drops the first segment that ends before the retention's time, and
// says so by More: there may be events after it. A row whose datetime was
// changed by hand goes with the segment it was stored in.
func (s *store) dropOldest(ctx context.Context, c *session, r *storage.Retention) (res storage.RetentionResult, err error) {
	segs, err := c.segments(ctx)
	if err != nil {
		return res, err
	}
	for i := range segs {
		seg := &segs[i]
		if seg.hi > r.Before {
			break
		}
		if !r.After.IsZero() && seg.lo <= r.After.Datetime {
			continue
		}
		b := &builder{dialect: s.dialect}
		if res.Deleted, err = c.number(ctx, b.add("SELECT count(*) FROM ", seg.name)); err != nil {
			return res, fmt.Errorf("count segment %s: %w", seg.name, err)
		}
		res.More, res.Next = true, place{datetime: seg.hi - 1, id: lastID}.position()
		return res, s.dropSegments(ctx, c, segs, func(other *segment) bool { return other == seg })
	}
	return res, nil
}

// dropEmpty drops the segments that retention has emptied; when an event needs
// the range again it is made again.
func (s *store) dropEmpty(ctx context.Context, c *session, r *storage.Retention) error {
	segs, err := c.segments(ctx)
	if err != nil {
		return err
	}
	var empty []string
	for i := range segs {
		seg := &segs[i]
		if seg.hi > r.Before || seg.events > 0 {
			continue
		}
		// A count that somebody changed must not cost events.
		b := &builder{dialect: s.dialect}
		rows, err := c.number(ctx, b.add("SELECT count(*) FROM (SELECT 1 FROM ", seg.name, " LIMIT 1) AS one"))
		if err != nil {
			return fmt.Errorf("look into segment %s: %w", seg.name, err)
		}
		if rows == 0 {
			empty = append(empty, seg.name)
		}
	}
	return s.dropSegments(ctx, c, segs, func(seg *segment) bool { return slices.Contains(empty, seg.name) })
}

// dropSegments drops those of the segments that go, and makes the others the
// writer's catalogue.
func (s *store) dropSegments(ctx context.Context, c *session, segs catalogue, goes func(*segment) bool) error {
	left := make(catalogue, 0, len(segs))
	for i := range segs {
		if !goes(&segs[i]) {
			left = append(left, segs[i])
			continue
		}
		name := segs[i].name
		b := &builder{dialect: s.dialect}
		b.add("DELETE FROM segments WHERE name = ", b.arg(name))
		if _, err := c.change(ctx, b); err != nil {
			return fmt.Errorf("drop segment %s: %w", name, err)
		}
		// A view over a table that is gone would be in the way.
		if err := s.dialect.rebuildView(ctx, c.conn, nil); err != nil {
			return err
		}
		if err := c.exec(ctx, "DROP TABLE "+name); err != nil {
			return fmt.Errorf("drop segment %s: %w", name, err)
		}
	}
	s.writer.catalogue = left
	if len(left) == len(segs) {
		return nil
	}
	return s.dialect.rebuildView(ctx, c.conn, left.names())
}

// reclaimTime bounds how long one retention step gives space back. What is left
// is taken by the next step, or by new events.
const reclaimTime = 500 * time.Millisecond

// reclaim gives freed space back to the system, outside the transaction that
// freed it, in portions between which others write.
func (w *writer) reclaim(ctx context.Context) error {
	until := time.Now().Add(reclaimTime)
	for more := true; more && time.Now().Before(until) && ctx.Err() == nil; {
		var err error
		if more, err = w.reclaimPortion(ctx); err != nil {
			return fmt.Errorf("give space back: %w", w.store.dialect.classify(err))
		}
	}
	return nil
}

func (w *writer) reclaimPortion(ctx context.Context) (more bool, err error) {
	if err := w.lock(ctx); err != nil {
		return false, err
	}
	defer w.unlock()
	if w.session == nil {
		return false, nil
	}
	return w.store.dialect.reclaim(context.WithoutCancel(ctx), w.session.conn)
}
