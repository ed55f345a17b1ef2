package sqldb

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// window is how many index entries one query may look at when conditions are
// left to test on their rows: some tens of milliseconds at worst. The time
// budget is checked between windows.
const window = 5000

// place is a point in an index, as the columns hold it: the id has the length
// it has, also when somebody changed it.
type place struct {
	value    int64 // response time in the orders over it, else 0
	datetime int64
	id       string
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.value, o.value), cmp.Compare(p.datetime, o.datetime), strings.Compare(p.id, o.id))
}

func placeOf(p activity.Position) place {
	return place{value: p.Value, datetime: p.Datetime, id: string(p.ID[:])}
}

func (p place) position() activity.Position {
	out := activity.Position{Value: p.value, Datetime: p.datetime}
	copy(out.ID[:], p.id)
	return out
}

// bound is one end of a range of an index.
type bound struct {
	place
	set, inclusive bool
}

// span is a range of one stream.
type span struct{ low, high bound }

// head is the next thing of a stream: an event, or a marker that says there is
// none up to the place.
type head struct {
	place
	stored int64
	marker bool
}

// stream reads one run of an index in order: one tenant, one kind, one value of
// the driving column, in one segment.
type stream struct {
	segment      *segment
	tenant, kind string
	value        driver.Value
	span         span // what is left
	buffer       []head
	next         int
	batch        int
	done         bool
}

func (st *stream) head() *head { return &st.buffer[st.next] }

// from begins a query on the stream's run of the index.
func (x *search) from(b *builder, st *stream, columns string) *builder {
	b.add("SELECT ", columns, " FROM ", b.dialect.source(st.segment.name, x.plan.index),
		" WHERE tenant_id = ", b.arg(st.tenant), st.segment.within(b))
	if x.plan.column != "" {
		b.add(" AND ", x.plan.column, " = ", b.arg(st.value))
	}
	return b.add(" AND kind = ", b.arg(st.kind), x.plan.fixed)
}

func (x *search) within(b *builder, s span) *builder {
	x.addBound(b, s.low, ">")
	x.addBound(b, s.high, "<")
	return b
}

func (x *search) addBound(b *builder, at bound, op string) {
	if !at.set {
		return
	}
	vs := []driver.Value{at.datetime, []byte(at.id)}
	if len(x.plan.ordered) == 3 {
		vs = []driver.Value{at.value, at.datetime, []byte(at.id)}
	}
	if at.inclusive {
		op += "="
	}
	b.add(" AND ", b.dialect.beyond(b, x.plan.ordered, op, vs))
}

func (x *search) residual(b *builder) *builder {
	b.where(x.plan.residual)
	if x.plan.inRows && x.plan.from != 0 {
		b.add(" AND datetime_ns >= ", b.arg(x.plan.from))
	}
	if x.plan.inRows && x.plan.to != 0 {
		b.add(" AND datetime_ns <= ", b.arg(x.plan.to))
	}
	return b
}

// testsRows reports whether the index alone does not decide.
func (x *search) testsRows() bool {
	return len(x.plan.residual) > 0 || x.plan.inRows && (x.plan.from != 0 || x.plan.to != 0)
}

func (x *search) orderBy() string {
	dir := " ASC"
	if x.descending {
		dir = " DESC"
	}
	return " ORDER BY " + strings.Join(x.plan.ordered, dir+", ") + dir
}

// cut takes the next n index entries off the front of a span. last is true when
// there are no more than that.
func (x *search) cut(ctx context.Context, st *stream, s span, n int) (part, rest span, last bool, err error) {
	b := &builder{dialect: x.store.dialect}
	x.within(x.from(b, st, x.placeColumns()), s)
	b.add(x.orderBy(), " LIMIT 1 OFFSET ", b.arg(n-1))
	heads, err := x.readHeads(ctx, b)
	if err != nil {
		return s, s, false, err
	}
	if len(heads) == 0 {
		return s, s, true, nil
	}
	at := bound{place: heads[0].place, set: true, inclusive: true}
	part, rest = s, s
	if x.descending {
		part.low = at
		at.inclusive = false
		rest.high = at
	} else {
		part.high = at
		at.inclusive = false
		rest.low = at
	}
	return part, rest, false, nil
}

func (x *search) placeColumns() string {
	if len(x.plan.ordered) == 3 {
		return "stored_ns, datetime_ns, id, response_time_us"
	}
	return "stored_ns, datetime_ns, id"
}

// fill reads the next heads of a stream whose buffer is used up.
func (x *search) fill(ctx context.Context, st *stream) error {
	st.next, st.buffer = 0, nil
	part, rest, last := st.span, st.span, true
	if x.testsRows() {
		var err error
		if part, rest, last, err = x.cut(ctx, st, st.span, window); err != nil {
			return err
		}
	}
	b := &builder{dialect: x.store.dialect}
	x.residual(x.within(x.from(b, st, x.placeColumns()), part))
	b.add(x.orderBy(), " LIMIT ", b.arg(st.batch))
	heads, err := x.readHeads(ctx, b)
	if err != nil {
		return err
	}
	st.buffer = heads
	switch {
	case len(heads) == st.batch:
		at := bound{place: heads[len(heads)-1].place, set: true}
		if x.descending {
			st.span.high = at
		} else {
			st.span.low = at
		}
		st.batch = min(2*st.batch, activity.MaxLimit)
	case last:
		st.done = true
	default:
		st.span = rest
		edge := rest.low
		if x.descending {
			edge = rest.high
		}
		st.buffer = append(st.buffer, head{place: edge.place, marker: true})
	}
	return nil
}

func (x *search) readHeads(ctx context.Context, b *builder) ([]head, error) {
	var out []head
	err := x.session.query(ctx, b, func(row []driver.Value) error {
		var h head
		h.stored, _ = row[0].(int64) // the tables are STRICT: every value is of its column's type
		h.datetime, _ = row[1].(int64)
		id, _ := row[2].([]byte)
		h.id = string(id)
		if len(row) > 3 {
			h.value, _ = row[3].(int64)
		}
		out = append(out, h)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read an index: %w", err)
	}
	return out, nil
}
