package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Count implements storage.Reader.
func (s *store) Count(ctx context.Context, scope activity.Scope, q activity.Query, limit int64) (activity.Count, error) {
	if err := storage.CheckCount(&q, limit); err != nil {
		return activity.Count{}, err
	}
	q.Order, q.Backward, q.After = activity.NewestFirst, false, activity.Position{}
	var n int64
	whole := true
	err := s.use(ctx, func() error {
		if scope.Empty() {
			return nil
		}
		x := s.newSearch(scope, &q)
		stop, err := x.eachWindow(ctx, func(sp span, limitTime time.Duration) (more bool, err error) {
			b := &builder{}
			b.add("SELECT toInt64(count()) FROM (SELECT 1 FROM activity_events FINAL").where(scope, &activity.Query{Kinds: q.Kinds, Filters: q.Filters})
			b.within(sp).add(" LIMIT ", b.int(limit+1-n), ")")
			var part int64
			if err := s.query(ctx, limitTime, b, func(r driver.Rows) error { return r.Scan(&part) }); err != nil {
				return false, err
			}
			n += part
			return n <= limit, nil
		})
		whole = stop == nil
		return err
	})
	if err != nil {
		return activity.Count{}, fmt.Errorf("count: %w", err)
	}
	return activity.Count{N: min(n, limit), Exact: whole && n <= limit}, nil
}

// Aggregate implements storage.Reader.
func (s *store) Aggregate(ctx context.Context, scope activity.Scope, q activity.Query, by activity.GroupBy) ([]activity.GroupCount, error) {
	if err := storage.CheckGroupBy(&q, &by); err != nil {
		return nil, err
	}
	var out []activity.GroupCount
	err := s.use(ctx, func() error {
		if scope.Empty() {
			return nil
		}
		limit, ok := s.newSearch(scope, &q).left()
		if !ok {
			return storage.ErrBudget
		}
		values := make([]string, len(by.Fields))
		targets := make([]any, len(values)+1)
		for i := range values {
			targets[i] = &values[i]
		}
		var n int64
		targets[len(values)] = &n
		err := s.query(ctx, limit, groupStatement(scope, &q, &by), func(r driver.Rows) error {
			if err := r.Scan(targets...); err != nil {
				return err
			}
			out = append(out, activity.GroupCount{Values: append([]string(nil), values...), Count: n})
			return nil
		})
		var server *serverError
		if errors.As(err, &server) && server.code == codeMemoryLimit {
			return fmt.Errorf("%w: the groups need more than max_memory_mib: narrow the query: %w", storage.ErrBudget, server)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("aggregate: %w", err)
	}
	return out, nil
}

// groupStatement groups by the columns and makes texts of the few groups that
// are left. Equal counts are ordered by the texts.
func groupStatement(scope activity.Scope, q *activity.Query, by *activity.GroupBy) *builder {
	b := &builder{}
	names, texts, aliases := make([]string, len(by.Fields)), make([]string, len(by.Fields)), make([]string, len(by.Fields))
	for i, f := range by.Fields {
		aliases[i] = "v" + strconv.Itoa(i)
		names[i] = f.String() + " AS g" + strconv.Itoa(i)
		texts[i] = groupText(f, "g"+strconv.Itoa(i)) + " AS " + aliases[i]
	}
	b.add("SELECT ", strings.Join(texts, ", "), ", n FROM (SELECT ", strings.Join(names, ", "), ", toInt64(count()) AS n FROM activity_events FINAL")
	b.where(scope, q)
	b.add(" GROUP BY ")
	for i := range by.Fields {
		if i > 0 {
			b.add(", ")
		}
		b.add("g", strconv.Itoa(i))
	}
	b.add(" HAVING n >= ", b.int(by.MinCount), ") ORDER BY n DESC, ", strings.Join(aliases, ", "), " LIMIT ", b.bind("UInt64", by.Top))
	return b
}

// groupText is a column's value as text; what is not known is "".
func groupText(f activity.Field, name string) string {
	switch f.Info().Type {
	case activity.TypeInt:
		return "if(" + name + " = 0, '', toString(" + name + "))"
	case activity.TypeOpt:
		return "ifNull(toString(" + name + "), '')"
	case activity.TypeTime, activity.TypeKind:
		return "toString(" + name + ")"
	case activity.TypeText, activity.TypeJSON:
		return "toString(" + name + ")"
	case activity.TypeBytes:
	}
	switch f {
	case activity.FieldID:
		return "UUIDNumToString(" + name + ")"
	case activity.FieldTraceID, activity.FieldSpanID:
		return "if(" + name + " = " + zeros(f) + ", '', lower(hex(" + name + ")))"
	}
	return "lower(hex(" + name + "))"
}
