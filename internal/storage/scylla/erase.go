package scylla

import (
	"context"
	"fmt"
	"math"
	"reflect"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Erase implements storage.Eraser: the cell of the group is overwritten, without
// reading what is in it first, at a write timestamp above that of any acceptance.
// An acceptance that comes later, however early it was received, cannot bring
// the person back: the database keeps the other cells and drops this one.
//
// There is no transaction: after an error some of the events may be erased.
func (s *store) Erase(ctx context.Context, scope activity.Scope, e storage.Erasure) (storage.ErasureResult, error) {
	q, err := e.Query()
	if err != nil || scope.Empty() {
		return storage.ErasureResult{}, err
	}
	if s.group == nil {
		return storage.ErasureResult{}, fmt.Errorf("erase: %w", storage.ErrReadOnly)
	}
	leave, err := s.use(ctx)
	if err != nil {
		return storage.ErasureResult{}, err
	}
	defer leave()
	res, err := s.erase(ctx, scope, &q, &e)
	if err != nil {
		return storage.ErasureResult{}, fmt.Errorf("erase: %w", failure(ctx, err))
	}
	return res, nil
}

func (s *store) erase(ctx context.Context, scope activity.Scope, q *activity.Query, e *storage.Erasure) (res storage.ErasureResult, err error) {
	began := s.now()
	q.After, q.Limit = e.After, min(e.Limit, releaseBatch)
	x, err := s.newSearch(ctx, scope, q)
	if err != nil {
		return res, err
	}
	x.walk.keepVisited = true
	for looked := 0; looked < e.Limit; {
		found := make([]*entry, 0, min(e.Limit-looked, releaseBatch))
		for len(found) < cap(found) {
			one, err := x.nextEntry(ctx)
			if err != nil {
				return res, err
			}
			if one == nil {
				break
			}
			found = append(found, one)
			res.Next = one.position()
		}
		n, left, err := s.eraseEntries(ctx, found, q.Filters, e.Group)
		if err != nil {
			return res, err
		}
		if err := s.forget(ctx, append(left, x.walk.visited...), math.MaxInt64, began); err != nil {
			return res, err
		}
		x.walk.visited = nil
		res.Erased += n
		if looked += len(found); len(found) < cap(found) {
			return res, nil
		}
	}
	res.More = true
	return res, nil
}

// eraseEntries empties the group in the events that match and gives how many
// of them had something to forget, and the buckets that lookups were taken from.
// The cells go first and the lookups of what is no longer there after them: a
// run that was cut short finds the rest.
func (s *store) eraseEntries(ctx context.Context, found []*entry, filters []activity.Filter, g activity.Group) (n int64, left []bucket, err error) {
	var cells, lookups work
	now := s.now()
	text := s.cql.erasePerson
	if g == activity.GroupContent {
		text = s.cql.eraseContent
	}
	for _, one := range found {
		if one.record == nil || !matches(filters, &one.record.Event) {
			// A run that was cut short erased the person and left this behind. One
			// without an event is left alone: its event may be on its way.
			if b := &one.via; one.record != nil && one.record.Erased(activity.GroupPersonal) {
				lookups.add(*b, 0, s.cql.deleteLookup, now.UnixMicro(), b.tenant, b.source, []byte(b.value), b.hour, one.datetime, one.id, one.kind)
			}
			continue
		}
		e := &one.record.Event
		before := *e
		e.Erase(g)
		if reflect.DeepEqual(before, *e) {
			continue
		}
		n++
		b := s.eventBucket(e)
		cells.add(b, 0, text, now.UnixMicro(), erased(now.UnixNano()), b.tenant, b.source, b.hour, b.shard, e.Datetime, e.ID[:])
		if g == activity.GroupPersonal {
			left = append(left, s.dropLookups(&lookups, &before, now.UnixMicro())...)
		}
	}
	if err := s.run(ctx, &cells); err != nil {
		return 0, nil, err
	}
	return n, left, s.run(ctx, &lookups)
}
