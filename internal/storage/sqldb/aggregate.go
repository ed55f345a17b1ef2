package sqldb

import (
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// countWindow is how many index entries one counting query looks at.
const countWindow = 50_000

// maxDistinct bounds the groups that an aggregate holds in memory before the
// largest are chosen.
const maxDistinct = 100_000

// eachWindow runs fn over every window of n index entries of every stream of the
// query, until fn or the budget says stop; with n 0 a stream is one window. It
// reports whether it saw the whole.
func (x *search) eachWindow(ctx context.Context, n int, fn func(st *stream, part span) (more bool, err error)) (whole bool, err error) {
	x.mayStop = true
	for i := range x.segments {
		streams, err := x.streams(ctx, x.segments[i:i+1], cursor{}, 1)
		if errors.Is(err, storage.ErrBudget) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for _, st := range streams {
			for last, rest := false, st.span; !last; {
				part := rest
				if n == 0 {
					last = true
				} else if part, rest, last, err = x.cut(ctx, st, rest, n); err != nil {
					return false, err
				}
				more, err := fn(st, part)
				if err != nil || !more {
					return false, err
				}
				if x.spent() {
					return false, nil
				}
			}
		}
	}
	return true, nil
}

// countWindow sizes the windows of a count. Where the index alone decides, a
// count that ends early needs none: finding where a window ends costs as much as
// counting it.
func (x *search) countWindow(limit int64) int {
	switch {
	case x.testsRows():
		return window
	case limit <= countWindow:
		return 0
	}
	return countWindow
}

// Count implements storage.Reader.
func (s *store) Count(ctx context.Context, scope activity.Scope, q activity.Query, limit int64) (activity.Count, error) {
	if err := checkFilters(&q); err != nil {
		return activity.Count{}, err
	}
	if limit < 1 {
		return activity.Count{}, invalid("the limit of a count is at least 1")
	}
	if scope.Empty() {
		return activity.Count{Exact: true}, nil
	}
	q.Order, q.Backward = activity.OldestFirst, false
	var out activity.Count
	key := countKeyOf(scope, &q, limit)
	err := s.read(ctx, func(c *session) error {
		remembers, err := c.forget(ctx, s.dialect)
		if err != nil {
			return err
		}
		if remembers {
			if known, ok := c.known.counts[key]; ok {
				out = known
				return nil
			}
		}
		var whole bool
		out, whole, err = s.count(ctx, c, scope, &q, limit)
		if remembers && err == nil && whole {
			c.known.counts[key] = out
		}
		return err
	})
	if err != nil {
		return activity.Count{}, fmt.Errorf("count: %w", err)
	}
	return out, nil
}

// count counts in a read transaction. whole is false when the budget ended it:
// with more time it might have found more.
func (s *store) count(
	ctx context.Context, c *session, scope activity.Scope, q *activity.Query, limit int64,
) (out activity.Count, whole bool, err error) {
	x, err := s.newSearch(ctx, c, scope, q)
	if err != nil {
		return out, false, err
	}
	var n int64
	all, err := x.eachWindow(ctx, x.countWindow(limit), func(st *stream, part span) (bool, error) {
		b := &builder{dialect: s.dialect}
		b.add("SELECT count(*) FROM (")
		x.residual(x.within(x.from(b, st, "1 AS one"), part))
		b.add(" LIMIT ", b.arg(limit+1-n), ") AS matches")
		more, err := c.number(ctx, b)
		n += more
		return n <= limit, err
	})
	return activity.Count{N: min(n, limit), Exact: all && n <= limit}, all || n > limit, err
}

// Aggregate implements storage.Reader.
func (s *store) Aggregate(ctx context.Context, scope activity.Scope, q activity.Query, by activity.GroupBy) ([]activity.GroupCount, error) {
	if err := checkGroupBy(&q, &by); err != nil {
		return nil, err
	}
	if scope.Empty() {
		return nil, nil
	}
	q.Order, q.Backward = activity.OldestFirst, false
	groups := map[string]*activity.GroupCount{}
	var whole bool
	err := s.read(ctx, func(c *session) error {
		x, err := s.newSearch(ctx, c, scope, &q)
		if err != nil {
			return err
		}
		n := window
		if !x.testsRows() {
			n = countWindow
		}
		whole, err = x.eachWindow(ctx, n, func(st *stream, part span) (bool, error) {
			err := x.addGroups(ctx, st, part, by.Fields, groups)
			return len(groups) <= maxDistinct, err
		})
		return err
	})
	if err == nil && !whole {
		err = storage.ErrBudget
	}
	if err != nil {
		return nil, fmt.Errorf("aggregate: %w", err)
	}
	return largest(groups, &by), nil
}

func checkGroupBy(q *activity.Query, by *activity.GroupBy) error {
	if len(by.Fields) < 1 || len(by.Fields) > 3 {
		return invalid("an aggregate has 1 to 3 fields, not %d", len(by.Fields))
	}
	for _, f := range by.Fields {
		if f.String() == "" {
			return invalid("field %d is unknown", f)
		}
	}
	if by.Top < 1 || by.Top > activity.MaxGroups {
		return invalid("an aggregate gives 1 to %d groups, not %d", activity.MaxGroups, by.Top)
	}
	return checkFilters(q)
}

func (x *search) addGroups(ctx context.Context, st *stream, part span, fields []activity.Field, groups map[string]*activity.GroupCount) error {
	names := columnList(fields)
	b := &builder{dialect: x.store.dialect}
	x.residual(x.within(x.from(b, st, names+", count(*)"), part))
	b.add(" GROUP BY ", names)
	return x.session.query(ctx, b, func(row []driver.Value) error {
		texts := make([]string, len(fields))
		for i, f := range fields {
			texts[i] = groupText(f, row[i])
		}
		n, _ := row[len(fields)].(int64) // of count(*)
		key := strings.Join(texts, "\x00")
		if g := groups[key]; g != nil {
			g.Count += n
		} else {
			groups[key] = &activity.GroupCount{Values: texts, Count: n}
		}
		return nil
	})
}

// groupText is a column value as text; an absent value is "".
func groupText(f activity.Field, v driver.Value) string {
	switch x := v.(type) {
	case string:
		return x
	case int64:
		return strconv.FormatInt(x, 10)
	case []byte:
		if f == activity.FieldID && len(x) == len(activity.ID{}) {
			return activity.ID(x).String()
		}
		return hex.EncodeToString(x)
	}
	return ""
}

func largest(groups map[string]*activity.GroupCount, by *activity.GroupBy) []activity.GroupCount {
	var out []activity.GroupCount
	for _, g := range groups {
		if g.Count >= by.MinCount {
			out = append(out, *g)
		}
	}
	slices.SortFunc(out, func(a, b activity.GroupCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), slices.Compare(a.Values, b.Values))
	})
	return out[:min(by.Top, len(out))]
}
