package scylla

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

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
	q.After, q.Limit = r.After, min(r.Limit, releaseBatch)
	x, err := s.newSearch(ctx, scope, q)
	if err != nil {
		return res, err
	}
	emptied := newEmptied(r)
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
				emptied.held[s.eventBucket(ev)] = true
				continue
			}
			gone = append(gone, ev)
			emptied.note(lookupBuckets(ev))
		}
		looked += got
		res.Deleted += int64(len(gone))
		if !r.DryRun {
			if err := s.deleteEvents(ctx, gone); err != nil {
				return res, err
			}
		}
		if res.More = got == n; !res.More {
			break
		}
	}
	if !r.DryRun {
		err = s.forget(ctx, emptied.whole(x.walk.visited))
	}
	return res, err
}

// deleteEvents deletes lookups, then ids, then the events themselves. The
// tombstones are of now, above every write timestamp of an acceptance.
func (s *store) deleteEvents(ctx context.Context, gone []*activity.Event) error {
	var lookups, rows work
	now := s.now().UnixMicro()
	for _, e := range gone {
		s.dropLookups(&lookups, e, now)
		lookups.add(bucket{value: string(e.ID[:])}, 0, s.cql.deleteID, now, e.ID[:], e.Datetime, e.TenantID, e.Kind.String())
		b := s.eventBucket(e)
		rows.add(b, 0, s.cql.deleteEvent, now, b.tenant, b.source, b.hour, b.shard, e.Datetime, e.ID[:])
	}
	if err := s.run(ctx, &lookups); err != nil {
		return err
	}
	return s.run(ctx, &rows)
}

func (s *store) dropLookups(w *work, e *activity.Event, now int64) {
	for _, b := range lookupBuckets(e) {
		w.add(b, 0, s.cql.deleteLookup, now, b.tenant, b.source, []byte(b.value), b.hour, e.Datetime, e.ID[:], e.Kind.String())
	}
}

// emptied notes from which buckets retention has taken everything.
type emptied struct {
	before, after int64
	every         bool                      // kind goes, and nothing can be held
	held          map[bucket]bool           // of events
	lookups       map[int64]map[bucket]bool // by hour
}

func newEmptied(r *storage.Retention) *emptied {
	e := &emptied{before: r.Before, after: r.After.Datetime, held: map[bucket]bool{}, lookups: map[int64]map[bucket]bool{}}
	if r.After.IsZero() {
		e.after = math.MinInt64
	}
	e.every = len(r.Kinds) == 0 && r.Hold == nil
	return e
}

func (e *emptied) note(lookups []bucket) {
	if !e.every {
		return
	}
	for _, b := range lookups {
		if e.lookups[b.hour] == nil {
			e.lookups[b.hour] = map[bucket]bool{}
		}
		e.lookups[b.hour][b] = true
	}
}

// whole gives, of the buckets that were read to their end, those that were also
// read from their beginning and hold nothing any more, and the lookups that led
// to them.
func (e *emptied) whole(visited []bucket) (out []bucket) {
	hours := map[int64]bool{}
	for _, b := range visited {
		if hourEnd(b.hour) >= e.before || hourStart(b.hour) <= e.after || e.held[b] {
			continue
		}
		out = append(out, b)
		if !hours[b.hour] {
			hours[b.hour] = true
			out = slices.AppendSeq(out, maps.Keys(e.lookups[b.hour]))
		}
	}
	return out
}

// forget takes buckets out of the catalogue, unless a writer has put them there
// within bucketGrace: it may be writing to them. The next retention will see.
func (s *store) forget(ctx context.Context, buckets []bucket) error {
	var w work
	at := s.now().Add(-bucketGrace).UnixMicro()
	for i := range buckets {
		b := &buckets[i]
		w.add(bucket{tenant: b.tenant, source: b.source, value: b.value}, 0, s.cql.deleteBucket,
			at, b.tenant, b.source, []byte(b.value), b.hour, b.shard)
	}
	return s.run(ctx, &w)
}
