// Package handle gives a store before its database is there. A database that is
// away at the start, or a disk that is full, is tried again with growing pauses
// (200 ms to 15 s) while callers get storage.ErrRetryable, so that their clients
// keep what they have. What only a person can mend (storage.ErrLocked,
// storage.ErrSchemaTooNew, storage.ErrSchemaTooOld, activity.ErrInvalid) is
// returned at once, and ends the start of the collector. Found later, when the
// database comes back, it cannot end anything any more: it is logged as an
// error and tried again like the rest, so that "auditctl migrate" is enough.
package handle

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v7"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Pauses between attempts to open a store.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 15 * time.Second
)

// Handle is a store that may not be there yet. It opens and migrates the store
// in the background until that succeeds; until then every call is refused with
// storage.ErrRetryable.
type Handle struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the opening goroutine has returned

	mu     sync.RWMutex
	store  storage.Store // nil until it is open
	cause  error         // why it is not open
	closed bool
}

var _ storage.Store = (*Handle)(nil)

// Open opens the store of a driver. A writing store is migrated afterwards.
type Open func(context.Context, storage.Options) (storage.Store, error)

// New tries once, and goes on in the background when the store is not there.
// What only a person can mend is returned: storage.ErrLocked,
// storage.ErrSchemaTooNew, storage.ErrSchemaTooOld and activity.ErrInvalid. The context bounds the first
// attempt only.
func New(ctx context.Context, open Open, opts storage.Options) (*Handle, error) {
	logger := opts.Logger
	if logger == nil {
		logger = zap.NewNop()
	}
	h := &Handle{done: make(chan struct{}), cancel: func() {}}
	try := func(ctx context.Context) (storage.Store, error) { return openMigrated(ctx, open, opts) }
	st, err := try(ctx)
	if err == nil {
		h.store = st
		close(h.done)
		return h, nil
	}
	if final(err) {
		return nil, err
	}
	h.cause = err
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.cancel = cancel
	go h.keepTrying(background, logger, try)
	return h, nil
}

func openMigrated(ctx context.Context, open Open, opts storage.Options) (storage.Store, error) {
	st, err := open(ctx, opts)
	if err != nil || opts.ReadOnly {
		return st, err
	}
	if err := st.Migrate(ctx); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// final reports whether somebody has to do something first.
func final(err error) bool {
	return errors.Is(err, storage.ErrLocked) || errors.Is(err, storage.ErrSchemaTooNew) ||
		errors.Is(err, storage.ErrSchemaTooOld) || errors.Is(err, activity.ErrInvalid)
}

func (h *Handle) keepTrying(ctx context.Context, logger *zap.Logger, try func(context.Context) (storage.Store, error)) {
	defer close(h.done)
	logger.Warn("The store cannot be opened; trying again until it can", zap.Error(h.cause))
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = firstPause, lastPause
	for {
		timer := time.NewTimer(pauses.NextBackOff())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		st, err := try(ctx)
		if err == nil {
			h.opened(st)
			logger.Info("The store is open")
			return
		}
		h.mu.Lock()
		changed := h.cause.Error() != err.Error()
		h.cause = err
		h.mu.Unlock()
		switch {
		case !changed:
		case final(err):
			logger.Error("The store cannot be used until somebody has put this right", zap.Error(err))
		default:
			logger.Warn("The store cannot be opened", zap.Error(err))
		}
	}
}

func (h *Handle) opened(st storage.Store) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store, h.cause = st, nil
}

// get gives the store, or why there is none.
func (h *Handle) get() (storage.Store, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	switch {
	case h.closed:
		return nil, storage.ErrClosed
	case h.store == nil:
		return nil, fmt.Errorf("the store is not open yet: %w: %w", storage.ErrRetryable, h.cause)
	}
	return h.store, nil
}

// Close implements storage.Admin.
func (h *Handle) Close() error {
	h.cancel()
	<-h.done
	h.mu.Lock()
	st := h.store
	h.closed = true
	h.mu.Unlock()
	if st == nil {
		return nil
	}
	return st.Close()
}

// Migrate implements storage.Admin; the store was migrated when it was opened.
func (h *Handle) Migrate(ctx context.Context) error {
	st, err := h.get()
	if err != nil {
		return err
	}
	return st.Migrate(ctx)
}

// Ping implements storage.Admin.
func (h *Handle) Ping(ctx context.Context) error {
	st, err := h.get()
	if err != nil {
		return err
	}
	return st.Ping(ctx)
}

// Capabilities implements storage.Admin; those of a store that is not open are
// the least.
func (h *Handle) Capabilities() storage.Capabilities {
	st, err := h.get()
	if err != nil {
		return storage.Capabilities{}
	}
	return st.Capabilities()
}

// Write implements storage.Writer.
func (h *Handle) Write(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	st, err := h.get()
	if err != nil {
		return storage.WriteResult{}, err
	}
	return st.Write(ctx, events)
}

// Get implements storage.Reader.
func (h *Handle) Get(ctx context.Context, scope activity.Scope, id activity.ID) (activity.Event, error) {
	st, err := h.get()
	if err != nil {
		return activity.Event{}, err
	}
	return st.Get(ctx, scope, id)
}

// Page implements storage.Reader.
func (h *Handle) Page(ctx context.Context, scope activity.Scope, q activity.Query) (activity.Page, error) {
	st, err := h.get()
	if err != nil {
		return activity.Page{}, err
	}
	return st.Page(ctx, scope, q)
}

// Count implements storage.Reader.
func (h *Handle) Count(ctx context.Context, scope activity.Scope, q activity.Query, limit int64) (activity.Count, error) {
	st, err := h.get()
	if err != nil {
		return activity.Count{}, err
	}
	return st.Count(ctx, scope, q, limit)
}

// Scan implements storage.Reader.
func (h *Handle) Scan(ctx context.Context, scope activity.Scope, q activity.Query) iter.Seq2[storage.Record, error] {
	st, err := h.get()
	if err != nil {
		return func(yield func(storage.Record, error) bool) { yield(storage.Record{}, err) }
	}
	return st.Scan(ctx, scope, q)
}

// Feed implements storage.Reader.
func (h *Handle) Feed(ctx context.Context, scope activity.Scope, after activity.FeedPosition, limit int) ([]activity.Event, error) {
	st, err := h.get()
	if err != nil {
		return nil, err
	}
	return st.Feed(ctx, scope, after, limit)
}

// Aggregate implements storage.Reader.
func (h *Handle) Aggregate(ctx context.Context, scope activity.Scope, q activity.Query, by activity.GroupBy) ([]activity.GroupCount, error) {
	st, err := h.get()
	if err != nil {
		return nil, err
	}
	return st.Aggregate(ctx, scope, q, by)
}

// DeleteBefore implements storage.Retainer.
func (h *Handle) DeleteBefore(ctx context.Context, scope activity.Scope, r storage.Retention) (storage.RetentionResult, error) {
	st, err := h.get()
	if err != nil {
		return storage.RetentionResult{}, err
	}
	return st.DeleteBefore(ctx, scope, r)
}

// Erase implements storage.Eraser.
func (h *Handle) Erase(ctx context.Context, scope activity.Scope, e storage.Erasure) (storage.ErasureResult, error) {
	st, err := h.get()
	if err != nil {
		return storage.ErasureResult{}, err
	}
	return st.Erase(ctx, scope, e)
}
