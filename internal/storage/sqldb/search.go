package sqldb

import (
	"container/heap"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// maxStreams bounds what one merge holds open; a scope over more tenants has to
// name some of them.
const maxStreams = 20_000

// search finds the events of a query inside one read transaction.
type search struct {
	store      *store
	session    *session
	scope      activity.Scope
	query      *activity.Query
	plan       plan
	descending bool
	deadline   time.Time // zero = none
	segments   catalogue // in the order of the search
	// mayStop: what is opened now can be left for another call once the budget is
	// spent. Before a first place to go on from there is no other call to leave it to.
	mayStop bool
}

// cursor is where a search starts, exclusive. With a segment it is exact also
// for a row whose datetime was changed to one outside its segment; without, it
// came from a caller and the segment is the datetime's.
type cursor struct {
	place
	segment string
	set     bool
}

// hit is a found event, not yet read.
type hit struct {
	head
	segment string
}

func (s *store) newSearch(ctx context.Context, c *session, scope activity.Scope, q *activity.Query) (*search, error) {
	segs, err := s.dialect.catalogue(ctx, c)
	if err != nil {
		return nil, err
	}
	segs = segs.overlapping(q.From, q.To)
	x := &search{store: s, session: c, scope: scope, query: q, plan: makePlan(s.dialect, q), segments: segs}
	if x.plan.index == keyIndex {
		x.segments = s.dialect.byID(segs)
	}
	x.descending = q.Order.Ascending() == q.Backward
	if x.descending {
		slices.Reverse(x.segments)
	}
	if q.Budget > 0 {
		x.deadline = time.Now().Add(q.Budget)
	}
	return x, nil
}

func (x *search) spent() bool { return !x.deadline.IsZero() && time.Now().After(x.deadline) }

// run gives up to want hits in order. stop is set when the budget was spent
// first: everything up to it has been searched.
func (x *search) run(ctx context.Context, from cursor, want int) (hits []hit, stop *cursor, err error) {
	if from.segment != "" && !x.segments.has(from.segment) {
		from.segment = "" // retention has dropped it since
	}
	groups := x.groups(from)
	for i, group := range groups {
		x.mayStop = i > 0
		hits, stop, err = x.merge(ctx, group, from, hits, want)
		if x.mayStop && errors.Is(err, storage.ErrBudget) {
			return hits, &cursor{place: x.edge(&groups[i-1][0]), set: true}, nil
		}
		if err != nil || stop != nil || len(hits) == want {
			return hits, stop, err
		}
		if from.segment != "" && group[0].name == from.segment {
			from = cursor{}
		}
		if x.spent() && i < len(groups)-1 {
			return hits, &cursor{place: x.edge(&group[0]), set: true}, nil
		}
	}
	return hits, nil, nil
}

// groups are the segments to merge with each other. Segments do not overlap in
// time, so an order over time reads one after the other.
func (x *search) groups(from cursor) []catalogue {
	if len(x.segments) == 0 {
		return nil
	}
	if x.query.Order.ByResponseTime() {
		return []catalogue{x.segments}
	}
	var out []catalogue
	for i := range x.segments {
		seg := &x.segments[i]
		if from.set && from.segment == "" {
			if x.descending && seg.lo > from.datetime || !x.descending && seg.hi <= from.datetime {
				continue
			}
		}
		if from.segment == seg.name {
			out = nil // those before are done
		}
		out = append(out, x.segments[i:i+1])
	}
	return out
}

// edge is the place between a segment and the next in the order. It lies
// outside the segment, so that a search from it does not begin there again.
func (x *search) edge(seg *segment) place {
	if x.descending {
		return place{datetime: seg.lo - 1, id: lastID}
	}
	return place{datetime: seg.hi}
}

// lastID is above the id of every sound row and of one with its length changed
// to anything a person would try.
const lastID = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

// merge reads segments in the order of their streams. It ends with
// storage.ErrBudget, and adds no hit, when it may stop before all are open.
func (x *search) merge(ctx context.Context, segs catalogue, from cursor, hits []hit, want int) ([]hit, *cursor, error) {
	all, err := x.streams(ctx, segs, from, want-len(hits))
	if err != nil {
		return hits, nil, err
	}
	m := merger{descending: x.descending}
	for _, st := range all {
		if x.mayStop && x.spent() {
			return hits, nil, storage.ErrBudget
		}
		if err := x.fill(ctx, st); err != nil {
			return hits, nil, err
		}
		if len(st.buffer) > 0 {
			m.streams = append(m.streams, st)
		}
	}
	heap.Init(&m)
	for len(m.streams) > 0 && len(hits) < want {
		st := m.streams[0]
		h := *st.head()
		if h.marker && x.spent() {
			c := cursor{place: h.place, set: true, segment: st.segment.name}
			if x.query.Order.ByResponseTime() {
				c.segment = ""
			}
			return hits, &c, nil
		}
		if !h.marker {
			hits = append(hits, hit{head: h, segment: st.segment.name})
		}
		if err := x.advance(ctx, &m, st); err != nil {
			return hits, nil, err
		}
	}
	return hits, nil, nil
}

// advance takes the first stream's head off.
func (x *search) advance(ctx context.Context, m *merger, st *stream) error {
	st.next++
	if st.next == len(st.buffer) && !st.done {
		if err := x.fill(ctx, st); err != nil {
			return err
		}
	}
	if st.next < len(st.buffer) {
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
	return nil
}

// merger is a heap of streams that have a head.
type merger struct {
	streams    []*stream
	descending bool
}

func (m *merger) Len() int { return len(m.streams) }
func (m *merger) Less(i, j int) bool {
	c := m.streams[i].head().compare(m.streams[j].head().place)
	if m.descending {
		return c > 0
	}
	return c < 0
}
func (m *merger) Swap(i, j int) { m.streams[i], m.streams[j] = m.streams[j], m.streams[i] }
func (m *merger) Push(v any)    { m.streams = append(m.streams, v.(*stream)) }
func (m *merger) Pop() any {
	last := m.streams[len(m.streams)-1]
	m.streams = m.streams[:len(m.streams)-1]
	return last
}

// streams opens one stream for each tenant, kind and driving value that the
// segments may hold.
func (x *search) streams(ctx context.Context, segs catalogue, from cursor, want int) ([]*stream, error) {
	values := x.plan.values
	if x.plan.column == "" {
		values = []driver.Value{nil}
	}
	var out []*stream
	for i := range segs {
		pairs, err := x.pairs(ctx, &segs[i])
		if err != nil {
			return nil, err
		}
		if len(out)+len(pairs)*len(values) > maxStreams {
			return nil, invalid("the query spans more than %d tenants and kinds: name the tenants or the kinds", maxStreams)
		}
		s := x.span(&segs[i], from)
		for _, p := range pairs {
			for _, v := range values {
				out = append(out, &stream{segment: &segs[i], tenant: p.tenant, kind: p.kind, value: v, span: s})
			}
		}
	}
	for _, st := range out {
		st.batch = min(max(2*want/len(out), 8), max(want, 1), activity.MaxLimit)
	}
	return out, nil
}

// span is the query's range of time and the cursor, as a range of the index.
func (x *search) span(seg *segment, from cursor) span {
	var s span
	if !x.plan.inRows {
		if x.plan.from != 0 {
			s.low = bound{place: place{datetime: x.plan.from}, set: true, inclusive: true}
		}
		if x.plan.to != 0 {
			s.high = bound{place: place{datetime: x.plan.to, id: lastID}, set: true}
		}
	}
	if !from.set || from.segment != "" && from.segment != seg.name {
		return s
	}
	at := bound{place: from.place, set: true}
	if x.descending && (!s.high.set || at.compare(s.high.place) < 0) {
		s.high = at
	}
	if !x.descending && (!s.low.set || at.compare(s.low.place) > 0) {
		s.low = at
	}
	return s
}

type pair struct{ tenant, kind string }

// pairs gives the tenants and kinds to read in a segment. Those that the caller
// does not name are found by skipping through the index, one probe for each:
// also a kind that somebody wrote by hand.
func (x *search) pairs(ctx context.Context, seg *segment) ([]pair, error) {
	if x.plan.index == keyIndex {
		return x.pairsOfIDs(ctx, seg)
	}
	tenants := x.scope.List()
	if x.scope.All() {
		var err error
		if tenants, err = x.skip(ctx, seg, "tenant_id", nil); err != nil {
			return nil, err
		}
	}
	var out []pair
	for _, t := range tenants {
		if x.mayStop && x.spent() {
			return nil, storage.ErrBudget
		}
		kinds := kindWords(x.query.Kinds)
		if kinds == nil {
			var err error
			if kinds, err = x.skip(ctx, seg, "kind", &t); err != nil {
				return nil, err
			}
		}
		for _, k := range kinds {
			out = append(out, pair{t, k})
		}
	}
	return out, nil
}

// pairsOfIDs gives the tenants and kinds of the events with the ids of the plan,
// in one probe: most segments have none.
func (x *search) pairsOfIDs(ctx context.Context, seg *segment) (out []pair, err error) {
	b := &builder{dialect: x.store.dialect}
	b.add("SELECT tenant_id, kind FROM ", b.dialect.source(seg.name, keyIndex), " WHERE id IN ", b.list(x.plan.values), seg.within(b))
	addScope(b, tenantOfRow, x.scope)
	kinds := kindWords(x.query.Kinds)
	err = x.session.query(ctx, b, func(row []driver.Value) error {
		var p pair
		p.tenant, _ = row[0].(string) // the tables are STRICT
		p.kind, _ = row[1].(string)
		if (kinds == nil || slices.Contains(kinds, p.kind)) && !slices.Contains(out, p) {
			out = append(out, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for ids: %w", err)
	}
	return out, nil
}

// firstFrom asks for the first value of a column, of all tenants or of one, that
// is at or after another. Where the plan has one driving value, its index is
// asked for the kinds with that value: a segment without it has no stream.
func (x *search) firstFrom(b *builder, seg *segment, column string, tenant *string, op, from string) {
	driven := tenant != nil && x.plan.column != "" && len(x.plan.values) == 1
	index := timeIndex
	if driven {
		index = x.plan.index
	}
	b.add("SELECT ", column, " FROM ", b.dialect.source(seg.name, index), " WHERE ")
	if tenant != nil {
		b.add("tenant_id = ", b.arg(*tenant), " AND ")
	}
	if driven {
		b.add(x.plan.column, " = ", b.arg(x.plan.values[0]), " AND ")
	}
	b.add(column, op, b.arg(from), seg.within(b), " ORDER BY ", column, " LIMIT 1")
}

// skip lists the different values of a leading column of an index.
func (x *search) skip(ctx context.Context, seg *segment, column string, tenant *string) ([]string, error) {
	var out []string
	for {
		b := &builder{dialect: x.store.dialect}
		if len(out) == 0 {
			x.firstFrom(b, seg, column, tenant, " >= ", "")
		} else {
			x.firstFrom(b, seg, column, tenant, " > ", out[len(out)-1])
		}
		before := len(out)
		err := x.session.query(ctx, b, func(row []driver.Value) error {
			v, _ := row[0].(string) // the tables are STRICT
			out = append(out, v)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list the %s values: %w", column, err)
		}
		if len(out) == before {
			return out, nil
		}
		if len(out) > maxStreams {
			return nil, invalid("there are more than %d tenants: name some of them", maxStreams)
		}
	}
}
