package sqldb

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Erase implements storage.Eraser.
func (s *store) Erase(ctx context.Context, scope activity.Scope, e storage.Erasure) (storage.ErasureResult, error) {
	var res storage.ErasureResult
	q, err := erasureQuery(&e)
	if err != nil || scope.Empty() {
		return res, err
	}
	if s.writer == nil {
		return res, fmt.Errorf("erase: %w", storage.ErrReadOnly)
	}
	err = s.write(ctx, func(ctx context.Context, c *session) error {
		x, err := s.newSearch(ctx, c, scope, &q)
		if err != nil {
			return err
		}
		at := cursor{place: placeOf(e.After), set: !e.After.IsZero()}
		for looked := 0; looked < e.Limit; {
			n := min(e.Limit-looked, activity.MaxLimit)
			hits, _, err := x.run(ctx, at, n)
			if err != nil {
				return err
			}
			looked += len(hits)
			erased, err := x.eraseRows(ctx, hits, e.Group)
			if err != nil {
				return err
			}
			res.Erased += erased
			if len(hits) > 0 {
				last := hits[len(hits)-1]
				res.Next = last.position()
				at = cursor{place: last.place, segment: last.segment, set: true}
			}
			if len(hits) < n {
				return nil
			}
		}
		res.More = true
		return nil
	})
	if err != nil {
		return storage.ErasureResult{}, fmt.Errorf("erase: %w", err)
	}
	return res, nil
}

func erasureQuery(e *storage.Erasure) (activity.Query, error) {
	q := activity.Query{Order: activity.OldestFirst}
	if e.Limit < 1 || e.Limit > storage.MaxDeleteBatch {
		return q, invalid("an erasure has a limit of 1 to %d", storage.MaxDeleteBatch)
	}
	if e.Group != activity.GroupPersonal && e.Group != activity.GroupContent {
		return q, invalid("only the personal and the content group can be erased")
	}
	object := e.ObjectID != "" && e.ContentType != ""
	if (e.UserID != "") == object || !object && e.ObjectID+e.ContentType != "" {
		return q, invalid("an erasure names a user, or an object by content type and id")
	}
	equal := func(f activity.Field, v string) activity.Filter {
		return activity.Filter{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{v}}
	}
	if object {
		q.Filters = []activity.Filter{equal(activity.FieldObjectID, e.ObjectID), equal(activity.FieldContentType, e.ContentType)}
	} else {
		q.Filters = []activity.Filter{equal(activity.FieldUserID, e.UserID)}
	}
	return q, nil
}

// eraseRows empties the group in the rows of the hits and gives how many of
// them had something to forget.
func (x *search) eraseRows(ctx context.Context, hits []hit, g activity.Group) (int64, error) {
	records, err := x.session.fetch(ctx, x.store.dialect, hits)
	if err != nil {
		return 0, err
	}
	fields := []activity.Field{activity.FieldIntegritySalts}
	for _, f := range activity.Fields() {
		if f.Info().Group == g {
			fields = append(fields, f)
		}
	}
	var n int64
	for i := range records {
		e := &records[i].Event
		before := *e
		e.Erase(g)
		if reflect.DeepEqual(before, *e) {
			continue
		}
		n++
		b := &builder{dialect: x.store.dialect}
		b.add("UPDATE ", b.dialect.source(hits[i].segment, ""), " SET ")
		sets := make([]string, len(fields))
		for j, f := range fields {
			sets[j] = f.String() + " = " + b.arg(value(e, f))
		}
		b.add(strings.Join(sets, ", "), " WHERE stored_ns = ", b.arg(hits[i].stored))
		b.add(b.dialect.during(b, hits[i].datetime, hits[i].datetime))
		if _, err := x.session.change(ctx, b); err != nil {
			return n, err
		}
	}
	return n, nil
}
