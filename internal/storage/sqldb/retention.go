package sqldb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// countTime is how long a server counts the rows of a partition before they are
// dropped; those of a month can take minutes, and others wait meanwhile who
// change partitions.
const countTime = 2 * time.Second

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
	if q.To == 0 { // which is open in a query, and nothing happened before 1970
		return res, nil
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
			if res, err = s.dropper.dropOldest(ctx, c, &r); err != nil || res.More {
				return err
			}
		}
		if res, err = s.deleteOnce(ctx, c, scope, &q, &r); err != nil {
			return err
		}
		return s.dropper.dropEmpty(ctx, c, &r)
	})
	if err != nil {
		return storage.RetentionResult{}, fmt.Errorf("delete old events: %w", err)
	}
	return res, s.reclaim(ctx, &r)
}

// write runs fn in a transaction of upkeep unless the store is closed.
func (s *store) write(ctx context.Context, fn func(context.Context, *session) error) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return storage.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.upkeep.transact(ctx, nil, fn)
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
		stored, order := make([]int64, n), make([]int, n)
		for i := range stored {
			stored[i], order[i] = hits[i].stored, i
		}
		lo, hi := times(hits, order)
		hits = hits[n:]
		d := x.store.dialect
		b := &builder{dialect: d}
		b.add("DELETE FROM ", d.source(name, ""), " WHERE stored_ns IN ", b.list(padded(stored)))
		b.add(d.during(b, lo, hi))
		if _, err := x.session.change(ctx, b); err != nil {
			return err
		}
		if err := x.store.dropper.deleted(ctx, x.session, name, n); err != nil {
			return err
		}
	}
	return nil
}

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

// reclaimTime bounds how long one retention step gives space back. What is left
// is taken by the next step, or by new events.
const reclaimTime = 500 * time.Millisecond

// reclaim gives freed space back to the system, outside the transaction that
// freed it, in portions between which others write.
func (s *store) reclaim(ctx context.Context, r *storage.Retention) error {
	until := time.Now().Add(reclaimTime)
	for more := true; more && time.Now().Before(until) && ctx.Err() == nil; {
		var err error
		if more, err = s.reclaimPortion(ctx, r); err != nil {
			return fmt.Errorf("give space back: %w", s.dialect.classify(err))
		}
	}
	return nil
}

func (s *store) reclaimPortion(ctx context.Context, r *storage.Retention) (more bool, err error) {
	w := s.upkeep
	if err := w.lock(ctx); err != nil {
		return false, err
	}
	defer w.unlock()
	if w.session == nil {
		return false, nil
	}
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	return s.dropper.reclaim(ctx, w.session, r)
}
