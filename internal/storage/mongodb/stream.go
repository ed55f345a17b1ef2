package mongodb

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// window is how many index entries one query may look at when conditions are
// left to test on their documents. The time budget is checked between windows.
const window = 5000

// place is a point in an order: the response time in the orders over it, and
// the _id.
type place struct {
	value int64
	key   string
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.value, o.value), strings.Compare(p.key, o.key))
}

func (p place) position() activity.Position { return positionOf(p.key, p.value) }

// bound is one end of a range.
type bound struct {
	place
	set, inclusive bool
}

func (b *bound) operator(strict string) string {
	if b.inclusive {
		return strict + "e"
	}
	return strict
}

// span is a range of an order.
type span struct{ low, high bound }

// head is the next thing of a stream: an event, or a marker that says there is
// none up to the place.
type head struct {
	place
	record storage.Record
	marker bool
}

// stream reads an index in the query's order for some tenants.
type stream struct {
	tenants []string // nil = the index does not ask
	span    span     // what is left
	buffer  []head
	next    int
	batch   int
	done    bool
}

func (st *stream) head() *head { return &st.buffer[st.next] }

// oneOf is an equality, or a list. MongoDB reads the ranges of a list in an
// index side by side and merges them in the order of the sort, as long as there
// are no more than maxRanges of them ("ESR guideline" of the manual).
func oneOf[T any](name string, vs []T) bson.E {
	if len(vs) == 1 {
		return bson.E{Key: name, Value: vs[0]}
	}
	return bson.E{Key: name, Value: bson.D{{Key: "$in", Value: vs}}}
}

// filter gives the range of the index, and with residual the other conditions.
func (x *search) filter(st *stream, s span, residual bool) bson.D {
	var d bson.D
	if st.tenants != nil {
		d = append(d, oneOf("tenant_id", st.tenants))
	}
	if x.plan.field != 0 {
		d = append(d, oneOf(x.plan.field.String(), x.plan.values))
	}
	if x.kinds != nil {
		d = append(d, oneOf("kind", x.kinds))
	}
	if x.plan.failed {
		d = append(d, bson.E{Key: "type", Value: failedLogin})
	}
	var and bson.A
	if x.plan.byTime {
		d = append(d, bson.E{Key: responseTime, Value: times(&s)}, bson.E{Key: "_id", Value: x.dates()})
		and = ties(&s)
	} else {
		d = append(d, bson.E{Key: "_id", Value: keys(&s)})
	}
	if residual {
		and = append(and, conditions(x.plan.residual)...)
	}
	if len(and) > 0 {
		d = append(d, bson.E{Key: "$and", Value: and})
	}
	return d
}

const responseTime = "response_time_us"

func binaryKey(key string) bson.Binary { return bson.Binary{Data: []byte(key)} }

// keys is the range of _id. Without bounds it is every binary value: the
// condition keeps the query on its index.
func keys(s *span) bson.D {
	d := bson.D{}
	if s.low.set {
		d = append(d, bson.E{Key: s.low.operator("$gt"), Value: binaryKey(s.low.key)})
	}
	if s.high.set {
		d = append(d, bson.E{Key: s.high.operator("$lt"), Value: binaryKey(s.high.key)})
	}
	if len(d) == 0 {
		d = append(d, bson.E{Key: "$gte", Value: bson.Binary{}})
	}
	return d
}

// times is the range of response time, ends included; ties cuts the ends. The
// range is what bounds the index: of an $or alone it would read all before.
func times(s *span) bson.D {
	low := int64(math.MinInt64)
	if s.low.set {
		low = s.low.value
	}
	d := bson.D{{Key: "$gte", Value: low}}
	if s.high.set {
		d = append(d, bson.E{Key: "$lte", Value: s.high.value})
	}
	return d
}

func ties(s *span) bson.A {
	var out bson.A
	cut := func(b *bound, strict string) {
		if b.set {
			out = append(out, bson.D{{Key: "$or", Value: bson.A{
				bson.D{{Key: responseTime, Value: bson.D{{Key: strict, Value: b.value}}}},
				bson.D{{Key: "_id", Value: bson.D{{Key: b.operator(strict), Value: binaryKey(b.key)}}}},
			}}})
		}
	}
	cut(&s.low, "$gt")
	cut(&s.high, "$lt")
	return out
}

// dates is the query's range of time as one of _id.
func (x *search) dates() bson.D {
	s := x.timeSpan()
	return keys(&s)
}

func (x *search) sort() bson.D {
	dir := 1
	if x.descending {
		dir = -1
	}
	if x.plan.byTime {
		return bson.D{{Key: responseTime, Value: dir}, {Key: "_id", Value: dir}}
	}
	return bson.D{{Key: "_id", Value: dir}}
}

// placeFields make the answer come from the index alone where it can.
func (x *search) placeFields() bson.D {
	d := bson.D{{Key: "_id", Value: 1}}
	if x.plan.byTime {
		d = append(d, bson.E{Key: responseTime, Value: 1})
	}
	return d
}

// find gives up to limit heads behind the first skip ones.
func (x *search) find(ctx context.Context, filter bson.D, skip, limit int, keysOnly bool) ([]head, error) {
	cmd := bson.D{
		{Key: "find", Value: eventCollection},
		{Key: "filter", Value: filter},
		{Key: "sort", Value: x.sort()},
		{Key: "hint", Value: x.plan.index},
		{Key: "skip", Value: int64(skip)},
		{Key: "limit", Value: int64(limit)},
		{Key: "batchSize", Value: int64(limit) + 1}, // one reply where its size allows
		{Key: "allowDiskUse", Value: false},
	}
	if keysOnly {
		cmd = append(cmd, bson.E{Key: "projection", Value: x.placeFields()})
	}
	var out []head
	err := x.store.command(ctx, cmd, func(doc bson.Raw) error {
		h := head{}
		if keysOnly {
			h.key = binaryOf(doc.Lookup("_id"))
		} else {
			var err error
			if h.key, err = readDocument(doc, &h.record); err != nil {
				return err
			}
		}
		if x.plan.byTime {
			h.value, _ = doc.Lookup(responseTime).Int64OK() // the validator lets no other type in
		}
		out = append(out, h)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the index %s: %w", x.plan.index, err)
	}
	return out, nil
}

// cut takes the next n index entries off the front of a span. last is true when
// there are no more than that.
func (x *search) cut(ctx context.Context, st *stream, s span, n int) (part, rest span, last bool, err error) {
	heads, err := x.find(ctx, x.filter(st, s, false), n-1, 1, true)
	if err != nil {
		return s, s, false, err
	}
	if len(heads) == 0 {
		return s, s, true, nil
	}
	part, rest = s, s
	upTo, from := bound{place: heads[0].place, set: true, inclusive: true}, bound{place: heads[0].place, set: true}
	if x.descending {
		part.low, rest.high = upTo, from
	} else {
		part.high, rest.low = upTo, from
	}
	return part, rest, false, nil
}

// fill reads the next heads of a stream whose buffer is used up.
func (x *search) fill(ctx context.Context, st *stream) error {
	st.next, st.buffer = 0, nil
	part, rest, last := st.span, st.span, true
	if x.testsDocuments() {
		var err error
		if part, rest, last, err = x.cut(ctx, st, st.span, window); err != nil {
			return err
		}
	}
	heads, err := x.find(ctx, x.filter(st, part, true), 0, st.batch, x.keysOnly)
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
		st.batch = min(2*st.batch, maxBatch)
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
