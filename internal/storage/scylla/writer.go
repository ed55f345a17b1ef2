package scylla

import (
	"context"
	"fmt"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Write implements storage.Writer.
func (s *store) Write(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	if s.group == nil {
		return storage.WriteResult{}, fmt.Errorf("write: %w", storage.ErrReadOnly)
	}
	return s.group.Write(ctx, events)
}

// maxCommit bounds the events of one commit. A step of it is up to four requests
// an event, in rounds of as many as may be under way: with many more events the
// callers would be gone before its end, and write again what is being stored.
const maxCommit = 2000

// commit stores a batch in three steps, each acknowledged at LOCAL_QUORUM before
// the next: the catalogue, the lookups, the events. A crash in between leaves
// entries that lead nowhere, which readers skip; never an event without them.
func (s *store) commit(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	leave, err := s.use(ctx)
	if err != nil {
		return storage.WriteResult{}, fmt.Errorf("store %d events: %w", len(events), err)
	}
	defer leave()
	var lookups, rows work
	buckets := make([]bucket, 0, 4*len(events))
	for i := range events {
		e := &events[i]
		s.lastStored = max(s.lastStored+1, s.now().UnixNano())
		buckets = append(buckets, s.addLookups(&lookups, e)...)
		buckets = append(buckets, s.addRow(&rows, newAcceptance(e, s.lastStored, s.writer)))
	}
	err = s.catalogue(ctx, buckets)
	for _, step := range []*work{&lookups, &rows} {
		if err == nil {
			err = s.run(ctx, step)
		}
	}
	if err != nil {
		return storage.WriteResult{}, fmt.Errorf("store %d events: %w", len(events), failure(ctx, err))
	}
	return storage.WriteResult{Written: len(events), LastStoredNS: s.lastStored}, nil
}

// catalogue makes sure that buckets, and the tenants and kinds they are of, can
// be found.
func (s *store) catalogue(ctx context.Context, buckets []bucket) error {
	buckets = s.known.missing(buckets)
	if len(buckets) == 0 {
		return nil
	}
	var w work
	now := s.now()
	for i := range buckets {
		b := &buckets[i]
		if b.value == "" {
			w.add(bucket{tenant: b.tenant}, 0, s.cql.insertTenant, b.tenant, b.source)
		}
		w.add(bucket{tenant: b.tenant, source: b.source, value: b.value}, 0, s.cql.insertBucket,
			b.tenant, b.source, []byte(b.value), b.hour, b.shard, now.UnixMicro())
	}
	if err := s.run(ctx, &w); err != nil {
		return err
	}
	s.known.add(buckets, now)
	return nil
}

func (s *store) addLookups(w *work, e *activity.Event) []bucket {
	at := timestamp(e.ReceivedAt)
	kind := e.Kind.String()
	w.add(bucket{value: string(e.ID[:])}, 0, s.cql.insertID, e.ID[:], e.Datetime, e.TenantID, kind, at)
	buckets := lookupBuckets(e)
	for _, b := range buckets {
		w.add(b, 0, s.cql.insertLookup, b.tenant, b.source, []byte(b.value), b.hour, e.Datetime, e.ID[:], kind, at)
	}
	return buckets
}

func (s *store) addRow(w *work, a *acceptance) bucket {
	e := a.event
	b := s.eventBucket(e)
	w.add(b, e.Size(), s.cql.insertEvent, b.tenant, b.source, b.hour, b.shard, e.Datetime, e.ID[:],
		cell{a, activity.GroupEvent}, cell{a, activity.GroupPersonal}, cell{a, activity.GroupContent}, timestamp(e.ReceivedAt))
	return b
}

// Bounds of one request. The statements of a request are for one partition, so
// that they are one mutation: they cost one entry of the commit log, and no
// batch log. An event above the bytes goes alone.
const (
	maxRequestStatements = 64
	maxRequestBytes      = 64 << 10
)

// work is what one step writes: requests, each for one partition.
type work struct {
	requests []request
	open     map[bucket]int // the request that takes more of a partition
}

type request struct {
	statements []gocql.BatchEntry
	bytes      int
}

// add puts a statement on a partition. size is about its bytes, 0 when it is small.
func (w *work) add(partition bucket, size int, text string, args ...any) {
	if w.open == nil {
		w.open = map[bucket]int{}
	}
	i, ok := w.open[partition]
	if ok {
		r := &w.requests[i]
		ok = len(r.statements) < maxRequestStatements && r.bytes+size <= maxRequestBytes
	}
	if !ok {
		i = len(w.requests)
		w.requests = append(w.requests, request{})
		w.open[partition] = i
	}
	r := &w.requests[i]
	r.statements = append(r.statements, gocql.BatchEntry{Stmt: text, Args: args, Idempotent: true})
	r.bytes += size
}

// run sends the requests, a bounded number at the same time, and waits until
// each is acknowledged.
func (s *store) run(ctx context.Context, w *work) error {
	return parallel(ctx, len(w.requests), s.cfg.Concurrency, func(ctx context.Context, i int) error {
		r := &w.requests[i]
		if len(r.statements) == 1 {
			only := &r.statements[0]
			return s.session.Query(only.Stmt, only.Args...).ExecContext(ctx)
		}
		batch := s.session.Batch(gocql.UnloggedBatch)
		batch.Entries = r.statements
		return batch.ExecContext(ctx)
	})
}
