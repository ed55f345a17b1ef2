package clickhouse

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// search finds events in an order, window after window.
type search struct {
	store      *store
	scope      activity.Scope
	query      activity.Query
	descending bool
	deadline   time.Time // zero = none
	windows    int       // searched
}

func (s *store) newSearch(scope activity.Scope, q *activity.Query) *search {
	x := &search{store: s, scope: scope, query: *q, descending: q.Order.Ascending() == q.Backward}
	if q.Budget > 0 {
		x.deadline = time.Now().Add(q.Budget)
	}
	return x
}

// left is the time the next query may take; ok is false when there is none.
func (x *search) left() (limit time.Duration, ok bool) {
	if x.deadline.IsZero() {
		return x.store.config.ReadTimeout, true
	}
	limit = min(time.Until(x.deadline), x.store.config.ReadTimeout)
	return limit, limit > time.Millisecond
}

// page gives up to want events in the direction of reading, after the query's
// offset. stop is set when the budget was spent first: everything up to it has
// been searched.
func (x *search) page(ctx context.Context, want int) (out []storage.Record, stop *activity.Position, err error) {
	if x.query.Offset > 0 {
		stop, found, err := x.skip(ctx)
		if err != nil || stop != nil || !found {
			return nil, stop, err
		}
	}
	stop, err = x.eachWindow(ctx, func(s span, limit time.Duration) (more bool, err error) {
		found, err := x.store.records(ctx, limit, x.rows(s, want-len(out)), min(want-len(out), activity.MaxLimit))
		if err != nil {
			return false, err // what came before it is read again
		}
		out = append(out, found...)
		return len(out) < want, nil
	})
	return out, stop, err
}

// skip moves the beginning of the search behind the query's offset, looking at
// keys alone. found is false when there are not that many events.
func (x *search) skip(ctx context.Context) (stop *activity.Position, found bool, err error) {
	left := x.query.Offset
	var last activity.Position
	stop, err = x.eachWindow(ctx, func(s span, limit time.Duration) (more bool, err error) {
		b := x.keys(&builder{}, s, positionColumns(x.query.Order), left)
		n, at := 0, last
		err = x.store.query(ctx, limit, b, func(r driver.Rows) error {
			n++
			return scanPosition(r, &at)
		})
		if err != nil {
			return false, err
		}
		left, last = left-n, at
		return left > 0, nil
	})
	x.query.Offset, x.query.After = 0, last
	return stop, left == 0, err
}

// eachWindow runs fn over the windows of the search until it has enough or the
// budget is spent; stop is then the place just before the window not searched.
// The same window may come again, shorter, after an error of fn.
func (x *search) eachWindow(ctx context.Context, fn func(s span, limit time.Duration) (more bool, err error)) (stop *activity.Position, err error) {
	all := spanOf(&x.query)
	limit, ok := x.left()
	if x.query.Order.ByResponseTime() { // which no window helps
		if !ok {
			return nil, storage.ErrBudget
		}
		_, err := fn(all, limit)
		return nil, err
	}
	if after := x.query.After; !after.IsZero() {
		if x.descending {
			all.hi = min(all.hi, after.Datetime)
		} else {
			all.lo = max(all.lo, after.Datetime)
		}
	}
	if !ok {
		return x.edge(all), nil
	}
	w, err := x.store.windowsOver(ctx, limit, all, x.descending)
	if errors.Is(err, storage.ErrBudget) && !x.deadline.IsZero() {
		return x.edge(all), nil
	}
	if err != nil {
		return nil, err
	}
	if len(x.query.Filters) > 0 {
		w.growth = filteredGrowth
	}
	s, ok := w.next()
	for ok {
		limit, inTime := x.left()
		if !inTime {
			return x.edge(s), nil
		}
		if x.windows == 0 && !x.deadline.IsZero() {
			limit = max(limit/2, time.Millisecond) // time for a narrower one: a search goes forward
		}
		more, err := fn(s, limit)
		if errors.Is(err, storage.ErrBudget) && !x.deadline.IsZero() {
			narrow, can := w.narrower()
			if _, inTime = x.left(); !inTime || !can {
				return x.edge(s), nil
			}
			s = narrow
			continue
		}
		if err != nil || !more {
			return nil, err
		}
		x.windows++
		s, ok = w.next()
	}
	return nil, nil
}

// edge is the place just before a window, from where the search goes on.
func (x *search) edge(s span) *activity.Position {
	after, near := x.query.After, s.lo
	p := activity.Position{Datetime: s.lo - 1, ID: lastID}
	if s.lo == math.MinInt64 {
		p = activity.Position{Datetime: s.lo}
	}
	if x.descending {
		near, p = s.hi, activity.Position{Datetime: s.hi, ID: lastID}
	}
	if !after.IsZero() && after.Datetime == near {
		p = after
	}
	return &p
}

// lastID is above every other id.
var lastID = activity.ID(slices.Repeat([]byte{0xff}, len(activity.ID{})))

// rows reads the events of a window. Without conditions the first window is not
// much larger than the answer and is read whole; otherwise the keys of the answer
// are found first, on the few columns that decide, and then their rows.
func (x *search) rows(s span, want int) *builder {
	b := &builder{}
	first := x.windows == 0 && len(x.query.Filters) == 0 && s != everything
	if first {
		return x.keys(b, s, selectList, want)
	}
	b.add("SELECT ", selectList, " FROM activity_events FINAL WHERE (tenant_id, kind, datetime_ns, id) IN (")
	x.keys(b, s, "tenant_id, kind, datetime_ns, id", want)
	b.add(")").within(s)
	return b.order(x.query.Order, x.descending)
}

// keys reads columns of the first events of a window.
func (x *search) keys(b *builder, s span, columns string, want int) *builder {
	q := x.query
	q.From, q.To = 0, 0 // the window is inside
	b.add("SELECT ", columns, " FROM activity_events FINAL").where(x.scope, &q)
	b.within(s)
	if q.Order.ByResponseTime() {
		b.add(" AND response_time_us IS NOT NULL")
	}
	if !q.After.IsZero() {
		b.after(q.Order, &q.After, x.descending)
	}
	return b.order(q.Order, x.descending).add(" LIMIT ", b.bind("UInt64", want))
}

func (b *builder) within(s span) *builder {
	if s.lo != everything.lo {
		b.add(" AND datetime_ns >= ", b.int(s.lo))
	}
	if s.hi != everything.hi {
		b.add(" AND datetime_ns <= ", b.int(s.hi))
	}
	return b
}

// after adds what lies beyond a position.
func (b *builder) after(o activity.Order, p *activity.Position, descending bool) {
	op := " > "
	if descending {
		op = " < "
	}
	beyond := "(datetime_ns" + op + b.int(p.Datetime) + " OR datetime_ns = " + b.int(p.Datetime) + " AND id" + op + b.id(p.ID) + ")"
	if o.ByResponseTime() {
		beyond = "(response_time_us" + op + b.int(p.Value) + " OR response_time_us = " + b.int(p.Value) + " AND " + beyond + ")"
	}
	b.add(" AND ", beyond)
}

// order sorts; one id may be in several tenants.
func (b *builder) order(o activity.Order, descending bool) *builder {
	dir := " ASC"
	if descending {
		dir = " DESC"
	}
	b.add(" ORDER BY ")
	if o.ByResponseTime() {
		b.add("response_time_us", dir, ", ")
	}
	return b.add("datetime_ns", dir, ", id", dir, ", tenant_id", dir, ", kind", dir)
}

// positionColumns are what scanPosition reads.
func positionColumns(o activity.Order) string {
	if o.ByResponseTime() {
		return "datetime_ns, id, assumeNotNull(response_time_us)"
	}
	return "datetime_ns, id, toInt64(0)"
}

func scanPosition(r driver.Rows, p *activity.Position) error {
	var id string
	if err := r.Scan(&p.Datetime, &id, &p.Value); err != nil {
		return err
	}
	copy(p.ID[:], id)
	return nil
}
