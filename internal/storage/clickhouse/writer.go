package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

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

// insertsAtOnce is how many months of a batch are inserted at the same time.
const insertsAtOnce = 8

// writer gives stored_ns and inserts, one commit at a time.
type writer struct {
	store  *store
	conn   driver.Conn // of inserts alone
	blocks chan *block // those that no insert uses

	turn       chan struct{} // holds one while lastStored is used, and until what it was given to is stored
	lastStored int64
	lastBegin  time.Time // of the last commit; used by the commit alone
}

func newWriter(s *store, conn driver.Conn) *writer {
	w := &writer{store: s, conn: conn, blocks: make(chan *block, insertsAtOnce), turn: make(chan struct{}, 1)}
	for range insertsAtOnce {
		w.blocks <- &block{}
	}
	return w
}

// largeInsert is from how many events on an insert is worth a part of its own.
const largeInsert = 500

// pace keeps small inserts apart. An insert after a pause does not wait, and
// what comes meanwhile is merged into the next.
func (w *writer) pace(ctx context.Context, n int) {
	wait := w.store.config.SmallInsertInterval - time.Since(w.lastBegin)
	if n < largeInsert && wait > 0 && !w.store.config.AsyncInsert {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	w.lastBegin = time.Now()
}

// part is what a batch has of one month.
type part struct {
	events []*activity.Event
	first  int // index in the batch
	err    error
}

// commit inserts a batch, one insert for each month: an insert that touches one
// partition and fits into one block is all or nothing. The whole ends within the
// write timeout, which the feed and who waits for the next commit count on.
func (w *writer) commit(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	w.pace(ctx, len(events))
	var res storage.WriteResult
	months := map[int]*part{}
	for i := range events {
		e := &events[i]
		if !e.Kind.Valid() {
			res.Refused = append(res.Refused, storage.Refusal{Index: i, Err: fmt.Errorf("%w: kind %d", storage.ErrContent, e.Kind)})
			continue
		}
		m := month(e.Datetime)
		if months[m] == nil {
			months[m] = &part{first: i}
		}
		months[m].events = append(months[m].events, e)
	}
	parts := make([]*part, 0, len(months))
	for _, m := range slices.Sorted(maps.Keys(months)) {
		parts = append(parts, months[m])
	}
	w.insertAll(ctx, parts)
	for _, p := range parts {
		switch {
		case p.err == nil:
			res.Written += len(p.events)
			res.LastStoredNS = p.events[len(p.events)-1].StoredNS
		case len(p.events) == 1 && errors.Is(p.err, storage.ErrContent): // no need to look for it
			res.Refused = append(res.Refused, storage.Refusal{Index: p.first, Err: p.err})
		default:
			return storage.WriteResult{}, fmt.Errorf("insert %d events: %w", len(p.events), p.err)
		}
	}
	return res, nil
}

// insertAll gives the events their stored_ns, oldest month first, and stores
// them, a few months at a time.
func (w *writer) insertAll(ctx context.Context, parts []*part) {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	ctx, cancel := context.WithTimeout(ctx, w.store.config.WriteTimeout)
	defer cancel()
	for _, p := range parts {
		for _, e := range p.events {
			e.StoredNS = w.nextStored()
		}
	}
	var inserts sync.WaitGroup
	for _, p := range parts {
		b := <-w.blocks
		inserts.Go(func() {
			defer func() { w.blocks <- b }()
			p.err = w.insert(ctx, b, p.events)
		})
	}
	inserts.Wait()
}

func (w *writer) insert(ctx context.Context, b *block, events []*activity.Event) (err error) {
	defer func() {
		if p := recover(); p != nil { // as groupcommit does in its own goroutine
			err = fmt.Errorf("%w: the insert panicked: %v\n%s", storage.ErrRetryable, p, debug.Stack())
		}
	}()
	async := w.store.config.AsyncInsert
	err = w.send(ctx, b, events, async)
	if async && len(events) == 1 && errors.Is(err, storage.ErrContent) { // what was gathered with it may be at fault
		err = w.send(ctx, b, events, false)
	}
	return err
}

// nextStored is the clock, and always above what was given before, whether that
// was stored or not.
func (w *writer) nextStored() int64 {
	w.lastStored = max(w.store.now().UnixNano(), w.lastStored+1)
	return w.lastStored
}

// month names the partition of a datetime, as toYYYYMM does.
func month(datetime int64) int {
	t := time.Unix(0, datetime).UTC()
	return t.Year()*100 + int(t.Month())
}

// insertSettings say what an acknowledgement means, whatever the profile of the
// server's user says: stored, in the table. limit bounds the time on the server.
func (s *store) insertSettings(limit time.Duration, async bool) ch.Settings {
	settings := ch.Settings{
		"async_insert":          0,
		"wait_for_async_insert": 1,
		"max_execution_time":    seconds(limit),
		"timeout_overflow_mode": "throw",
		// a block of an insert is one part
		"max_insert_block_size":                  1 << 20,
		"low_cardinality_allow_in_native_format": 0,
	}
	if async {
		settings["async_insert"] = 1
	}
	if s.http {
		settings["wait_end_of_query"] = 1
	}
	return settings
}

func insertStatement(fields []activity.Field) string {
	return "INSERT INTO activity_events (" + columnList(fields) + ")"
}

// send makes one insert. The server ends it with the commit, however late in it
// the insert begins.
func (w *writer) send(ctx context.Context, b *block, events []*activity.Event, async bool) (err error) {
	fields := columnsOf(events)
	deadline, _ := ctx.Deadline() // insertAll's
	settings := w.store.insertSettings(max(time.Until(deadline), time.Millisecond), async)
	ctx = driverContext(ctx, ch.WithSettings(settings), ch.WithColumnNamesAndTypes(wireColumns(fields)))
	batch, err := w.conn.PrepareBatch(ctx, insertStatement(fields))
	if err != nil {
		return w.failed(ctx, err)
	}
	defer func() { err = errors.Join(err, batch.Close()) }()
	defer b.release()
	if err := b.fill(batch, fields, events); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrContent, err)
	}
	if err := batch.Send(); err != nil {
		return w.failed(ctx, err)
	}
	return nil
}

// failed classifies an error of an insert. A timeout is not spent budget here:
// the server stopped, or did not answer. What a proxy finds too large is halved
// until it passes.
func (w *writer) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: no answer within write_timeout (%s): %w", storage.ErrRetryable, w.store.config.WriteTimeout, ctx.Err())
	}
	var status *ch.HTTPError
	if errors.As(err, &status) && status.StatusCode == http.StatusRequestEntityTooLarge {
		return fmt.Errorf("%w: HTTP status %d: more than a proxy before the server takes", storage.ErrContent, status.StatusCode)
	}
	return classify(err)
}
