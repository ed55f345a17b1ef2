package sqldb

import (
	"context"
	"fmt"
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// dropOldest drops the first segment that ends before the retention's time, and
// says so by More: there may be events after it. A row whose datetime was
// changed by hand goes with the segment it was stored in.
func (k *sqliteKeeper) dropOldest(ctx context.Context, c *session, r *storage.Retention) (res storage.RetentionResult, err error) {
	segs, err := k.dialect.catalogue(ctx, c)
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
		b := &builder{dialect: k.dialect}
		if res.Deleted, err = c.number(ctx, b.add("SELECT count(*) FROM ", seg.name)); err != nil {
			return res, fmt.Errorf("count segment %s: %w", seg.name, err)
		}
		res.More, res.Next = true, place{datetime: seg.hi - 1, id: lastID}.position()
		return res, k.dropSegments(ctx, c, segs, func(other *segment) bool { return other == seg })
	}
	return res, nil
}

func (k *sqliteKeeper) deleted(ctx context.Context, c *session, segment string, rows int) error {
	b := &builder{dialect: k.dialect}
	b.add("UPDATE segments SET event_count = event_count - ", b.arg(rows), " WHERE name = ", b.arg(segment))
	_, err := c.change(ctx, b)
	return err
}

// dropEmpty drops the segments that retention has emptied; when an event needs
// the range again it is made again.
func (k *sqliteKeeper) dropEmpty(ctx context.Context, c *session, r *storage.Retention) error {
	segs, err := k.dialect.catalogue(ctx, c)
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
		b := &builder{dialect: k.dialect}
		rows, err := c.number(ctx, b.add("SELECT count(*) FROM (SELECT 1 FROM ", seg.name, " LIMIT 1) AS one"))
		if err != nil {
			return fmt.Errorf("look into segment %s: %w", seg.name, err)
		}
		if rows == 0 {
			empty = append(empty, seg.name)
		}
	}
	return k.dropSegments(ctx, c, segs, func(seg *segment) bool { return slices.Contains(empty, seg.name) })
}

// dropSegments drops those of the segments that go, and keeps the others as the
// catalogue.
func (k *sqliteKeeper) dropSegments(ctx context.Context, c *session, segs catalogue, goes func(*segment) bool) error {
	left := make(catalogue, 0, len(segs))
	for i := range segs {
		if !goes(&segs[i]) {
			left = append(left, segs[i])
			continue
		}
		name := segs[i].name
		b := &builder{dialect: k.dialect}
		b.add("DELETE FROM segments WHERE name = ", b.arg(name))
		if _, err := c.change(ctx, b); err != nil {
			return fmt.Errorf("drop segment %s: %w", name, err)
		}
		// A view over a table that is gone would be in the way.
		if err := k.dialect.rebuildView(ctx, c.conn, nil); err != nil {
			return err
		}
		if err := c.exec(ctx, "DROP TABLE "+name); err != nil {
			return fmt.Errorf("drop segment %s: %w", name, err)
		}
	}
	k.catalogue = left
	if len(left) == len(segs) {
		return nil
	}
	return k.dialect.rebuildView(ctx, c.conn, left.names())
}

func (k *sqliteKeeper) reclaim(ctx context.Context, c *session, _ *storage.Retention) (more bool, err error) {
	// A statement with a context that can end costs a goroutine, and this is short.
	return k.dialect.reclaim(context.WithoutCancel(ctx), c.conn)
}
