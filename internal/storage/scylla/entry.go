package scylla

import (
	"cmp"
	"context"
	"slices"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// entry is an event that a walk has come to, or only its key when the walk goes
// through lookups.
type entry struct {
	tenant, kind string
	datetime     int64
	id           []byte
	record       *storage.Record // nil until it is read
	// via is the lookup that led here.
	via bucket
}

func (e *entry) compare(o *entry) int {
	return cmp.Or(cmp.Compare(e.datetime, o.datetime), slices.Compare(e.id, o.id))
}

func (e *entry) sameKey(o *entry) bool {
	return e.compare(o) == 0 && e.tenant == o.tenant && e.kind == o.kind
}

func (e *entry) position() activity.Position {
	p := activity.Position{Datetime: e.datetime}
	copy(p.ID[:], e.id)
	return p
}

// entries reads the entries of partitions: of events, or of lookups.
type entries struct {
	store   *store
	lookups bool
}

func (x *entries) open(ctx context.Context, b *bucket, s span, descending bool, page int) *gocql.Iter {
	cql := &x.store.cql
	low, high := []byte(s.low.id), []byte(s.high.id)
	var q *gocql.Query
	if x.lookups {
		q = x.store.session.Query(cql.lookups.text(descending), b.tenant, b.source, []byte(b.value), b.hour,
			s.low.datetime, low, s.high.datetime, high)
	} else {
		q = x.store.session.Query(cql.events.text(descending), b.tenant, b.source, b.hour, b.shard,
			s.low.datetime, low, s.high.datetime, high)
	}
	return q.PageSize(page).IterContext(ctx)
}

// scan gives the next entry of a partition, nil at its end.
func (x *entries) scan(iter *gocql.Iter, b *bucket) (*entry, error) {
	if x.lookups {
		e := &entry{tenant: b.tenant, via: *b}
		if iter.Scan(&e.datetime, &e.id, &e.kind) {
			return e, nil
		}
		return nil, iter.Close()
	}
	for {
		r := newRow()
		var datetime int64
		if !iter.Scan(&datetime, &r.id, &r.facts, &r.person, &r.content) {
			return nil, iter.Close()
		}
		if r.finish(b.tenant, b.source, datetime) {
			x.store.checkPlace(r, b)
			return &entry{tenant: b.tenant, kind: b.source, datetime: datetime, id: r.id, record: &r.record}, nil
		}
	}
}

// checkPlace names the columns of the key that disagree with what they derive from.
func (s *store) checkPlace(r *row, b *bucket) {
	if hourOf(r.record.Datetime) != b.hour {
		r.record.Derived = append(r.record.Derived, "hour")
	}
	if shardOf(r.record.ID, s.shards) != b.shard {
		r.record.Derived = append(r.record.Derived, "shard")
	}
}

// fetch reads the events of entries that have only their keys. Those that are
// not there keep a nil record: a crash came between a lookup and its event.
func (s *store) fetch(ctx context.Context, found []*entry) error {
	return parallel(ctx, len(found), s.cfg.Concurrency, func(ctx context.Context, i int) error {
		e := found[i]
		if e.record != nil || len(e.id) != len(activity.ID{}) {
			return nil
		}
		r := newRow()
		r.id = e.id
		b := bucket{tenant: e.tenant, source: e.kind, hour: hourOf(e.datetime), shard: shardOf(activity.ID(e.id), s.shards)}
		iter := s.session.Query(s.cql.event, b.tenant, b.source, b.hour, b.shard, e.datetime, e.id).IterContext(ctx)
		if iter.Scan(&r.facts, &r.person, &r.content) && r.finish(e.tenant, e.kind, e.datetime) {
			e.record = &r.record
		}
		return iter.Close()
	})
}
