package mongodb

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

const (
	// maxRanges is how many ranges of an index MongoDB merges in the order of
	// a sort (internalQueryMaxScansToExplode). Beyond, it would sort in memory.
	maxRanges = 200
	// maxTenants bounds the tenants of one query.
	maxTenants = 20_000
	// maxBatch bounds the documents of one read: a page and one more.
	maxBatch = activity.MaxLimit + 1
)

// search finds the events of a query.
type search struct {
	store      *store
	query      *activity.Query
	plan       plan
	descending bool
	keysOnly   bool
	deadline   time.Time // zero = none
	// tenants and kinds to read; nil = the index does not ask for them.
	tenants []string
	kinds   []string
}

func (s *store) newSearch(ctx context.Context, scope activity.Scope, q *activity.Query) (*search, error) {
	if err := checkContains(q.Filters); err != nil {
		return nil, err
	}
	x := &search{store: s, query: q, plan: makePlan(q), descending: q.Order.Ascending() == q.Backward}
	if q.Budget > 0 {
		x.deadline = time.Now().Add(q.Budget)
	}
	switch {
	case x.plan.index == uuidIndex: // the few documents of an id are tested
		x.tenants = scope.List()
		if len(q.Kinds) > 0 {
			x.kinds = kindWords(q.Kinds)
		}
		return x, nil
	case scope.All() && x.plan.index == timeIndex && len(q.Kinds) == 0:
		x.plan.index = idIndex
		return x, nil
	}
	x.kinds = kindWords(q.Kinds)
	x.tenants = scope.List()
	if scope.All() {
		var err error
		if x.tenants, err = s.allTenants(ctx); err != nil {
			return nil, err
		}
	}
	if len(x.tenants) > maxTenants {
		return nil, invalid("the query spans more than %d tenants: name some of them", maxTenants)
	}
	return x, nil
}

// allTenants lists the tenants: one step in the index for each.
func (s *store) allTenants(ctx context.Context) ([]string, error) {
	var reply struct {
		Values []string `bson:"values"`
	}
	err := s.db.RunCommand(ctx, bson.D{
		{Key: "distinct", Value: eventCollection}, {Key: "key", Value: "tenant_id"}, {Key: "readConcern", Value: majority},
	}).Decode(&reply)
	if err != nil {
		return nil, fmt.Errorf("list the tenants: %w", err)
	}
	return reply.Values, nil
}

func (x *search) spent() bool { return !x.deadline.IsZero() && time.Now().After(x.deadline) }

// testsDocuments reports whether the index alone does not decide.
func (x *search) testsDocuments() bool { return len(x.plan.residual) > 0 }

// run gives up to want hits in order, behind from. stop is set when the budget
// was spent first: everything up to it has been searched.
func (x *search) run(ctx context.Context, from *place, want int) (hits []head, stop *place, err error) {
	m := merger{descending: x.descending}
	for _, st := range x.streams(from, want) {
		if err := x.fill(ctx, st); err != nil {
			return nil, nil, err
		}
		if len(st.buffer) > 0 {
			m.streams = append(m.streams, st)
		}
	}
	heap.Init(&m)
	for len(m.streams) > 0 && len(hits) < want {
		st := m.streams[0]
		h := *st.head()
		switch {
		case !h.marker:
			hits = append(hits, h)
		case x.spent():
			return hits, &h.place, nil
		}
		st.next++
		if st.next == len(st.buffer) && !st.done && len(hits) < want {
			if err := x.fill(ctx, st); err != nil {
				return nil, nil, err
			}
		}
		if st.next < len(st.buffer) {
			heap.Fix(&m, 0)
		} else {
			heap.Pop(&m)
		}
	}
	return hits, nil, nil
}

// streams opens one stream for as many tenants as MongoDB merges by itself;
// most queries have one.
func (x *search) streams(from *place, want int) []*stream {
	s := x.span(from)
	if x.plan.field != 0 && len(x.plan.values) == 0 {
		return nil // values that nothing can hold
	}
	if x.tenants == nil {
		return []*stream{{span: s, batch: min(want, maxBatch)}}
	}
	perTenant := max(len(x.kinds), 1) * max(len(x.plan.values), 1)
	n := max(maxRanges/perTenant, 1)
	var out []*stream
	for rest := x.tenants; len(rest) > 0; {
		n = min(n, len(rest))
		out = append(out, &stream{tenants: rest[:n], span: s})
		rest = rest[n:]
	}
	for _, st := range out {
		st.batch = min(max(2*want/len(out), 8), max(want, 1), maxBatch)
	}
	return out
}

// timeSpan is the query's range of time.
func (x *search) timeSpan() span {
	var s span
	if x.query.From != 0 {
		s.low = bound{place: place{key: firstKey(x.query.From, activity.ID{})}, set: true, inclusive: true}
	}
	if x.query.To != 0 {
		s.high = bound{place: place{key: lastKey(x.query.To, lastID)}, set: true, inclusive: true}
	}
	return s
}

// span is the query's range of time and the place to start behind, as a range
// of the order.
func (x *search) span(from *place) span {
	var s span
	if !x.plan.byTime {
		s = x.timeSpan()
	}
	if from == nil {
		return s
	}
	at := bound{place: *from, set: true}
	if x.descending && (!s.high.set || at.compare(s.high.place) < 0) {
		s.high = at
	}
	if !x.descending && (!s.low.set || at.compare(s.low.place) > 0) {
		s.low = at
	}
	return s
}

// start is the place behind which a query begins that continues after a
// position: of the events at the position none is given again.
func (x *search) start(after activity.Position) *place {
	switch {
	case after.IsZero():
		return nil
	case x.descending:
		return &place{value: after.Value, key: firstKey(after.Datetime, after.ID)}
	}
	return &place{value: after.Value, key: lastKey(after.Datetime, after.ID)}
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
