package sqldb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Get implements storage.Reader. Segments are asked newest first, so the first
// answer is the newest.
func (s *store) Get(ctx context.Context, scope activity.Scope, id activity.ID) (activity.Event, error) {
	var e activity.Event
	if scope.Empty() {
		return e, activity.ErrNotFound
	}
	err := s.read(ctx, func(c *session) error {
		segs, err := s.dialect.catalogue(ctx, c)
		if err != nil {
			return err
		}
		segs = s.dialect.byID(segs)
		for i := range slices.Backward(segs) {
			found, err := s.getFrom(ctx, c, &segs[i], scope, id, &e)
			if err != nil || found {
				return err
			}
		}
		return activity.ErrNotFound
	})
	if err != nil {
		return activity.Event{}, fmt.Errorf("get event %s: %w", id, err)
	}
	return e, nil
}

func (s *store) getFrom(ctx context.Context, c *session, seg *segment, scope activity.Scope, id activity.ID, e *activity.Event) (bool, error) {
	b := &builder{dialect: s.dialect}
	b.add("SELECT ", selectList, " FROM ", s.dialect.source(seg.name, keyIndex), " WHERE id = ", b.arg(id[:]), seg.within(b))
	addScope(b, scope)
	b.add(" ORDER BY datetime_ns DESC, tenant_id LIMIT 1")
	found := false
	err := c.query(ctx, b, func(row []driver.Value) error {
		found = true
		readRow(row, e)
		return nil
	})
	return found, err
}

// addScope adds the tenants as a condition on rows.
func addScope(b *builder, scope activity.Scope) {
	if scope.All() {
		return
	}
	tenants := make([]driver.Value, len(scope.List()))
	for i, t := range scope.List() {
		tenants[i] = t
	}
	b.add(" AND tenant_id IN ", b.list(tenants))
}

// Page implements storage.Reader.
func (s *store) Page(ctx context.Context, scope activity.Scope, q activity.Query) (activity.Page, error) {
	if err := checkPage(&q); err != nil {
		return activity.Page{}, err
	}
	if scope.Empty() {
		return activity.Page{Complete: true}, nil
	}
	var page activity.Page
	err := s.read(ctx, func(c *session) error {
		x, err := s.newSearch(ctx, c, scope, &q)
		if err != nil {
			return err
		}
		from := cursor{place: placeOf(q.After), set: !q.After.IsZero()}
		hits, stop, err := x.run(ctx, from, q.Offset+q.Limit+1)
		if err != nil {
			return err
		}
		more := len(hits) > q.Offset+q.Limit
		hits = hits[min(q.Offset, len(hits)):min(q.Offset+q.Limit, len(hits))]
		records, err := c.fetch(ctx, s.dialect, hits)
		if err != nil {
			return err
		}
		page = makePage(&q, records, more, stop)
		return nil
	})
	if err != nil {
		return activity.Page{}, fmt.Errorf("read a page: %w", err)
	}
	return page, nil
}

func checkPage(q *activity.Query) error {
	if q.Limit < 1 || q.Limit > activity.MaxLimit {
		return invalid("a page has 1 to %d events, not %d", activity.MaxLimit, q.Limit)
	}
	if q.Offset < 0 || q.Offset+q.Limit > activity.MaxOffset {
		return invalid("offset and limit reach at most %d events: continue from a position instead", activity.MaxOffset)
	}
	return checkFilters(q)
}

func makePage(q *activity.Query, records []storage.Record, more bool, stop *cursor) activity.Page {
	page := activity.Page{Complete: stop == nil, Events: make([]activity.Event, len(records))}
	for i := range records {
		page.Events[i] = records[i].Event
	}
	if q.Backward {
		slices.Reverse(page.Events)
	}
	var ahead, behind activity.Position // of the direction of reading
	var first, last activity.Position
	if n := len(page.Events); n > 0 {
		first, last = activity.PositionOf(q.Order, &page.Events[0]), activity.PositionOf(q.Order, &page.Events[n-1])
		if q.Backward {
			first, last = last, first
		}
	}
	switch {
	case stop != nil:
		ahead = stop.position()
	case more:
		ahead = last
	}
	if !q.After.IsZero() || q.Offset > 0 {
		behind = first
		if len(page.Events) == 0 {
			behind = q.After
		}
	}
	page.Next, page.Previous = ahead, behind
	if q.Backward {
		page.Next, page.Previous = behind, ahead
	}
	return page
}
