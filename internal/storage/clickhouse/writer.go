package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// writer gives stored_ns and inserts, one commit at a time.
type writer struct {
	store *store
	conn  driver.Conn // of inserts alone
	block block

	turn       chan struct{} // holds one while lastStored is used
	lastStored int64
	lastBegin  time.Time // of the last insert; used by the commit alone
}

func newWriter(s *store, conn driver.Conn) *writer {
	return &writer{store: s, conn: conn, turn: make(chan struct{}, 1)}
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

// commit inserts a batch, one insert for each month: an insert that touches one
// partition and fits into one block is all or nothing.
func (w *writer) commit(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	w.pace(ctx, len(events))
	var res storage.WriteResult
	months := map[int][]*activity.Event{}
	for i := range events {
		e := &events[i]
		if !e.Kind.Valid() {
			res.Refused = append(res.Refused, storage.Refusal{Index: i, Err: fmt.Errorf("%w: kind %d", storage.ErrContent, e.Kind)})
			continue
		}
		m := month(e.Datetime)
		months[m] = append(months[m], e)
		res.Written++
	}
	for _, m := range slices.Sorted(maps.Keys(months)) {
		part := months[m]
		if err := w.insert(ctx, part); err != nil {
			return storage.WriteResult{}, fmt.Errorf("insert %d events: %w", len(part), err)
		}
		res.LastStoredNS = part[len(part)-1].StoredNS
	}
	return res, nil
}

// insert gives the events of a month their stored_ns and stores them. An insert
// ends within the write timeout, which the feed counts on.
func (w *writer) insert(ctx context.Context, events []*activity.Event) error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	ctx, cancel := context.WithTimeout(ctx, w.store.config.WriteTimeout)
	defer cancel()
	for _, e := range events {
		e.StoredNS = w.nextStored()
	}
	return w.send(ctx, events)
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
// server's user says: stored, in the table.
func (s *store) insertSettings() ch.Settings {
	async := 0
	if s.config.AsyncInsert {
		async = 1
	}
	settings := ch.Settings{
		"async_insert":          async,
		"wait_for_async_insert": 1,
		"max_execution_time":    seconds(s.config.WriteTimeout),
		// a block of an insert is one part
		"max_insert_block_size":                  1 << 20,
		"low_cardinality_allow_in_native_format": 0,
	}
	if s.http {
		settings["wait_end_of_query"] = 1
	}
	return settings
}

func insertStatement(fields []activity.Field) string {
	return "INSERT INTO activity_events (" + columnList(fields) + ")"
}

func (w *writer) send(ctx context.Context, events []*activity.Event) (err error) {
	fields := columnsOf(events)
	ctx = driverContext(ctx, ch.WithSettings(w.store.insertSettings()), ch.WithColumnNamesAndTypes(wireColumns(fields)))
	batch, err := w.conn.PrepareBatch(ctx, insertStatement(fields))
	if err != nil {
		return w.failed(ctx, err)
	}
	defer func() { err = errors.Join(err, batch.Close()) }()
	defer w.block.release()
	if err := w.block.fill(batch, fields, events); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrContent, err)
	}
	if err := batch.Send(); err != nil {
		return w.failed(ctx, err)
	}
	return nil
}

// failed classifies an error of an insert. A timeout is not spent budget here:
// the server stopped, or did not answer.
func (w *writer) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: no answer within write_timeout (%s): %w", storage.ErrRetryable, w.store.config.WriteTimeout, ctx.Err())
	}
	return classify(err)
}
