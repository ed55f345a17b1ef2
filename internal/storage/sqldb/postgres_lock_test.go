package sqldb

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// exclusive counts who has or waits for the lock of the whole table.
const exclusive = "SELECT count(*) FROM pg_locks WHERE relation = 'activity_events'::regclass AND mode = 'AccessExclusiveLock'"

// march is the end of the month that newEvents begin in.
func march() int64 { _, hi := monthOf(base); return hi }

func TestPostgresADropWaitsForReadersWithoutADeadlock(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 10))
	dropped := make(chan error, 1)
	require.NoError(t, st.read(ctx, func(c *session) error {
		_, err := st.dialect.catalogue(ctx, c)
		require.NoError(t, err)
		go func() {
			_, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: march(), Limit: 1})
			dropped <- err
		}()
		require.Eventually(t, func() bool { return count(t, cfg, exclusive) == 1 }, 5*time.Second, 10*time.Millisecond)
		b := &builder{dialect: st.dialect}
		n, err := c.number(ctx, b.add("SELECT count(*) FROM ", postgresTable))
		require.NoError(t, err)
		require.EqualValues(t, 10, n)
		return err
	}))
	require.NoError(t, <-dropped)
	require.Equal(t, 0, count(t, cfg, "SELECT count(*) FROM activity_events"))
}

func TestPostgresTwoDropsOfOneMonthFollowEachOther(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	stores := []*store{openTest(t, cfg, Options{}), openTest(t, cfg, Options{})}
	write(t, stores[0], newEvents(0, 10))
	tx, err := postgresAdmin(t, cfg).BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.Exec("LOCK TABLE ONLY activity_events IN ACCESS SHARE MODE") // until both have counted
	require.NoError(t, err)
	type outcome struct {
		res storage.RetentionResult
		err error
	}
	outcomes := make(chan outcome, len(stores))
	for _, st := range stores {
		go func() {
			res, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: march(), Limit: 1})
			outcomes <- outcome{res, err}
		}()
	}
	require.Eventually(t, func() bool { return count(t, cfg, exclusive) == len(stores) }, 5*time.Second, 10*time.Millisecond)
	require.NoError(t, tx.Rollback())
	var deleted int64
	for range stores {
		o := <-outcomes
		require.NoError(t, o.err)
		deleted += o.res.Deleted
	}
	require.EqualValues(t, 10, deleted)
}

func TestPostgresAMonthGoesWithoutItsNumber(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 10))
	execute(t, cfg, "INSERT INTO activity_events (stored_ns, datetime_ns, id, kind) SELECT i, 1773144000000000000 + i, gen_random_uuid(), 'crud' FROM generate_series(1, 100000) AS i",
		"ANALYZE activity_events")
	st.dropper.(*postgresDropper).countTime = time.Millisecond
	res, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: march(), Limit: 1})
	require.NoError(t, err)
	require.True(t, res.More)
	require.InDelta(t, 100_010, res.Deleted, 20_000, "an estimate")
	require.Equal(t, 0, count(t, cfg, "SELECT count(*) FROM activity_events"))
}

func TestPostgresRetentionDoesNotFailForAnEmptyMonthThatStays(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 10))
	tx, err := postgresAdmin(t, cfg).BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.Exec("SELECT FROM activity_events LIMIT 1") // as a dump would, for hours
	require.NoError(t, err)
	r := storage.Retention{Before: march(), Limit: 20}
	res, err := st.DeleteBefore(ctx, activity.Tenants(""), r)
	require.NoError(t, err)
	require.EqualValues(t, 10, res.Deleted)
	start := time.Now()
	_, err = st.DeleteBefore(ctx, activity.Tenants(""), r)
	require.NoError(t, err)
	require.Less(t, time.Since(start), lockTimeout, "others do not wait behind it again and again")
	require.NoError(t, tx.Rollback())
	st.dropper.(*postgresDropper).busy = time.Time{}
	_, err = st.DeleteBefore(ctx, activity.Tenants(""), r)
	require.NoError(t, err)
	require.Equal(t, 0, count(t, cfg, "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)", partitionOf(base)))
}

func TestPostgresAReadEndsWhenTheServerSaysNothing(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1))
	st.readers.timeout = 200 * time.Millisecond
	tx, err := postgresAdmin(t, cfg).BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.Exec("LOCK TABLE activity_events IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	start := time.Now()
	_, err = st.Get(ctx, activity.AllTenants(), newEvent(0).ID)
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.Less(t, time.Since(start), cfg.Postgres.StatementTimeout/2)
	require.NoError(t, tx.Rollback())
	st.readers.timeout = 0
	_, err = st.Get(ctx, activity.AllTenants(), newEvent(0).ID)
	require.NoError(t, err)
}

func TestPostgresFailedBatchesDoNotFillTheStagingTable(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1))
	execute(t, cfg, "ALTER TABLE store_state RENAME TO elsewhere")
	var sizes []int64
	for range 4 {
		_, err := st.Write(ctx, newEvents(0, 500))
		require.ErrorIs(t, err, storage.ErrRetryable)
		c, size := st.writer.session, int64(0)
		require.NoError(t, c.exec(ctx, "BEGIN")) // the commit of a statement that names the table would empty it
		require.NoError(t, c.conn.QueryRowContext(ctx, "SELECT pg_relation_size('"+stagingTable+"')").Scan(&size))
		require.NoError(t, c.exec(ctx, "ROLLBACK"))
		sizes = append(sizes, size)
	}
	require.Positive(t, sizes[0])
	require.Equal(t, sizes[0], sizes[3])
	execute(t, cfg, "ALTER TABLE elsewhere RENAME TO store_state")
	require.Equal(t, 499, write(t, st, newEvents(0, 500)).Written)
}

func TestPostgresASessionThatOnlyReadsIsReplaced(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, postgresConfig(t)(t), Options{})
	write(t, st, newEvents(0, 1))
	require.NoError(t, st.writer.session.exec(ctx, "SET default_transaction_read_only = on"))
	_, err := st.Write(ctx, newEvents(1, 2))
	require.ErrorIs(t, err, storage.ErrReadOnly)
	require.Equal(t, 1, write(t, st, newEvents(1, 2)).Written)
}
