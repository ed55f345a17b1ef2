package sqldb

import (
	"context"
	"fmt"
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// DeleteBefore implements storage.Retainer. A segment that has to go whole is
// dropped in one call, whatever the limit: that costs a fraction of deleting its
// rows. A dry run works on a store opened for reading, too.
func (s *store) DeleteBefore(ctx context.Context, scope activity.Scope, r storage.Retention) (storage.RetentionResult, error) {
	var res storage.RetentionResult
	q := activity.Query{Kinds: r.Kinds, To: r.Before - 1, Order: activity.OldestFirst}
	if r.Before <= 0 || r.Limit < 1 || r.Limit > storage.MaxDeleteBatch {
		return res, invalid("retention needs a time and a limit of 1 to %d", storage.MaxDeleteBatch)
	}
	if err := checkFilters(&q); err != nil || scope.Empty() {
		return res, err
	}
	if r.DryRun {
		err := s.read(ctx, func(c *session) (err error) {
			res, err = s.deleteOnce(ctx, c, scope, &q, &r)
			return err
		})
		return res, err
	}
	if s.writer == nil {
		return res, fmt.Errorf("delete old events: %w", storage.ErrReadOnly)
	}
	err := s.write(ctx, func(ctx context.Context, c *session) (err error) {
		if wholeSegments(scope, &r) {
			if res, err = s.dropOldest(ctx, c, &r); err != nil || res.More {
				return err
			}
		}
		if res, err = s.deleteOnce(ctx, c, scope, &q, &r); err != nil {
			return err
		}
		return s.dropEmpty(ctx, c, &r)
	})
	if err != nil {
		return storage.RetentionResult{}, fmt.Errorf("delete old events: %w", err)
	}
	return res, s.writer.reclaim(ctx)
}

// write runs fn in a transaction of the writer unless the store is closed.
func (s *store) write(ctx context.Context, fn func(context.Context, *session) error) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return storage.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.writer.transact(ctx, func(c *session) error { return fn(ctx, c) })
}

func (s *store) deleteOnce(ctx context.Context, c *session, scope activity.Scope, q *activity.Query, r *storage.Retention) (res storage.RetentionResult, err error) {
	x, err := s.newSearch(ctx, c, scope, q)
	if err != nil {
		return res, err
	}
	at := cursor{place: placeOf(r.After), set: !r.After.IsZero()}
	for looked := 0; looked < r.Limit; {
		n := min(r.Limit-looked, activity.MaxLimit)
		hits, _, err := x.run(ctx, at, n)
		if err != nil {
			return res, err
		}
		looked += len(hits)
		gone, err := x.release(ctx, hits, r)
		if err != nil {
			return res, err
		}
		res.Deleted += gone
		res.Held += int64(len(hits)) - gone
		if len(hits) > 0 {
			last := hits[len(hits)-1]
			res.Next = last.position()
			at = cursor{place: last.place, segment: last.segment, set: true}
		}
		if len(hits) < n {
			return res, nil
		}
	}
	res.More = true
	return res, nil
}

// release deletes the hits that are not held.
func (x *search) release(ctx context.Context, hits []hit, r *storage.Retention) (int64, error) {
	if r.Hold != nil {
		records, err := x.session.fetch(ctx, x.store.dialect, hits)
		if err != nil {
			return 0, err
		}
		kept := make([]hit, 0, len(hits))
		for i := range hits {
			if !r.Hold(&records[i].Event) {
				kept = append(kept, hits[i])
			}
		}
		hits = kept
	}
	if r.DryRun {
		return int64(len(hits)), nil
	}
	return int64(len(hits)), x.deleteRows(ctx, hits)
}

func (x *search) deleteRows(ctx context.Context, hits []hit) error {
	for len(hits) > 0 {
		name := hits[0].segment
		n := slices.IndexFunc(hits, func(h hit) bool { return h.segment != name })
		if n < 0 {
			n = len(hits)
		}
		stored := make([]int64, n)
		for i := range stored {
			stored[i] = hits[i].stored
		}
		hits = hits[n:]
		b := &builder{dialect: x.store.dialect}
		b.add("DELETE FROM ", name, " WHERE stored_ns IN ", b.list(padded(stored)))
		if _, err := x.session.change(ctx, b); err != nil {
			return err
		}
		b = &builder{dialect: x.store.dialect}
		b.add("UPDATE segments SET event_count = event_count - ", b.arg(n), " WHERE name = ", b.arg(name))
		if _, err := x.session.change(ctx, b); err != nil {
			return err
		}
	}
	return nil
}
