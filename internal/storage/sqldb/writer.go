package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

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

// writer owns the one connection that writes. Commits, retention and erasure
// take turns on it.
type writer struct {
	store *store
	db    *sql.DB

	turn       chan struct{} // holds one while the fields below are used; a wait for it can end
	session    *session      // nil until first used
	catalogue  catalogue
	lastStored int64
}

// transact runs fn in one transaction. What fn changed in the writer's own
// memory is undone with it, also when fn panics.
func (w *writer) transact(ctx context.Context, fn func(*session) error) (err error) {
	if err := w.lock(ctx); err != nil {
		return err
	}
	defer w.unlock()
	// A statement with a context that can end costs a goroutine each; a
	// transaction is short and always runs to its end.
	ctx = context.WithoutCancel(ctx)
	if err := w.ready(ctx); err != nil {
		return w.store.dialect.classify(err)
	}
	if err := w.session.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		w.session = discard(w.session)
		return w.store.dialect.classify(fmt.Errorf("begin to write: %w", err))
	}
	before, last, committed := slices.Clone(w.catalogue), w.lastStored, false
	defer func() {
		if committed {
			return
		}
		w.catalogue, w.lastStored = before, last
		// SQLite may have rolled back already, and then says so.
		if rollback := w.session.exec(ctx, "ROLLBACK"); rollback != nil {
			w.session = discard(w.session)
		}
		err = w.store.dialect.classify(err)
	}()
	if err := fn(w.session); err != nil {
		return err
	}
	if err := w.session.exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	return nil
}

func newWriter(s *store, db *sql.DB) *writer {
	return &writer{store: s, db: db, turn: make(chan struct{}, 1)}
}

// lock waits for the writer as long as the context lasts.
func (w *writer) lock(ctx context.Context) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: another transaction is under way: %w", storage.ErrRetryable, ctx.Err())
	}
}

func (w *writer) unlock() { <-w.turn }

// ready opens the session and reads what the writer keeps in memory.
func (w *writer) ready(ctx context.Context) (err error) {
	if w.session != nil {
		return nil
	}
	s, err := newSession(ctx, w.db)
	if err != nil {
		return err
	}
	if w.catalogue, err = s.segments(ctx); err == nil {
		err = s.conn.QueryRowContext(ctx, "SELECT last_stored_ns FROM store_state").Scan(&w.lastStored)
	}
	if err != nil {
		s.close()
		return fmt.Errorf("read the state of the store (has it been migrated?): %w", err)
	}
	w.session = s
	return nil
}

func (w *writer) migrate(ctx context.Context) error {
	if err := w.lock(ctx); err != nil {
		return err
	}
	defer w.unlock()
	d := w.store.dialect
	all, err := d.migrations()
	if err != nil {
		return err
	}
	if w.session != nil {
		w.session = discard(w.session)
	}
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return d.classify(fmt.Errorf("begin to migrate: %w", err))
	}
	if err := migrate(ctx, tx, d, all); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return d.classify(fmt.Errorf("commit the migration: %w", err))
	}
	return nil
}

// pingTime is how long a transaction may be under way until the store counts
// as one that cannot be written. Dropping a segment takes about a second.
const pingTime = 3 * time.Second

// ping takes the write lock and gives it back.
func (w *writer) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	return w.transact(ctx, func(*session) error { return nil })
}

func (w *writer) close() error {
	w.turn <- struct{}{}
	defer w.unlock()
	if w.session != nil {
		w.session = discard(w.session)
	}
	return w.db.Close()
}

// commit stores a batch in one transaction.
func (w *writer) commit(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	var res storage.WriteResult
	err := w.transact(ctx, func(s *session) error {
		b := batch{writer: w, session: s, events: events, inserts: map[string]map[uint64]string{}}
		var err error
		res, err = b.run(ctx)
		return err
	})
	if err != nil {
		return storage.WriteResult{}, fmt.Errorf("store %d events: %w", len(events), err)
	}
	return res, nil
}

// home gives the segment that holds a datetime, and makes it when there is none.
func (w *writer) home(ctx context.Context, s *session, datetime int64) (*segment, error) {
	i, ok := w.catalogue.find(datetime)
	if ok {
		return &w.catalogue[i], nil
	}
	seg := segment{}
	seg.lo, seg.hi = w.catalogue.rangeFor(datetime)
	seg.name = segmentName(seg.lo, datetime)
	if err := makeSegment(ctx, s.conn, w.store.dialect, &seg); err != nil {
		return nil, err
	}
	w.catalogue = slices.Insert(w.catalogue, i, seg)
	if err := w.store.dialect.rebuildView(ctx, s.conn, w.catalogue.names()); err != nil {
		return nil, err
	}
	w.store.logger.Info("A segment begins", zap.String("segment", seg.name), zap.Int64("lo_ns", seg.lo), zap.Int64("hi_ns", seg.hi))
	return &w.catalogue[i], nil
}

// saveSegment writes what a transaction changed of a segment. One that has its
// share of rows ends after its last event; the rest of its range goes to the
// next segment, made when an event needs it.
func (w *writer) saveSegment(ctx context.Context, s *session, seg *segment) error {
	if seg.events >= w.store.segmentRows && seg.maxDatetime < seg.hi-1 {
		seg.hi = seg.maxDatetime + 1
	}
	b := &builder{dialect: w.store.dialect}
	b.add("UPDATE segments SET hi_ns = ", b.arg(seg.hi), ", event_count = ", b.arg(seg.events), ", max_datetime_ns = ", b.arg(seg.maxDatetime),
		", first_stored_ns = ", b.arg(seg.firstStored), ", last_stored_ns = ", b.arg(seg.lastStored), " WHERE name = ", b.arg(seg.name))
	if _, err := s.change(ctx, b); err != nil {
		return fmt.Errorf("note segment %s: %w", seg.name, err)
	}
	return nil
}
