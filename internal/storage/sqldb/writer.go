package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

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

// writer owns one connection that writes. What is done on it takes turns: with
// SQLite commits, retention and erasure, with a server retention and erasure
// have a writer of their own.
type writer struct {
	store  *store
	db     *sql.DB
	keeper keeper
	// timeout bounds a transaction; 0 = a local database needs no bound.
	timeout time.Duration

	turn    chan struct{} // holds one while the session and the keeper are used; a wait for it can end
	session *session      // nil until first used
}

func newWriter(s *store, db *sql.DB, k keeper, timeout time.Duration) *writer {
	return &writer{store: s, db: db, keeper: k, timeout: timeout, turn: make(chan struct{}, 1)}
}

// transact runs fn in one transaction. What fn changed in the keeper's memory
// is undone with it, also when fn panics. events are those that fn will store.
func (w *writer) transact(ctx context.Context, events []activity.Event, fn func(context.Context, *session) error) (err error) {
	if err := w.lock(ctx); err != nil {
		return err
	}
	defer w.unlock()
	// A transaction that has begun is ended whatever has become of the caller.
	control := context.WithoutCancel(ctx)
	if w.timeout > 0 {
		deadline := time.Now().Add(w.timeout)
		var cancel, cancelControl context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
		control, cancelControl = context.WithDeadline(control, deadline)
		defer cancelControl()
	}
	d := w.store.dialect
	if err := w.begin(control, events); err != nil {
		return d.classify(err)
	}
	undo, committed := w.keeper.mark(), false
	defer func() {
		if committed {
			return
		}
		undo()
		// The database may have rolled back already, and then says so.
		rollback := w.session.exec(control, "ROLLBACK")
		err = d.classify(err)
		// A server that only reads may be one that another has taken the place of.
		if rollback != nil || errors.Is(err, storage.ErrReadOnly) {
			w.session = discard(w.session)
		}
	}()
	if err := fn(ctx, w.session); err != nil {
		return err
	}
	if err := w.session.exec(control, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	return nil
}

// begin begins a transaction. A connection that was lost since its last use is
// replaced once: nothing has been asked of it yet.
func (w *writer) begin(ctx context.Context, events []activity.Event) error {
	for used := w.session != nil; ; used = false {
		err := w.ready(ctx)
		if err != nil {
			return err
		}
		if len(events) > 0 {
			err = w.keeper.prepare(ctx, w.session, events)
		}
		if err == nil {
			err = w.session.exec(ctx, w.store.dialect.begin(true))
		}
		if err == nil {
			return nil
		}
		w.session = discard(w.session)
		if !used || !w.store.dialect.lost(err) {
			return fmt.Errorf("begin to write: %w", err)
		}
	}
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

// ready opens the session and lets the keeper read what it keeps in memory.
func (w *writer) ready(ctx context.Context) (err error) {
	if w.session != nil {
		return nil
	}
	s, err := newSession(ctx, w.db, w.store.dialect)
	if err != nil {
		return err
	}
	if err := w.keeper.load(ctx, s); err != nil {
		s.close()
		return fmt.Errorf("read the state of the store (has it been migrated?): %w", err)
	}
	w.session = s
	return nil
}

func (w *writer) migrate(ctx context.Context) (err error) {
	if err := w.lock(ctx); err != nil {
		return err
	}
	defer w.unlock()
	d := w.store.dialect
	sc, err := d.schema()
	if err != nil {
		return err
	}
	if w.session != nil {
		w.session = discard(w.session)
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return d.classify(fmt.Errorf("connect to migrate: %w", err))
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if !w.store.createSchema {
		return checkSchema(ctx, conn, d, sc)
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return d.classify(fmt.Errorf("begin to migrate: %w", err))
	}
	release, err := sc.lock(ctx, conn)
	if err != nil {
		return errors.Join(d.classify(fmt.Errorf("wait for the lock of the schema: %w", err)), tx.Rollback())
	}
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	if err := migrate(ctx, tx, d, sc); err != nil {
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

// ping begins to write and asks the keeper.
func (w *writer) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	return w.transact(ctx, nil, w.keeper.probe)
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
	err := w.transact(ctx, events, func(ctx context.Context, s *session) (err error) {
		res, err = w.keeper.store(ctx, s, events)
		return err
	})
	if err != nil {
		return storage.WriteResult{}, fmt.Errorf("store %d events: %w", len(events), err)
	}
	return res, nil
}
