package mongodb

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// A scan is a sequence of reads, none of which leaves a cursor open: the next
// one is under way while the caller works on the events of the one before.
const (
	scanBatch = 1000
	// scanTime is how long one read may look for events that match.
	scanTime = 300 * time.Millisecond
	// scanLimit is when a read that goes on after scanTime is given up.
	scanLimit = 30 * time.Second
)

// scanned is one read of a scan.
type scanned struct {
	hits []head
	next *place // nil when there are no more
	err  error
}

// Scan implements storage.Reader.
func (s *store) Scan(ctx context.Context, scope activity.Scope, q activity.Query) iter.Seq2[storage.Record, error] {
	return func(yield func(storage.Record, error) bool) {
		if err := storage.CheckQuery(&q); err != nil {
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
		var from *place
		begun := false
		ahead := make(chan scanned, 1)
		read := func() {
			ahead <- s.scanOnce(ctx, scope, &q, from, begun)
		}
		running := false
		defer func() {
			cancel()
			if running {
				<-ahead
			}
		}()
		go read()
		for running = true; running; {
			batch := <-ahead
			running = false
			if batch.err != nil {
				yield(storage.Record{}, fmt.Errorf("scan: %w", batch.err))
				return
			}
			if batch.next != nil {
				from, begun, running = batch.next, true, true
				go read()
			}
			for i := range batch.hits {
				if !yield(batch.hits[i].record, nil) {
					return
				}
			}
		}
	}
}

// scanOnce reads the events behind from; at the beginning, behind the query's
// position.
func (s *store) scanOnce(ctx context.Context, scope activity.Scope, q *activity.Query, from *place, begun bool) (out scanned) {
	out.err = s.within(ctx, scanLimit, func(ctx context.Context) error {
		x, err := s.newSearch(ctx, scope, q)
		if err != nil {
			return err
		}
		if !begun {
			from = x.start(q.After)
		}
		out.hits, out.next, err = x.run(ctx, from, scanBatch)
		if out.next == nil && len(out.hits) == scanBatch {
			out.next = &out.hits[scanBatch-1].place
		}
		return err
	})
	return out
}
