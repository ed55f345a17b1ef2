package scylla

import (
	"context"
	"fmt"
	"iter"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Get implements storage.Reader.
func (s *store) Get(ctx context.Context, scope activity.Scope, id activity.ID) (activity.Event, error) {
	e, err := s.get(ctx, scope, id)
	if err != nil {
		return activity.Event{}, fmt.Errorf("get event %s: %w", id, failure(ctx, err))
	}
	return e, nil
}

func (s *store) get(ctx context.Context, scope activity.Scope, id activity.ID) (activity.Event, error) {
	leave, err := s.use(ctx)
	if err != nil {
		return activity.Event{}, err
	}
	defer leave()
	if scope.Empty() {
		return activity.Event{}, activity.ErrNotFound
	}
	keys, err := s.keysOf(ctx, scope, id)
	if err != nil {
		return activity.Event{}, err
	}
	for i := range keys {
		if err := s.fetch(ctx, keys[i:i+1]); err != nil {
			return activity.Event{}, err
		}
		if keys[i].record != nil {
			return keys[i].record.Event, nil
		}
	}
	return activity.Event{}, activity.ErrNotFound
}

// Page implements storage.Reader. Conditions that no key answers are tested on
// at most maxTested events; the page is then not complete and says where it
// stopped.
func (s *store) Page(ctx context.Context, scope activity.Scope, q activity.Query) (activity.Page, error) {
	if err := storage.CheckPage(&q); err != nil {
		return activity.Page{}, err
	}
	if err := supported(&q); err != nil {
		return activity.Page{}, err
	}
	page, err := s.page(ctx, scope, &q)
	if err != nil {
		return activity.Page{}, fmt.Errorf("read a page: %w", failure(ctx, err))
	}
	return page, nil
}

func (s *store) page(ctx context.Context, scope activity.Scope, q *activity.Query) (activity.Page, error) {
	leave, err := s.use(ctx)
	if err != nil {
		return activity.Page{}, err
	}
	defer leave()
	if scope.Empty() {
		return activity.Page{Complete: true}, nil
	}
	x, err := s.newSearch(ctx, scope, q)
	if err != nil {
		return activity.Page{}, err
	}
	if len(q.Filters) > 0 {
		x.limit = s.maxTested
	}
	var found []activity.Event
	var stop *activity.Position
	more := false
	for n := 0; ; n++ {
		e, at, err := x.next(ctx)
		if err != nil {
			return activity.Page{}, err
		}
		if stop = at; e == nil {
			break
		}
		if more = n == q.Offset+q.Limit; more {
			break
		}
		if n >= q.Offset {
			found = append(found, e.record.Event)
		}
	}
	return storage.MakePage(q, found, more, stop), nil
}

// scanPage is how many events a scan reads at a time, over all partitions of an
// hour.
const scanPage = 1000

// Scan implements storage.Reader. Each page of a partition is a read of its own;
// nothing is held on the server in between.
func (s *store) Scan(ctx context.Context, scope activity.Scope, q activity.Query) iter.Seq2[storage.Record, error] {
	return func(yield func(storage.Record, error) bool) {
		if err := s.scan(ctx, scope, &q, yield); err != nil {
			yield(storage.Record{}, fmt.Errorf("scan: %w", failure(ctx, err)))
		}
	}
}

func (s *store) scan(ctx context.Context, scope activity.Scope, q *activity.Query, yield func(storage.Record, error) bool) error {
	if q.Order != activity.NewestFirst {
		q.Order = activity.OldestFirst
	}
	q.Limit, q.Offset, q.Budget, q.Backward = scanPage, 0, 0, false
	if err := storage.CheckQuery(q); err != nil {
		return err
	}
	if err := supported(q); err != nil {
		return err
	}
	leave, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if scope.Empty() {
		return nil
	}
	x, err := s.newSearch(ctx, scope, q)
	if err != nil {
		return err
	}
	for {
		e, _, err := x.next(ctx)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if e == nil || !yield(*e.record, nil) {
			return nil
		}
	}
}

// Count implements storage.Reader: CQL counts by reading every row.
func (s *store) Count(_ context.Context, _ activity.Scope, q activity.Query, limit int64) (activity.Count, error) {
	if err := storage.CheckCount(&q, limit); err != nil {
		return activity.Count{}, err
	}
	return activity.Count{}, fmt.Errorf("%w: a count reads every event; page or export them", activity.ErrUnsupported)
}

// Feed implements storage.Reader: no table is in the order of commits.
func (s *store) Feed(_ context.Context, _ activity.Scope, _ activity.FeedPosition, limit int) ([]activity.Event, error) {
	if err := storage.CheckFeed(limit); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: no table is in the order of commits; ask for lists by datetime", activity.ErrUnsupported)
}

// Aggregate implements storage.Reader: CQL groups by key columns only.
func (s *store) Aggregate(_ context.Context, _ activity.Scope, q activity.Query, by activity.GroupBy) ([]activity.GroupCount, error) {
	if err := storage.CheckGroupBy(&q, &by); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: an aggregate reads every event; export them", activity.ErrUnsupported)
}
