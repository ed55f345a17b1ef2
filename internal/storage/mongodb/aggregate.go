package mongodb

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// countWindow is how many index entries one counting query looks at when the
// index alone decides.
const countWindow = 50_000

// maxGroups bounds the groups of which the largest are chosen.
const maxGroups = 100_000

// Count implements storage.Reader.
func (s *store) Count(ctx context.Context, scope activity.Scope, q activity.Query, limit int64) (activity.Count, error) {
	if err := storage.CheckCount(&q, limit); err != nil {
		return activity.Count{}, err
	}
	if scope.Empty() {
		return activity.Count{Exact: true}, nil
	}
	q.Order, q.Backward = activity.OldestFirst, false
	var n int64
	var whole bool
	err := s.within(ctx, q.Budget, func(ctx context.Context) error {
		x, err := s.newSearch(ctx, scope, &q)
		if err != nil {
			return err
		}
		n, whole, err = x.count(ctx, limit)
		return err
	})
	if err != nil {
		return activity.Count{}, fmt.Errorf("count: %w", err)
	}
	return activity.Count{N: min(n, limit), Exact: whole}, nil
}

// count counts up to limit and one more. whole is false when it ended before
// everything was looked at.
func (x *search) count(ctx context.Context, limit int64) (n int64, whole bool, err error) {
	for _, st := range x.streams(nil, 1) {
		for last := false; !last; {
			if n > limit || n > 0 && x.spent() {
				return n, false, nil
			}
			var found int64
			if found, last, err = x.countOnce(ctx, st, limit+1-n); err != nil {
				return n, false, err
			}
			n += found
		}
	}
	return n, n <= limit, nil
}

// countOnce counts the next window of a stream, up to limit.
func (x *search) countOnce(ctx context.Context, st *stream, limit int64) (n int64, last bool, err error) {
	part := st.span
	last = true
	switch {
	case x.testsDocuments():
		part, st.span, last, err = x.cut(ctx, st, st.span, window)
	case limit > countWindow:
		part, st.span, last, err = x.cut(ctx, st, st.span, countWindow)
	}
	if err != nil {
		return 0, false, err
	}
	err = x.aggregate(ctx, bson.A{
		bson.D{{Key: "$match", Value: x.filter(st, part, true)}},
		bson.D{{Key: "$limit", Value: limit}},
		bson.D{{Key: "$count", Value: "n"}},
	}, func(doc bson.Raw) error {
		n, _ = doc.Lookup("n").AsInt64OK() // MongoDB chooses the type by the size
		return nil
	})
	return n, last, err
}

// aggregate runs a pipeline over the plan's index.
func (x *search) aggregate(ctx context.Context, pipeline bson.A, each func(bson.Raw) error) error {
	return x.store.command(ctx, bson.D{
		{Key: "aggregate", Value: eventCollection},
		{Key: "pipeline", Value: pipeline},
		{Key: "hint", Value: x.plan.index},
		{Key: "cursor", Value: bson.D{}},
		{Key: "allowDiskUse", Value: false},
	}, each)
}

// Aggregate implements storage.Reader. MongoDB groups; the memory it may use for
// that is bounded, and more is storage.ErrBudget.
func (s *store) Aggregate(ctx context.Context, scope activity.Scope, q activity.Query, by activity.GroupBy) ([]activity.GroupCount, error) {
	if err := storage.CheckGroupBy(&q, &by); err != nil {
		return nil, err
	}
	if scope.Empty() {
		return nil, nil
	}
	q.Order, q.Backward = activity.OldestFirst, false
	groups := map[string]*activity.GroupCount{}
	err := s.within(ctx, q.Budget, func(ctx context.Context) error {
		x, err := s.newSearch(ctx, scope, &q)
		if err != nil {
			return err
		}
		for _, st := range x.streams(nil, 1) {
			if err := x.addGroups(ctx, st, by.Fields, groups); err != nil {
				return err
			}
			if len(groups) > maxGroups {
				return fmt.Errorf("%w: more than %d groups", storage.ErrBudget, maxGroups)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("aggregate: %w", err)
	}
	var out []activity.GroupCount
	for _, g := range groups {
		if g.Count >= by.MinCount {
			out = append(out, *g)
		}
	}
	slices.SortFunc(out, func(a, b activity.GroupCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), slices.Compare(a.Values, b.Values))
	})
	return out[:min(by.Top, len(out))], nil
}

// addGroups adds the groups of a stream. Which are the largest is decided when
// all are there: ties are broken by the values as text, which the database
// cannot make of a binary value.
func (x *search) addGroups(ctx context.Context, st *stream, fields []activity.Field, groups map[string]*activity.GroupCount) error {
	id := bson.D{}
	for i, f := range fields {
		id = append(id, bson.E{Key: groupKey(i), Value: "$" + f.String()})
	}
	return x.aggregate(ctx, bson.A{
		bson.D{{Key: "$match", Value: x.filter(st, st.span, true)}},
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: id}, {Key: "n", Value: bson.D{{Key: "$sum", Value: int64(1)}}}}}},
		bson.D{{Key: "$limit", Value: int64(maxGroups) + 1}},
	}, func(doc bson.Raw) error {
		values := make([]string, len(fields))
		for i, f := range fields {
			values[i] = groupText(f, doc.Lookup("_id", groupKey(i)))
		}
		n, _ := doc.Lookup("n").AsInt64OK() // of $sum
		key := strings.Join(values, "\x00")
		if g := groups[key]; g != nil {
			g.Count += n
		} else {
			groups[key] = &activity.GroupCount{Values: values, Count: n}
		}
		return nil
	})
}

func groupKey(i int) string { return "v" + strconv.Itoa(i) }

// groupText is a value as text; an absent value is "".
func groupText(f activity.Field, v bson.RawValue) string {
	if s, ok := v.StringValueOK(); ok {
		return strings.Clone(s) // the reply is let go
	}
	if n, ok := v.Int64OK(); ok {
		return strconv.FormatInt(n, 10)
	}
	_, b, ok := v.BinaryOK()
	switch {
	case !ok:
		return ""
	case f == activity.FieldID && len(b) == len(activity.ID{}):
		return activity.ID(b).String()
	}
	return hex.EncodeToString(b)
}
