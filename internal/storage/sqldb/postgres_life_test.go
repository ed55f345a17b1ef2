package sqldb

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// with adds a setting to the DSN of a configuration.
func with(cfg Config, setting string) Config {
	dsn := string(cfg.Postgres.DSN)
	if strings.Contains(dsn, "?") {
		dsn += "&" + setting
	} else {
		dsn += "?" + setting
	}
	cfg.Postgres.DSN = configopaque.String(dsn)
	return cfg
}

func count(t *testing.T, cfg Config, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, postgresAdmin(t, cfg).QueryRowContext(context.Background(), query, args...).Scan(&n), query)
	return n
}

func execute(t *testing.T, cfg Config, statements ...string) {
	t.Helper()
	db := postgresAdmin(t, cfg)
	for _, s := range statements {
		_, err := db.ExecContext(context.Background(), s)
		require.NoError(t, err, s)
	}
}

func TestPostgresRefusesLossyCommits(t *testing.T) {
	cfg := postgresConfig(t)(t)
	_, err := Open(context.Background(), with(cfg, "synchronous_commit=off"), Options{})
	require.ErrorIs(t, err, activity.ErrInvalid)
	require.ErrorContains(t, err, "synchronous_commit")
}

func TestPostgresEventsOfOddTimesAreKept(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	longAgo, farAhead, recent := newEvent(1), newEvent(2), newEvent(3)
	longAgo.Datetime = 5
	farAhead.Datetime = math.MaxInt64 - 5
	recent.Datetime = time.Now().AddDate(-3, 0, 0).UnixNano()
	all := []activity.Event{longAgo, farAhead, recent}
	require.Equal(t, 3, write(t, st, all).Written)
	require.Len(t, write(t, st, all).Duplicates, 3)
	require.Equal(t, 2, count(t, cfg, "SELECT count(*) FROM activity_events_default"))
	require.Equal(t, 1, count(t, cfg, "SELECT count(*) FROM "+partitionOf(recent.Datetime)))
	for _, order := range []activity.Order{activity.OldestFirst, activity.NewestFirst} {
		require.Len(t, walk(t, st, activity.Query{Order: order, Limit: 1}), 3)
	}
	k := st.writer.keeper.(*postgresKeeper)
	require.False(t, k.months.strays)
	require.NoError(t, k.months.look(ctx, st.writer.session))
	require.True(t, k.months.strays, "the watch sees what lies in the default partition")
	stray, err := st.StrayEvents(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 2, stray)
	for more := true; more; {
		res, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: base, Limit: 10})
		require.NoError(t, err)
		more = res.More
	}
	require.Equal(t, 1, count(t, cfg, "SELECT count(*) FROM activity_events"))
}

func TestPostgresMonthsAreMadeAhead(t *testing.T) {
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1))
	now := time.Now().UTC()
	for ahead := range monthsAhead + 1 {
		name := partitionOf(time.Date(now.Year(), now.Month()+time.Month(ahead), 1, 0, 0, 0, 0, time.UTC).UnixNano())
		require.Equal(t, 1, count(t, cfg, "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)", name), name)
	}
}

func TestPostgresRetentionDropsMonths(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	const day = 24 * 3600
	var events []activity.Event
	for month := range 3 {
		events = append(events, newEvents(month*31*day, month*31*day+40)...)
	}
	write(t, st, events)
	first, second := partitionOf(base), partitionOf(base+31*day*int64(time.Second))
	before := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	run := func(scope activity.Scope, r storage.Retention) (deleted, held int64, calls int) {
		for more := true; more; calls++ {
			res, err := st.DeleteBefore(ctx, scope, r)
			require.NoError(t, err)
			deleted, held, more, r.After = deleted+res.Deleted, held+res.Held, res.More, res.Next
		}
		return deleted, held, calls
	}
	id := events[3].ID
	deleted, held, _ := run(activity.AllTenants(), storage.Retention{Before: before, Limit: 7, Hold: func(e *activity.Event) bool { return e.ID == id }})
	require.Equal(t, []int64{79, 1}, []int64{deleted, held})
	require.Equal(t, 1, count(t, cfg, "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)", first), "the held event's month stays")
	require.Equal(t, 0, count(t, cfg, "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)", second), "an emptied month goes")
	deleted, _, calls := run(activity.AllTenants(), storage.Retention{Before: math.MaxInt64, Limit: 1})
	require.EqualValues(t, 41, deleted)
	require.Less(t, calls, 30, "whole months go in one call each")
	require.Equal(t, 0, count(t, cfg, "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)", first))
	last := st.writer.keeper.(*postgresKeeper)
	last.months.looked = time.Time{} // it believes in the dropped month for some minutes
	require.Equal(t, 120, write(t, st, events).Written)
	require.Equal(t, 40, count(t, cfg, "SELECT count(*) FROM "+second))
}

func TestPostgresSeveralCollectorsWriteInOneOrder(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	stores := make([]storage.Store, 3)
	for i := range stores {
		st, err := Open(ctx, cfg, Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		stores[i] = st
	}
	migrated := make(chan error, len(stores))
	for _, st := range stores { // they start at the same time
		go func() { migrated <- st.Migrate(ctx) }()
	}
	for range stores {
		require.NoError(t, <-migrated)
	}
	const n, batch = 1200, 20
	all := newEvents(0, n)
	var wg sync.WaitGroup
	var mu sync.Mutex
	written := 0
	for i, st := range stores {
		wg.Go(func() { // every collector sends every event, each in another order
			for at := range n / batch {
				from := (at + i*n/batch/len(stores)) % (n / batch) * batch
				part := slices.Clone(all[from : from+batch])
				if i%2 == 1 {
					slices.Reverse(part)
				}
				res, err := st.Write(ctx, part)
				if err != nil || len(res.Conflicts) > 0 {
					t.Error(err, res.Conflicts) // require must not be called outside the test's goroutine
					return
				}
				mu.Lock()
				written += res.Written
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	seen := map[activity.ID]bool{}
	var at activity.FeedPosition
	for finished := false; ; {
		got, err := stores[0].Feed(ctx, activity.AllTenants(), at, 100)
		require.NoError(t, err)
		for i := range got {
			require.Greater(t, got[i].StoredNS, at.StoredNS)
			require.False(t, seen[got[i].ID])
			seen[got[i].ID] = true
			at = activity.FeedPosition{StoredNS: got[i].StoredNS, ID: got[i].ID}
		}
		if len(got) == 0 {
			if finished {
				break
			}
			select {
			case <-done:
				finished = true
			default:
			}
		}
	}
	require.Len(t, seen, n, "the feed has no gap")
	require.Equal(t, n, written, "each event was written by one of them")
}

func TestPostgresRefusesThePoisonedEventOnly(t *testing.T) {
	st := openTest(t, postgresConfig(t)(t), Options{})
	events := newEvents(0, 1000)
	events[431].Message = "a\x00b" // no Normalise has seen it
	events[432].UserID = "\xff"
	events[77].ObjectID = strings.Repeat("long, and not to be compressed: "+fmt.Sprint(time.Now()), 1)
	for i := range 3000 {
		events[77].ObjectID += fmt.Sprintf("%x", i*i*7919)
	}
	res := write(t, st, events)
	require.Equal(t, 997, res.Written)
	var refused []int
	for _, r := range res.Refused {
		refused = append(refused, r.Index)
		require.ErrorIs(t, r.Err, storage.ErrContent)
	}
	require.Equal(t, []int{77, 431, 432}, refused)
}

func TestPostgresACommitOutlivesItsCaller(t *testing.T) {
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1))
	tx, err := postgresAdmin(t, cfg).BeginTx(context.Background(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("UPDATE store_state SET last_stored_ns = last_stored_ns")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = st.Write(ctx, newEvents(1, 2))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, tx.Rollback())
	require.Eventually(t, func() bool {
		_, err := st.Get(context.Background(), activity.AllTenants(), newEvent(1).ID)
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
}

func TestPostgresLostConnectionsAreReplaced(t *testing.T) {
	ctx := context.Background()
	cfg := with(postgresConfig(t)(t), "application_name=lost")
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 10))
	res, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: 1, Limit: 1})
	require.NoError(t, err)
	require.Zero(t, res.Deleted)
	require.NoError(t, st.Ping(ctx))
	for round := range 3 {
		require.Positive(t, count(t, cfg, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'lost' AND pid <> pg_backend_pid()"))
		require.Equal(t, 1, write(t, st, newEvents(10+round, 11+round)).Written)
		_, err := st.Get(ctx, activity.AllTenants(), newEvent(10+round).ID)
		require.NoError(t, err)
		_, err = st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: 1, Limit: 1})
		require.NoError(t, err)
	}
}

func TestPostgresParsedCopies(t *testing.T) {
	cfg := postgresConfig(t)(t)
	plain := openTest(t, cfg, Options{})
	write(t, plain, newEvents(0, 3))
	cfg.Postgres.JSONB = true
	st := openTest(t, cfg, Options{})
	events := newEvents(3, 7)
	events[0].ExtraData = `{"n": 5, "tags": ["a"]}`
	events[1].ExtraData = `{"text": "a\u0000b"}`
	events[2].ExtraData = `{"huge": 1e400000}`
	events[3].ChangedFields = `{"name": ["a", "b"]}`
	require.Equal(t, 4, write(t, st, events).Written)
	got, err := st.Get(context.Background(), activity.AllTenants(), events[1].ID)
	require.NoError(t, err)
	require.Equal(t, events[1].ExtraData, got.ExtraData)
	require.Equal(t, 1, count(t, cfg, "SELECT count(*) FROM activity_events WHERE extra_data_parsed @> '{\"tags\": [\"a\"]}'"))
	require.Equal(t, 1, count(t, cfg, "SELECT count(extra_data_parsed) FROM activity_events"), "null where PostgreSQL refuses the value")
	require.Equal(t, 1, count(t, cfg, "SELECT count(*) FROM activity_events WHERE changed_fields_parsed -> 'name' ->> 1 = 'b'"))
	require.Len(t, write(t, st, events).Duplicates, 4)
}

func TestPostgresSchemaIsTheOperatorsWhenHeSaysSo(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	cfg.Postgres.JSONB = true
	cfg.Postgres.CreateSchema = false
	st, err := Open(ctx, cfg, Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	err = st.Migrate(ctx)
	require.ErrorIs(t, err, storage.ErrSchemaTooOld)
	require.NotErrorIs(t, err, activity.ErrInvalid)
	require.ErrorContains(t, err, "auditctl migrate --print")
	_, err = st.Write(ctx, newEvents(0, 1))
	require.ErrorIs(t, err, storage.ErrRetryable)
	var script bytes.Buffer
	require.NoError(t, Print(cfg, &script))
	execute(t, cfg, script.String())
	require.NoError(t, st.Migrate(ctx))
	require.Equal(t, 20, write(t, st, newEvents(0, 20)).Written)
	cfg.Postgres.CreateSchema = true
	openTest(t, cfg, Options{}) // what was printed is what is made
}

func TestPostgresOlderBinaryWorksOnAdditiveSchemaOnly(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 20))
	first, err := st.dialect.schema()
	require.NoError(t, err)
	files := fstest.MapFS{
		"m/0001_events.sql": {Data: must(postgresSchema.ReadFile("schema/postgres/0001_events.sql"))},
		"m/0002_mood.sql":   {Data: []byte("-- version 2, works with 1: a mood\n\nALTER TABLE activity_events ADD COLUMN mood TEXT;\n")},
	}
	run := func(sc schema) error {
		tx, err := st.writer.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		if err := migrate(ctx, tx, st.dialect, &sc); err != nil {
			require.NoError(t, tx.Rollback())
			return err
		}
		return tx.Commit()
	}
	st.writer.session = discard(st.writer.session)
	newer := *first
	newer.files, newer.dir = files, "m"
	require.NoError(t, run(newer))
	require.NoError(t, run(*first), "the older binary accepts the additive schema")
	require.Equal(t, 20, write(t, st, newEvents(20, 40)).Written)
	require.Equal(t, 0, count(t, cfg, "SELECT count(mood) FROM activity_events"))
	files["m/0003_break.sql"] = &fstest.MapFile{Data: []byte("-- version 3, works with 3: no mood\n\nALTER TABLE activity_events DROP COLUMN mood;\n")}
	st.writer.session = discard(st.writer.session)
	require.NoError(t, run(newer))
	require.ErrorIs(t, run(*first), storage.ErrSchemaTooNew)
	_, err = Open(ctx, cfg, Options{ReadOnly: true})
	require.ErrorIs(t, err, storage.ErrSchemaTooNew)
}

func TestPostgresRolesOfLeastPrivilege(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	database := cfg.Postgres.Schema + "_database"
	execute(t, cfg, "CREATE DATABASE "+database, "REVOKE TEMPORARY ON DATABASE "+database+" FROM PUBLIC")
	server := cfg
	t.Cleanup(func() { execute(t, server, "DROP DATABASE "+database+" WITH (FORCE)") })
	cfg = with(cfg, "dbname="+database)
	owner := openTest(t, cfg, Options{})
	write(t, owner, newEvents(0, 10))
	script, err := os.ReadFile("schema/postgres/roles/roles.sql")
	require.NoError(t, err)
	writer, reader := cfg.Postgres.Schema+"_writer", cfg.Postgres.Schema+"_reader"
	execute(t, cfg, strings.NewReplacer("activitylog_writer", writer, "activitylog_reader", reader, "SCHEMA activitylog", "SCHEMA "+cfg.Postgres.Schema, "NOLOGIN", "LOGIN").
		Replace(string(script)))
	t.Cleanup(func() { // runs before the schema is dropped
		for _, role := range []string{writer, reader} {
			execute(t, cfg, "DROP OWNED BY "+role, "DROP ROLE "+role)
		}
	})
	as := func(role string) Config {
		c := with(cfg, "user="+role)
		c.Postgres.CreateSchema = false
		return c
	}
	st := openTest(t, as(writer), Options{})
	other := newEvent(11)
	other.Datetime = time.Now().AddDate(-2, 0, 0).UnixNano() // a month without a partition
	res := write(t, st, append(newEvents(5, 15), other))
	require.Equal(t, 6, res.Written)
	require.Len(t, res.Duplicates, 5)
	require.Equal(t, 1, count(t, cfg, "SELECT count(*) FROM "+partitionOf(other.Datetime)))
	require.NoError(t, st.Ping(ctx))
	_, err = st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: math.MaxInt64, Limit: 10})
	require.ErrorContains(t, err, "permission denied")
	_, err = st.DeleteBefore(ctx, activity.Tenants(""), storage.Retention{Before: math.MaxInt64, Limit: 10})
	require.ErrorContains(t, err, "permission denied")
	_, err = st.Erase(ctx, activity.AllTenants(), storage.Erasure{UserID: "user-1", Group: activity.GroupPersonal, Limit: 10})
	require.ErrorContains(t, err, "permission denied")
	for _, statement := range []string{"DELETE FROM activity_events", "UPDATE activity_events SET message = ''", "TRUNCATE activity_events", "DROP TABLE activity_events"} {
		_, err := postgresAdmin(t, as(writer)).ExecContext(ctx, statement)
		require.Error(t, err, statement)
	}

	beside := openTest(t, as(reader), Options{ReadOnly: true})
	n, err := beside.Count(ctx, activity.AllTenants(), activity.Query{}, 100)
	require.NoError(t, err)
	require.EqualValues(t, 16, n.N)
	_, err = beside.Write(ctx, newEvents(0, 1))
	require.ErrorIs(t, err, storage.ErrReadOnly)
	_, err = postgresAdmin(t, as(reader)).ExecContext(ctx, "INSERT INTO activity_events (id) VALUES (gen_random_uuid())")
	require.ErrorContains(t, err, "permission denied")
}
