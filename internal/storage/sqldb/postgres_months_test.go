package sqldb

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func TestPostgresAMonthThatCannotBeMadeIsNotLost(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	cfg.Postgres.JSONB = true // columns that cannot be copied
	now := time.Now()
	st := openTest(t, cfg, Options{Now: func() time.Time { return now }})
	write(t, st, newEvents(0, 1))
	odd, e := newEvent(2), newEvent(1)
	odd.Datetime = 5
	e.Datetime = now.AddDate(-5, 0, 0).UnixNano()
	e.ExtraData = `{"n": 5}`
	tx, err := postgresAdmin(t, cfg).BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.Exec("LOCK TABLE activity_events IN SHARE UPDATE EXCLUSIVE MODE") // as a dump or an index being made would
	require.NoError(t, err)
	require.Equal(t, 2, write(t, st, []activity.Event{e, odd}).Written)
	require.NoError(t, tx.Rollback())
	now = now.Add(tryEvery + time.Second)
	e.ID[1]++
	require.Equal(t, 1, write(t, st, []activity.Event{e}).Written, "also while those before are in the way")
	require.Equal(t, 3, count(t, cfg, "SELECT count(*) FROM activity_events_default"))

	reader := postgresAdmin(t, cfg)
	require.NoError(t, st.Migrate(ctx))
	var moved, left, checks int
	row := reader.QueryRowContext(ctx, "SELECT (SELECT count(extra_data_parsed) FROM "+partitionOf(e.Datetime)+"), (SELECT count(*) FROM activity_events_default),"+
		" (SELECT count(*) FROM pg_constraint WHERE conname = 'of_month')")
	require.NoError(t, row.Scan(&moved, &left, &checks))
	require.Equal(t, []int{2, 1, 0}, []int{moved, left, checks}, "the month has its partition, the event of an odd time stays")
	require.Len(t, write(t, st, []activity.Event{e, odd}).Duplicates, 2)
	indexes := "SELECT count(*) FROM pg_index WHERE indrelid = to_regclass($1)"
	require.Equal(t, count(t, cfg, indexes, postgresTable), count(t, cfg, indexes, partitionOf(e.Datetime)), "no index was made twice")
}

func TestPostgresADetachedMonthIsNotThere(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 3))
	k := st.writer.keeper.(*postgresKeeper)
	execute(t, cfg, "ALTER TABLE activity_events DETACH PARTITION "+partitionOf(base))
	k.months.looked = time.Time{}
	require.Equal(t, 1, write(t, st, newEvents(3, 4)).Written)
	month, _ := monthOf(base)
	require.False(t, k.months.there[month])
	require.NoError(t, st.Migrate(ctx), "the archive has the name of the partition")
	require.Equal(t, 1, count(t, cfg, "SELECT count(*) FROM activity_events_default"))
	require.Equal(t, 3, count(t, cfg, "SELECT count(*) FROM "+partitionOf(base)))
	execute(t, cfg, "ALTER TABLE "+partitionOf(base)+" RENAME TO archive")
	require.NoError(t, st.Migrate(ctx))
	require.Equal(t, 1, count(t, cfg, "SELECT count(*) FROM "+partitionOf(base)))
}

func TestPostgresABatchDoesNotWaitForAPartition(t *testing.T) {
	cfg := postgresConfig(t)(t)
	cfg.Postgres.WriteTimeout = 8 * time.Second
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1))
	execute(t, cfg, "CREATE OR REPLACE FUNCTION activity_make_partition(at_ns BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$"+
		" BEGIN PERFORM pg_sleep(60); RETURN true; END $$") // as the reading of a large default partition
	events := newEvents(1, 3)
	events[0].Datetime = time.Now().AddDate(-4, 0, 0).UnixNano()
	events[1].Datetime = time.Now().AddDate(-5, 0, 0).UnixNano()
	start := time.Now()
	require.Equal(t, 2, write(t, st, events).Written)
	require.Less(t, time.Since(start), cfg.Postgres.WriteTimeout)
	require.Equal(t, 2, count(t, cfg, "SELECT count(*) FROM activity_events_default"))
	start = time.Now()
	events[0].ID[1]++
	require.Equal(t, 1, write(t, st, events[:1]).Written)
	require.Less(t, time.Since(start), cfg.Postgres.WriteTimeout/makeShare)
}
