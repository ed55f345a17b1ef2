package sqldb

import (
	"context"
	"database/sql/driver"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func TestAPanicInATransactionEndsIt(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t.TempDir())
	cfg.SQLite.Readers = 1
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1500))
	segments, last := len(kept(st).catalogue), kept(st).lastStored
	query := func(c *session, visit func([]driver.Value) error) error {
		return c.query(ctx, (&builder{dialect: st.dialect}).add("SELECT count(*) FROM segments"), visit)
	}
	inRow := func([]driver.Value) error { panic("in a row") }
	inWrite := func(fn func(c *session)) func() {
		return func() { _ = st.write(ctx, func(_ context.Context, c *session) error { fn(c); return nil }) }
	}
	for name, f := range map[string]func(){
		"in the hold of a retention": func() {
			hold := func(*activity.Event) bool { panic("hold") }
			_, _ = st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: base * 2, Limit: 10, Hold: hold})
		},
		"after a segment was made": inWrite(func(c *session) {
			kept(st).lastStored++
			_, err := kept(st).home(ctx, c, 5)
			require.NoError(t, err)
			panic("made")
		}),
		"while a row is read to write": inWrite(func(c *session) { _ = query(c, inRow) }),
		"in a read":                    func() { _ = st.read(ctx, func(*session) error { panic("read") }) },
		"while a row is read":          func() { _ = st.read(ctx, func(c *session) error { return query(c, inRow) }) },
	} {
		require.Panics(t, f, name)
		require.Len(t, kept(st).catalogue, segments, name)
		require.Equal(t, last, kept(st).lastStored, name)
		require.Len(t, write(t, st, newEvents(0, 1)).Duplicates, 1, name)
		_, err := st.Get(ctx, activity.AllTenants(), newEvent(0).ID)
		require.NoError(t, err, name)
	}
}

func TestADiscardedSessionTakesItsTransactionWithIt(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t.TempDir()), Options{})
	write(t, st, newEvents(0, 1))
	require.NoError(t, st.writer.session.exec(ctx, "BEGIN IMMEDIATE"))
	st.writer.session = discard(st.writer.session)
	require.Equal(t, 1, write(t, st, newEvents(1, 2)).Written)
}

func TestAPingDoesNotWaitForAStuckTransaction(t *testing.T) {
	st := openTest(t, testConfig(t.TempDir()), Options{})
	require.NoError(t, st.Ping(context.Background()))
	stuck, free := make(chan struct{}), make(chan struct{})
	var owned sync.WaitGroup
	owned.Go(func() {
		_ = st.write(context.Background(), func(context.Context, *session) error { close(stuck); <-free; return nil })
	})
	<-stuck
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	answers := make(chan error, 1)
	owned.Go(func() { answers <- st.Ping(ctx) })
	select {
	case err := <-answers:
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, storage.ErrRetryable)
	case <-time.After(pingTime / 2):
		t.Error("the ping waits behind the transaction")
	}
	close(free)
	owned.Wait()
	require.NoError(t, st.Ping(context.Background()))
}
