package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Get implements storage.Reader.
func (s *store) Get(ctx context.Context, scope activity.Scope, id activity.ID) (activity.Event, error) {
	var r storage.Record
	found := false
	filter := bson.D{{Key: "id", Value: bson.Binary{Subtype: subtypeUUID, Data: id[:]}}}
	if !scope.All() {
		filter = append(filter, oneOf("tenant_id", scope.List()))
	}
	err := s.call(ctx, func(ctx context.Context) error {
		if scope.Empty() {
			return nil
		}
		return s.command(ctx, bson.D{
			{Key: "find", Value: eventCollection},
			{Key: "filter", Value: filter},
			{Key: "hint", Value: uuidIndex},
			{Key: "sort", Value: bson.D{{Key: "_id", Value: -1}}},
			{Key: "limit", Value: 1},
			{Key: "singleBatch", Value: true},
		}, func(doc bson.Raw) (err error) {
			found = true
			_, err = readDocument(doc, &r)
			return err
		})
	})
	if err == nil && !found {
		err = activity.ErrNotFound
	}
	if err != nil {
		return activity.Event{}, fmt.Errorf("get event %s: %w", id, err)
	}
	return r.Event, nil
}

// Page implements storage.Reader.
func (s *store) Page(ctx context.Context, scope activity.Scope, q activity.Query) (activity.Page, error) {
	if err := storage.CheckPage(&q); err != nil {
		return activity.Page{}, err
	}
	if scope.Empty() {
		return activity.Page{Complete: true}, nil
	}
	var page activity.Page
	err := s.within(ctx, q.Budget, func(ctx context.Context) error {
		x, err := s.newSearch(ctx, scope, &q)
		if err != nil {
			return err
		}
		from, stop, err := x.skip(ctx, x.start(q.After), q.Offset)
		if err != nil {
			return err
		}
		var hits []head
		if stop == nil && (q.Offset == 0 || from != nil) {
			if hits, stop, err = x.run(ctx, from, q.Limit+1); err != nil {
				return err
			}
		}
		more := len(hits) > q.Limit
		events := make([]activity.Event, min(len(hits), q.Limit))
		for i := range events {
			events[i] = hits[i].record.Event
		}
		var at *activity.Position
		if stop != nil {
			p := stop.position()
			at = &p
		}
		page = storage.MakePage(&q, events, more, at)
		return nil
	})
	if err != nil {
		return activity.Page{}, fmt.Errorf("read a page: %w", err)
	}
	return page, nil
}

// skip gives the place of the n-th event behind from, by its key alone; nil
// when there are fewer.
func (x *search) skip(ctx context.Context, from *place, n int) (at, stop *place, err error) {
	if n == 0 {
		return from, nil, nil
	}
	x.keysOnly = true
	hits, stop, err := x.run(ctx, from, n)
	x.keysOnly = false
	if err != nil || stop != nil || len(hits) < n {
		return nil, stop, err
	}
	return &hits[n-1].place, nil, nil
}
