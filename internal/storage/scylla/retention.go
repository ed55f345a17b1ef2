package scylla

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// releaseBatch is how many events retention reads before it deletes them.
const releaseBatch = 1000

// DeleteBefore implements storage.Retainer. Events go row by row and never as a
// whole partition: write timestamps run backwards, so the tombstone of a
// partition would also swallow every event of that hour that arrives later.
// Their lookups go first, so that a run that was cut short finds them again.
//
// There is no transaction: after an error some of the events may be gone.
func (s *store) DeleteBefore(ctx context.Context, scope activity.Scope, r storage.Retention) (storage.RetentionResult, error) {
	q, err := r.Query()
	if err != nil || scope.Empty() {
		return storage.RetentionResult{}, err
	}
	if s.group == nil && !r.DryRun {
		return storage.RetentionResult{}, fmt.Errorf("delete old events: %w", storage.ErrReadOnly)
	}
	leave, err := s.use(ctx)
	if err != nil {
		return storage.RetentionResult{}, err
	}
	defer leave()
	res, err := s.deleteBefore(ctx, scope, &q, &r)
	if err != nil {
		return storage.RetentionResult{}, fmt.Errorf("delete old events: %w", failure(ctx, err))
	}
	return res, nil
}

func (s *store) deleteBefore(ctx context.Context, scope activity.Scope, q *activity.Query, r *storage.Retention) (res storage.RetentionResult, err error) {
	began := s.now()
	q.After, q.Limit = r.After, min(r.Limit, releaseBatch)
	x, err := s.newSearch(ctx, scope, q)
	if err != nil {
		return res, err
	}
	x.walk.keepVisited = !r.DryRun
	for looked := 0; looked < r.Limit; {
		var gone []*activity.Event
		n := min(r.Limit-looked, releaseBatch)
		got := 0
		for ; got < n; got++ {
			e, _, err := x.next(ctx)
			if err != nil {
				return res, err
			}
			if e == nil {
				break
			}
			res.Next = e.position()
			ev := &e.record.Event
			if r.Hold != nil && r.Hold(ev) {
				res.Held++
				continue
			}
			gone = append(gone, ev)
		}
		looked += got
		res.Deleted += int64(len(gone))
		if !r.DryRun {
			if err := s.deleteEvents(ctx, gone, r.Before, began); err != nil {
				return res, err
			}
			if err := s.forget(ctx, x.walk.visited, r.Before, began); err != nil {
				return res, err
			}
			x.walk.visited = nil
		}
		if res.More = got == n; !res.More {
			break
		}
	}
	return res, nil
}

// deleteEvents deletes lookups and ids, then the buckets that they leave empty,
// then the events themselves. The tombstones are of now, above every write
// timestamp of an acceptance.
func (s *store) deleteEvents(ctx context.Context, gone []*activity.Event, before int64, began time.Time) error {
	var lookups, rows work
	var left []bucket
	now := s.now().UnixMicro()
	for _, e := range gone {
		left = append(left, s.dropLookups(&lookups, e, now)...)
		lookups.add(bucket{value: string(e.ID[:])}, 0, s.cql.deleteID, now, e.ID[:], e.Datetime, e.TenantID, e.Kind.String())
		b := s.eventBucket(e)
		rows.add(b, 0, s.cql.deleteEvent, now, b.tenant, b.source, b.hour, b.shard, e.Datetime, e.ID[:])
	}
	if err := s.run(ctx, &lookups); err != nil {
		return err
	}
	if err := s.forget(ctx, left, before, began); err != nil {
		return err
	}
	return s.run(ctx, &rows)
}

// dropLookups deletes the lookups of an event, and gives the buckets they were in.
func (s *store) dropLookups(w *work, e *activity.Event, now int64) []bucket {
	buckets := lookupBuckets(e)
	for _, b := range buckets {
		w.add(b, 0, s.cql.deleteLookup, now, b.tenant, b.source, []byte(b.value), b.hour, e.Datetime, e.ID[:], e.Kind.String())
	}
	return buckets
}

// forget takes buckets of hours before a time out of the catalogue when nothing
// is in them any more, unless a writer has put them there within bucketGrace of
// the beginning, before anything was read: it may be writing to them.
func (s *store) forget(ctx context.Context, buckets []bucket, before int64, began time.Time) error {
	seen := map[bucket]bool{}
	buckets = slices.DeleteFunc(buckets, func(b bucket) bool {
		again := seen[b]
		seen[b] = true
		return again || hourEnd(b.hour) >= before
	})
	empty := make([]bool, len(buckets))
	err := parallel(ctx, len(buckets), s.cfg.Concurrency, func(ctx context.Context, i int) (err error) {
		empty[i], err = s.isEmpty(ctx, &buckets[i])
		return err
	})
	if err != nil {
		return err
	}
	var w work
	at := began.Add(-bucketGrace).UnixMicro()
	for i := range buckets {
		if b := &buckets[i]; empty[i] {
			w.add(bucket{tenant: b.tenant, source: b.source, value: b.value}, 0, s.cql.deleteBucket,
				at, b.tenant, b.source, []byte(b.value), b.hour, b.shard)
		}
	}
	return s.run(ctx, &w)
}

// isEmpty looks for the newest row of a partition: the oldest go first, and
// there the tombstones are.
func (s *store) isEmpty(ctx context.Context, b *bucket) (bool, error) {
	var id []byte
	q := s.session.Query(s.cql.anyEvent, b.tenant, b.source, b.hour, b.shard)
	if b.value != "" {
		q = s.session.Query(s.cql.anyLookup, b.tenant, b.source, []byte(b.value), b.hour)
	}
	err := q.ScanContext(ctx, &id)
	if errors.Is(err, gocql.ErrNotFound) {
		return true, nil
	}
	return false, err
}
