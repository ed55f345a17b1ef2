package sqldb

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// A scan is a line of short reads: one goroutine walks the index, and up to
// scanAhead others read the rows it has named, while the caller works on those
// before. No read transaction outlives a second, or the write-ahead log could
// not be copied back.
const (
	// scanBatch is how many events one read gives. Memory holds scanAhead + 1
	// of them, and uses it again.
	scanBatch = 1000
	scanAhead = 2
	// scanTime is how long one read may look for events that match.
	scanTime = 300 * time.Millisecond
)

// scanned is one batch of a scan.
type scanned struct {
	records []storage.Record
	err     error
}

// Scan implements storage.Reader.
func (s *store) Scan(ctx context.Context, scope activity.Scope, q activity.Query) iter.Seq2[storage.Record, error] {
	return func(yield func(storage.Record, error) bool) {
		if err := checkFilters(&q); err != nil {
			yield(storage.Record{}, err)
			return
		}
		if scope.Empty() {
			return
		}
		if q.Order != activity.NewestFirst {
			q.Order = activity.OldestFirst
		}
		q.Limit, q.Offset, q.Budget, q.Backward = scanBatch, 0, scanTime, false
		ctx, cancel := context.WithCancel(ctx)
		var owned sync.WaitGroup
		defer owned.Wait()
		defer cancel()
		line := make(chan chan scanned, scanAhead-1)
		free := make(chan []storage.Record, scanAhead+1) // memory to use again
		owned.Go(func() { s.scanKeys(ctx, scope, &q, line, free, &owned) })
		for next := range line {
			batch := <-next
			if batch.err != nil {
				yield(storage.Record{}, fmt.Errorf("scan: %w", batch.err))
				return
			}
			for i := range batch.records {
				if !yield(batch.records[i], nil) {
					return
				}
			}
			select {
			case free <- batch.records[:0]:
			default:
			}
		}
		if err := ctx.Err(); err != nil { // the caller's: the line may have ended early
			yield(storage.Record{}, fmt.Errorf("scan: %w", err))
		}
	}
}

// scanKeys finds the events and has their rows read, until there are no more or
// the context ends. Places in the line are in the order of the scan.
func (s *store) scanKeys(
	ctx context.Context, scope activity.Scope, q *activity.Query,
	line chan<- chan scanned, free <-chan []storage.Record, owned *sync.WaitGroup,
) {
	defer close(line)
	at := cursor{place: placeOf(q.After), set: !q.After.IsZero()}
	for more := true; more; {
		hits, next, further, err := s.nextHits(ctx, scope, q, at)
		at, more = next, further && err == nil
		place := make(chan scanned, 1)
		select {
		case line <- place:
		case <-ctx.Done():
			return
		}
		if err != nil {
			place <- scanned{err: err}
			return
		}
		owned.Go(func() {
			var memory []storage.Record
			select {
			case memory = <-free:
			default:
				memory = make([]storage.Record, 0, scanBatch)
			}
			records, err := s.scanRows(ctx, hits, memory)
			place <- scanned{records, err}
		})
	}
}

// nextHits gives the next batch of a scan, where the one after it starts, and
// whether there is one.
func (s *store) nextHits(ctx context.Context, scope activity.Scope, q *activity.Query, at cursor) (hits []hit, next cursor, more bool, err error) {
	err = s.read(ctx, func(c *session) error {
		x, err := s.newSearch(ctx, c, scope, q)
		if err != nil {
			return err
		}
		var stop *cursor
		hits, stop, err = x.run(ctx, at, scanBatch)
		switch {
		case err != nil:
		case stop != nil:
			next, more = *stop, true
		case len(hits) == scanBatch:
			last := hits[len(hits)-1]
			next, more = cursor{place: last.place, segment: last.segment, set: true}, true
		}
		return err
	})
	return hits, next, more, err
}

// scanRows reads the rows of hits, without those that retention has deleted
// since they were found.
func (s *store) scanRows(ctx context.Context, hits []hit, memory []storage.Record) (records []storage.Record, err error) {
	err = s.read(ctx, func(c *session) error {
		segs, err := s.dialect.catalogue(ctx, c)
		if err != nil {
			return err
		}
		// A segment that is a table of its own may be gone with its rows.
		hits = slices.DeleteFunc(hits, func(h hit) bool { return s.dialect.source(h.segment, "") == h.segment && !segs.has(h.segment) })
		records, err = c.fetchInto(ctx, s.dialect, hits, memory[:len(hits)])
		return err
	})
	return slices.DeleteFunc(records, func(r storage.Record) bool { return r.StoredNS == 0 }), err
}
