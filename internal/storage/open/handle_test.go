package open

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(dir string) Config {
	cfg := NewDefaultConfig()
	cfg.SQLite.Directory = dir
	return cfg
}

func oneEvent() []activity.Event {
	return []activity.Event{{ID: activity.ID{1}, Kind: activity.KindSystem, Datetime: 1, ReceivedAt: 2}}
}

func TestHandleOpensWhenTheStoreCanBeOpened(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(dir, nil, 0o600)) // a file where the folder should be
	h, err := NewHandle(ctx, config(dir), Options{})
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
	cfg := config(t.TempDir())
	first, err := NewHandle(ctx, cfg, Options{})
	require.NoError(t, err)
	_, err = NewHandle(ctx, cfg, Options{})
	require.ErrorIs(t, err, storage.ErrLocked)
	require.ErrorContains(t, err, "activity.lock")
	require.NoError(t, first.Close())
	again, err := NewHandle(ctx, cfg, Options{})
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

func TestHandleClosesWhileItIsTrying(t *testing.T) {
	h, err := newHandle(context.Background(), nil, func(context.Context) (storage.Store, error) { return nil, errors.New("down") })
	require.NoError(t, err)
	require.NoError(t, h.Close())
	require.ErrorIs(t, h.Ping(context.Background()), storage.ErrClosed)
}
