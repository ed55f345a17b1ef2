package sqldb

import (
	"context"
	"fmt"
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// dropEmpty drops the segments that retention has emptied; when an event needs
// the range again it is made again.
func (s *store) dropEmpty(ctx context.Context, c *session, r *storage.Retention) error {
	if r.DryRun {
		return nil
	}
	segs, err := c.segments(ctx)
	if err != nil {
		return err
	}
	left := slices.Clone(segs)
	left = slices.DeleteFunc(left, func(seg segment) bool { return seg.hi <= r.Before && seg.events <= 0 })
	s.writer.catalogue = left
	if len(left) == len(segs) {
		return nil
	}
	for i := range segs {
		if !slices.ContainsFunc(left, func(l segment) bool { return l.name == segs[i].name }) {
			if err := s.dropSegment(ctx, c, &segs[i]); err != nil {
				return err
			}
		}
	}
	return s.dialect.rebuildView(ctx, c.conn, left.names())
}

// dropSegment drops a segment that is really empty: a count that somebody
// changed must not cost events.
func (s *store) dropSegment(ctx context.Context, c *session, seg *segment) error {
	b := &builder{dialect: s.dialect}
	rows, err := c.number(ctx, b.add("SELECT count(*) FROM (SELECT 1 FROM ", seg.name, " LIMIT 1) AS one"))
	if err != nil {
		return fmt.Errorf("look into segment %s: %w", seg.name, err)
	}
	if rows > 0 {
		return fmt.Errorf("segment %s has events although its count says it has none: somebody changed the table segments by hand", seg.name)
	}
	b = &builder{dialect: s.dialect}
	b.add("DELETE FROM segments WHERE name = ", b.arg(seg.name))
	if _, err := c.change(ctx, b); err != nil {
		return fmt.Errorf("drop segment %s: %w", seg.name, err)
	}
	if err := s.dialect.rebuildView(ctx, c.conn, nil); err != nil {
		return err
	}
	if _, err := c.conn.ExecContext(ctx, "DROP TABLE "+seg.name); err != nil {
		return fmt.Errorf("drop segment %s: %w", seg.name, err)
	}
	return nil
}

// reclaim gives some of the freed space back, outside the transaction that
// freed it.
func (w *writer) reclaim(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.session == nil {
		return nil
	}
	return w.store.dialect.classify(w.store.dialect.reclaim(context.WithoutCancel(ctx), w.session.conn))
}
