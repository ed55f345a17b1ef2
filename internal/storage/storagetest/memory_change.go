package storagetest

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func (m *memory) Aggregate(ctx context.Context, scope activity.Scope, q activity.Query, by activity.GroupBy) ([]activity.GroupCount, error) {
	if len(by.Fields) < 1 || len(by.Fields) > 3 || by.Top < 1 || by.Top > activity.MaxGroups {
		return nil, fmt.Errorf("%w: group by %v, top %d", activity.ErrInvalid, by.Fields, by.Top)
	}
	for _, f := range by.Fields {
		if f.String() == "" {
			return nil, fmt.Errorf("%w: field %d", activity.ErrInvalid, f)
		}
	}
	q.Order = activity.NewestFirst
	events, err := m.find(ctx, scope, &q)
	if err != nil {
		return nil, fmt.Errorf("aggregate: %w", err)
	}
	counts := map[string]*activity.GroupCount{}
	for i := range events {
		values := make([]string, len(by.Fields))
		for j, f := range by.Fields {
			values[j], _ = valueText(&events[i], f)
		}
		key := strings.Join(values, "\x00")
		if counts[key] == nil {
			counts[key] = &activity.GroupCount{Values: values}
		}
		counts[key].Count++
	}
	var out []activity.GroupCount
	for _, g := range counts {
		if g.Count >= by.MinCount {
			out = append(out, *g)
		}
	}
	slices.SortFunc(out, func(a, b activity.GroupCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), slices.Compare(a.Values, b.Values))
	})
	return out[:min(by.Top, len(out))], nil
}

// oldest gives indexes of the events that match after the position, in (datetime, id)
// order, at most limit; more says that there may be others.
func (m *memory) oldest(scope activity.Scope, q *activity.Query, after activity.Position, limit int) (found []int, next activity.Position, more bool) {
	for i := range m.events {
		e := &m.events[i]
		at := activity.PositionOf(activity.OldestFirst, e)
		later := after.IsZero() || ComparePositions(activity.OldestFirst, at, after) > 0
		if later && scope.Matches(e.TenantID) && Matches(q, e) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b int) int {
		return ComparePositions(activity.OldestFirst,
			activity.PositionOf(activity.OldestFirst, &m.events[a]), activity.PositionOf(activity.OldestFirst, &m.events[b]))
	})
	if len(found) > limit {
		found, more = found[:limit], true
	}
	if len(found) > 0 {
		next = activity.PositionOf(activity.OldestFirst, &m.events[found[len(found)-1]])
	}
	return found, next, more
}

func (m *memory) DeleteBefore(ctx context.Context, scope activity.Scope, r storage.Retention) (storage.RetentionResult, error) {
	var res storage.RetentionResult
	q := activity.Query{Kinds: r.Kinds, To: r.Before - 1, Order: activity.OldestFirst}
	if r.Before <= 0 || r.Limit < 1 || r.Limit > storage.MaxDeleteBatch {
		return res, fmt.Errorf("%w: delete %d before %d", activity.ErrInvalid, r.Limit, r.Before)
	}
	if err := checkQuery(&q); err != nil {
		return res, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return res, fmt.Errorf("delete: %w", err)
	}
	var found []int
	found, res.Next, res.More = m.oldest(scope, &q, r.After, r.Limit)
	gone := map[activity.Key]bool{}
	for _, i := range found {
		if held := clone(&m.events[i]); r.Hold != nil && r.Hold(&held) {
			res.Held++
			continue
		}
		gone[m.events[i].Key()] = true
		res.Deleted++
	}
	if r.DryRun {
		return res, nil
	}
	m.events = slices.DeleteFunc(m.events, func(e activity.Event) bool { return gone[e.Key()] })
	clear(m.keys)
	for i := range m.events {
		m.keys[m.events[i].Key()] = i
	}
	return res, nil
}

func (m *memory) Erase(ctx context.Context, scope activity.Scope, e storage.Erasure) (storage.ErasureResult, error) {
	var res storage.ErasureResult
	object := e.ContentType != "" && e.ObjectID != ""
	named := e.UserID != "" && e.ContentType == "" && e.ObjectID == "" || e.UserID == "" && object
	group := e.Group == activity.GroupPersonal || e.Group == activity.GroupContent
	if !named || !group || e.Limit < 1 || e.Limit > storage.MaxDeleteBatch {
		return res, fmt.Errorf("%w erasure %+v", activity.ErrInvalid, e)
	}
	var q activity.Query
	equal := func(f activity.Field, v string) {
		q.Filters = append(q.Filters, activity.Filter{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{v}})
	}
	if object {
		equal(activity.FieldContentType, e.ContentType)
		equal(activity.FieldObjectID, e.ObjectID)
	} else {
		equal(activity.FieldUserID, e.UserID)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return res, fmt.Errorf("erase: %w", err)
	}
	var found []int
	found, res.Next, res.More = m.oldest(scope, &q, e.After, e.Limit)
	for _, i := range found {
		before := clone(&m.events[i])
		if m.events[i].Erase(e.Group); !reflect.DeepEqual(before, m.events[i]) {
			res.Erased++
		}
	}
	return res, nil
}
