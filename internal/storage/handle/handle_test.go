package handle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sqlite(dir string) Open {
	cfg := sqldb.NewDefaultConfig()
	cfg.SQLite.Directory = dir
	return func(ctx context.Context, opts storage.Options) (storage.Store, error) {
		return sqldb.Open(ctx, cfg, opts)
	}
}

func oneEvent() []activity.Event {
	return []activity.Event{{ID: activity.ID{1}, Kind: activity.KindSystem, Datetime: 1, ReceivedAt: 2}}
}

func TestHandleOpensWhenTheStoreCanBeOpened(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(dir, nil, 0o600)) // a file where the folder should be
	h, err := New(ctx, sqlite(dir), storage.Options{})
	require.NoError(t, err)
	_, err = h.Write(ctx, oneEvent())
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.ErrorIs(t, h.Ping(ctx), storage.ErrRetryable)
	for _, err := range h.Scan(ctx, activity.AllTenants(), activity.Query{}) {
		require.ErrorIs(t, err, storage.ErrRetryable)
	}
	require.NoError(t, os.Remove(dir))
	require.Eventually(t, func() bool { return h.Ping(ctx) == nil }, 10*time.Second, 10*time.Millisecond)
	res, err := h.Write(ctx, oneEvent())
	require.NoError(t, err)
	require.Equal(t, 1, res.Written)
	require.NoError(t, h.Close())
	require.NoError(t, h.Close())
	_, err = h.Write(ctx, oneEvent())
	require.ErrorIs(t, err, storage.ErrClosed)
}

func TestHandleRefusesWhatWaitingCannotMend(t *testing.T) {
	ctx := context.Background()
	open := sqlite(t.TempDir())
	first, err := New(ctx, open, storage.Options{})
	require.NoError(t, err)
	_, err = New(ctx, open, storage.Options{})
	require.ErrorIs(t, err, storage.ErrLocked)
	require.ErrorContains(t, err, "activity.lock")
	require.NoError(t, first.Close())
	again, err := New(ctx, open, storage.Options{})
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

func TestHandleClosesWhileItIsTrying(t *testing.T) {
	h, err := New(context.Background(), func(context.Context, storage.Options) (storage.Store, error) {
		return nil, errors.New("down")
	}, storage.Options{})
	require.NoError(t, err)
	require.NoError(t, h.Close())
	require.ErrorIs(t, h.Ping(context.Background()), storage.ErrClosed)
}

// TestWhatEndsTheStart: every cause that waiting cannot mend is returned at once.
func TestWhatEndsTheStart(t *testing.T) {
	for _, cause := range []error{storage.ErrLocked, storage.ErrSchemaTooNew, storage.ErrSchemaTooOld, activity.ErrInvalid} {
		_, err := New(context.Background(), func(context.Context, storage.Options) (storage.Store, error) {
			return nil, fmt.Errorf("open: %w", cause)
		}, storage.Options{})
		require.ErrorIs(t, err, cause)
	}
}

// TestWhatIsFoundLaterIsTriedAgain: a schema that is too old when the database
// comes back is no end: somebody migrates it, and the collector goes on.
func TestWhatIsFoundLaterIsTriedAgain(t *testing.T) {
	var attempts, migrated atomic.Int64
	h, err := New(t.Context(), func(context.Context, storage.Options) (storage.Store, error) {
		switch {
		case attempts.Add(1) == 1:
			return nil, errors.New("down")
		case migrated.Load() == 0:
			return nil, fmt.Errorf("open: %w", storage.ErrSchemaTooOld)
		}
		return storagetest.NewMemory(), nil
	}, storage.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close()) }()
	require.Eventually(t, func() bool { return errors.Is(h.Ping(t.Context()), storage.ErrSchemaTooOld) }, 10*time.Second, time.Millisecond)
	require.ErrorIs(t, h.Ping(t.Context()), storage.ErrRetryable, "callers keep what they have")
	migrated.Store(1)
	require.Eventually(t, func() bool { return h.Ping(t.Context()) == nil }, 10*time.Second, 10*time.Millisecond)
}
