package scylla

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Bounds of a walk.
const (
	// maxSources bounds the tenants and kinds, or values, that one walk reads.
	maxSources = 20_000
	// maxStreams bounds the partitions of one hour that are merged.
	maxStreams = 20_000
	// leastHours are read whatever the deadline, or a search that continues would
	// not get on: the first may be the one that an edge belongs to.
	leastHours = 2
	// bucketPage is how many entries of the catalogue are read at a time.
	bucketPage = 100
)

// spot is a bound of a range of positions. Its id may be longer or shorter than
// any real one: "" is below them all, lastID above.
type spot struct {
	datetime int64
	id       string
}

const lastID = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

func (a spot) compare(b spot) int {
	return cmp.Or(cmp.Compare(a.datetime, b.datetime), cmp.Compare(a.id, b.id))
}

// span is the positions that a query wants: from low inclusive to high exclusive.
type span struct{ low, high spot }

// spanOf gives the range of a query after its position.
func spanOf(q *activity.Query, descending bool) span {
	s := span{low: spot{datetime: math.MinInt64}, high: spot{datetime: math.MaxInt64, id: lastID}}
	if q.From != 0 {
		s.low = spot{datetime: q.From}
	}
	if q.To != 0 {
		s.high = spot{datetime: q.To, id: lastID}
	}
	if q.After.IsZero() {
		return s
	}
	at := spot{datetime: q.After.Datetime, id: string(q.After.ID[:])}
	if descending && at.compare(s.high) < 0 {
		s.high = at
	}
	if at.id += "\x00"; !descending && at.compare(s.low) > 0 { // the next id there could be
		s.low = at
	}
	return s
}

// source is a line of buckets: one tenant and kind, or one value of a field.
type source struct {
	tenant, name, value string
	buckets             *gocql.Iter
	next                bucket
	more                bool
}

// walk gives the entries of its sources in the order of their positions. Hours
// do not overlap, so it reads one hour after the other, and merges the
// partitions that an hour has.
type walk struct {
	store      *store
	descending bool
	span       span
	sources    []*source
	deadline   time.Time // zero = none
	page       int       // rows that a stream reads at a time

	hours   int   // read so far
	hour    int64 // being read
	merger  merger
	entries *entries // what the partitions hold

	// stop is where the walk ended because the deadline came.
	stop *activity.Position
	// visited are the buckets of the hours that were read to their end, kept only
	// when keepVisited says so: a walk over years comes to millions.
	keepVisited bool
	visited     []bucket
	opened      []bucket // of the hour being read
}

func (w *walk) spent() bool { return !w.deadline.IsZero() && time.Now().After(w.deadline) }

// open asks the catalogue for the first bucket of each source.
func (w *walk) open(ctx context.Context) error {
	if len(w.sources) > maxSources {
		return invalid("the query spans more than %d tenants and kinds: name the tenants or the kinds", maxSources)
	}
	text := w.store.cql.bucket.text(w.descending)
	low, high := hourOf(w.span.low.datetime), hourOf(w.span.high.datetime)
	return parallel(ctx, len(w.sources), w.store.cfg.Concurrency, func(_ context.Context, i int) error {
		s := w.sources[i]
		s.buckets = w.store.session.Query(text, s.tenant, s.name, []byte(s.value), low, high).PageSize(bucketPage).IterContext(ctx)
		return s.advance()
	})
}

func (s *source) advance() error {
	s.next = bucket{tenant: s.tenant, source: s.name, value: s.value}
	if s.more = s.buckets.Scan(&s.next.hour, &s.next.shard); s.more {
		return nil
	}
	return s.buckets.Close()
}

// next gives the next entry; nil at the end or when the deadline has come.
func (w *walk) next(ctx context.Context) (*entry, error) {
	for len(w.merger.streams) == 0 {
		if more, err := w.nextHour(ctx); !more || err != nil {
			return nil, err
		}
	}
	st := w.merger.streams[0]
	e := st.head
	more, err := st.advance()
	if err != nil {
		return nil, err
	}
	if more {
		heap.Fix(&w.merger, 0)
	} else {
		heap.Pop(&w.merger)
		w.visit()
	}
	return e, nil
}

// visit notes the buckets of an hour that has been read to its end.
func (w *walk) visit() {
	if w.keepVisited && len(w.merger.streams) == 0 {
		w.visited = append(w.visited, w.opened...)
	}
}

// nextHour opens the partitions of the next hour that any source has.
func (w *walk) nextHour(ctx context.Context) (more bool, err error) {
	found := false
	for _, s := range w.sources {
		if !s.more {
			continue
		}
		if h := s.next.hour; !found || w.descending && h > w.hour || !w.descending && h < w.hour {
			w.hour, found = h, true
		}
	}
	if !found {
		return false, nil
	}
	if w.hours >= leastHours && w.spent() {
		w.stop = w.edge()
		return false, nil
	}
	w.hours++
	var buckets []bucket
	for _, s := range w.sources {
		for s.more && s.next.hour == w.hour {
			buckets = append(buckets, s.next)
			if err := s.advance(); err != nil {
				return false, err
			}
		}
		if len(buckets) > maxStreams {
			return false, invalid("an hour has more than %d partitions of the query: name the tenants or the kinds", maxStreams)
		}
	}
	if err := w.openStreams(ctx, buckets); err != nil {
		return false, err
	}
	w.opened = buckets
	w.visit()
	return true, nil
}

// edge is the position between the hour that comes next and those before it in
// the order: a walk from it begins with that hour.
func (w *walk) edge() *activity.Position {
	p := activity.Position{Datetime: hourEnd(w.hour)}
	if w.descending {
		if p.Datetime < math.MaxInt64 {
			p.Datetime++ // with the zero id, below which everything of the hour is
		}
		return &p
	}
	p.Datetime = hourStart(w.hour)
	if p.Datetime > math.MinInt64 {
		p.Datetime--
		p.ID = activity.ID([]byte(lastID)[:len(p.ID)])
	}
	return &p
}

func (w *walk) openStreams(ctx context.Context, buckets []bucket) error {
	page := min(max(2*w.page/len(buckets), 8), w.page)
	opened := make([]*stream, len(buckets))
	err := parallel(ctx, len(buckets), w.store.cfg.Concurrency, func(_ context.Context, i int) error {
		st := &stream{bucket: buckets[i], entries: w.entries}
		st.iter = w.entries.open(ctx, &buckets[i], w.span, w.descending, page)
		more, err := st.advance()
		if more {
			opened[i] = st
		}
		return err
	})
	if err != nil {
		return err
	}
	w.merger = merger{descending: w.descending, streams: slices.DeleteFunc(opened, func(st *stream) bool { return st == nil })}
	heap.Init(&w.merger)
	return nil
}

// stream reads one partition. The driver keeps the page state.
type stream struct {
	bucket
	entries *entries
	iter    *gocql.Iter
	head    *entry
}

func (st *stream) advance() (more bool, err error) {
	if st.head, err = st.entries.scan(st.iter, &st.bucket); st.head != nil || err != nil {
		return st.head != nil, err
	}
	return false, st.iter.Close()
}

// merger is a heap of streams that have a head.
type merger struct {
	streams    []*stream
	descending bool
}

func (m *merger) Len() int { return len(m.streams) }
func (m *merger) Less(i, j int) bool {
	c := m.streams[i].head.compare(m.streams[j].head)
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
