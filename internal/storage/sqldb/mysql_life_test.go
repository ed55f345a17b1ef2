package sqldb

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func rangeNames(c catalogue) []string {
	out := make([]string, len(c))
	for i := range c {
		out[i] = c[i].name
	}
	return out
}

func TestMySQLPartitionsFollowTheMonths(t *testing.T) {
	cfg := mysqlConfig(t)(t)
	now := time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC)
	st := openTest(t, cfg, Options{Now: func() time.Time { return now }})
	d := st.dialect.(*mysqlDialect)
	require.NoError(t, d.cut(context.Background(), mysqlAdmin(t, cfg), nil, false))
	made := mysqlRanges(t, cfg)
	require.Equal(t, "pmax", made[len(made)-1].name)
	ahead := time.Now().UTC()
	for n := range makeAhead + 1 {
		at, ok := made.find(monthAfter(ahead.UnixNano(), n))
		require.True(t, ok)
		require.True(t, isMonth(&made[at]), "month %d from now", n)
	}

	// Late events get their months as long as the first partition is empty.
	late := newEvents(0, 3)
	late[0].Datetime = time.Date(2021, 5, 3, 0, 0, 0, 0, time.UTC).UnixNano()
	late[1].Datetime = time.Date(2021, 7, 3, 0, 0, 0, 0, time.UTC).UnixNano()
	require.Equal(t, 3, write(t, st, late).Written)
	names := rangeNames(mysqlRanges(t, cfg))
	require.Subset(t, names, []string{"p202104", "p202105", "p202106", "p202107", "p202602", "p202603"})
	late[2].ID[3]++
	late[2].Datetime = 5 // 1970: before the first month
	require.Equal(t, 1, write(t, st, late[2:]).Written)
	require.Contains(t, rangeNames(mysqlRanges(t, cfg)), "p197001")
	far := newEvent(9)
	far.Datetime = math.MaxInt64 - 5
	require.Equal(t, 1, write(t, st, []activity.Event{far}).Written)
	for _, order := range []activity.Order{activity.OldestFirst, activity.NewestFirst} {
		require.Len(t, walk(t, st, activity.Query{Order: order, Limit: 1}), 5)
	}
	for _, e := range append(late, far) {
		_, err := st.Get(context.Background(), activity.AllTenants(), e.ID)
		require.NoError(t, err)
	}
}

func TestMySQLMonthsAreMadeAheadWhileItRuns(t *testing.T) {
	cfg := mysqlConfig(t)(t)
	var mu sync.Mutex
	now := time.Now()
	st := openTest(t, cfg, Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	write(t, st, newEvents(0, 1))
	before := mysqlRanges(t, cfg)
	mu.Lock()
	now = now.AddDate(0, 6, 0)
	mu.Unlock()
	write(t, st, newEvents(1, 2))
	after := mysqlRanges(t, cfg)
	require.Greater(t, len(after), len(before))
	require.Greater(t, after[len(after)-1].lo, monthAfter(now.UnixNano(), minAhead), "the last partition waits beyond the next month")
}

func TestMySQLAMonthThatCannotBeMadeIsNotLost(t *testing.T) {
	cfg := mysqlConfig(t)(t)
	now := time.Now()
	st := openTest(t, cfg, Options{Now: func() time.Time { return now }})
	write(t, st, newEvents(0, 1))
	e := newEvent(1)
	e.Datetime = now.AddDate(-5, 0, 0).UnixNano()
	tx, err := mysqlAdmin(t, cfg).BeginTx(context.Background(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("SELECT COUNT(*) FROM activity_events") // as a dump would: the table cannot be changed until it ends
	require.NoError(t, err)
	require.Equal(t, 1, write(t, st, []activity.Event{e}).Written)
	require.NoError(t, tx.Rollback())
	at, _ := mysqlRanges(t, cfg).find(e.Datetime)
	require.Zero(t, at, "it is in the first partition")
	got, err := st.Get(context.Background(), activity.AllTenants(), e.ID)
	require.NoError(t, err)
	require.Equal(t, e.Datetime, got.Datetime)
}

func TestMySQLWithoutTheRightToAlterTheLastPartitionIsCutByMigrate(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	owner := openTest(t, cfg, Options{})
	require.NoError(t, owner.Close())
	writing := cfg
	writing.MySQL.CreateSchema = false
	core, logs := observer.New(zap.WarnLevel)
	now := time.Now()
	st := openTest(t, writing, Options{Logger: zap.New(core), Now: func() time.Time { return now }})
	events := newEvents(0, 40)
	for i := range events {
		events[i].Datetime = monthAfter(time.Now().UnixNano(), 8+i%2) + int64(i)
	}
	require.Equal(t, 40, write(t, st, events).Written)
	require.Equal(t, 40, mysqlCount(t, cfg, "SELECT COUNT(*) FROM activity_events PARTITION (pmax)"))
	stray, err := st.StrayEvents(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 40, stray)
	now = now.Add(lookEvery)
	write(t, st, newEvents(50, 51))
	require.Equal(t, 1, logs.FilterMessageSnippet("more than a month").Len(), "it is said")
	openTest(t, cfg, Options{}) // migrates
	require.Zero(t, mysqlCount(t, cfg, "SELECT COUNT(*) FROM activity_events PARTITION (pmax)"))
	stray, err = st.StrayEvents(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1, stray, "what is older than the first month stays")
	ranges := mysqlRanges(t, cfg)
	at, _ := ranges.find(events[0].Datetime)
	require.True(t, isMonth(&ranges[at]))
	require.Len(t, write(t, st, events).Duplicates, 40)
	feed, err := st.Feed(ctx, activity.AllTenants(), activity.FeedPosition{}, 100)
	require.NoError(t, err)
	require.Len(t, feed, 41)
}

// A process that stops between changing partitions and listing them leaves a
// list that is out of date. Nothing is hidden by it, and the next one mends it.
func TestMySQLAListOutOfDateHidesNothing(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	st := openTest(t, cfg, Options{})
	all := newEvents(0, 50)
	write(t, st, all[:25])
	listed := mysqlRanges(t, cfg)
	at, _ := listed.find(base)
	mysqlExecute(t, cfg, fmt.Sprintf("ALTER TABLE activity_events REORGANIZE PARTITION %s INTO (PARTITION `an odd ``name` VALUES LESS THAN (%d), PARTITION %s VALUES LESS THAN (%d))",
		listed[at].name, base+10*int64(time.Second), listed[at].name, listed[at].hi))
	write(t, st, all[25:])
	require.Len(t, walk(t, st, activity.Query{Limit: 7}), 50)
	feed, err := st.Feed(ctx, activity.AllTenants(), activity.FeedPosition{}, 100)
	require.NoError(t, err)
	require.Len(t, feed, 50)
	st.writer.session = discard(st.writer.session)
	require.NoError(t, st.Ping(ctx))
	require.Len(t, mysqlRanges(t, cfg), len(listed)+1)
	require.Len(t, walk(t, st, activity.Query{Limit: 7}), 50)
}

func TestMySQLRetentionDropsMonths(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	st := openTest(t, cfg, Options{})
	const day = 24 * 3600
	var events []activity.Event
	for month := range 3 {
		events = append(events, newEvents(month*31*day, month*31*day+40)...)
	}
	write(t, st, events)
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
	ranges := len(mysqlRanges(t, cfg))
	deleted, _, calls := run(activity.AllTenants(), storage.Retention{Before: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC).UnixNano(), Limit: 1})
	require.EqualValues(t, 41, deleted)
	require.Less(t, calls, 5, "whole months go in one call each")
	require.Zero(t, mysqlCount(t, cfg, "SELECT COUNT(*) FROM activity_events"))
	left := mysqlRanges(t, cfg)
	require.Less(t, len(left), ranges, "empty months are joined")
	st.writer.keeper.(*mysqlKeeper).looked = time.Time{} // it believes in the dropped months for some minutes
	require.Equal(t, 120, write(t, st, events).Written, "the months are made again")
	after := mysqlRanges(t, cfg)
	at, _ := after.find(base)
	require.True(t, isMonth(&after[at]))
	require.Len(t, walk(t, st, activity.Query{Limit: 100}), 120)
}

func TestMySQLSeveralCollectorsWriteInOneOrder(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	stores := make([]*store, 3)
	for i := range stores {
		stores[i] = openTest(t, cfg, Options{})
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
				if err != nil || !assert.Empty(t, res.Conflicts) {
					assert.NoError(t, err)
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
		if len(got) > 0 {
			continue
		}
		if finished {
			break
		}
		select {
		case <-done:
			finished = true
		default:
		}
	}
	require.Len(t, seen, n, "the feed has no gap")
	require.Equal(t, n, written, "each event was written by one of them")
}

// A collector that vanishes in the middle of a transaction holds the lock of
// writers until the server ends its session.
func TestMySQLTheLockOfOneThatVanishedIsGivenBack(t *testing.T) {
	cfg := mysqlConfig(t)(t)
	vanished, st := openTest(t, cfg, Options{}), openTest(t, cfg, Options{})
	write(t, vanished, newEvents(0, 1))
	s := vanished.writer.session
	require.NoError(t, s.exec(context.Background(), "SET SESSION wait_timeout = 2"))
	require.NoError(t, s.exec(context.Background(), "START TRANSACTION"))
	require.NoError(t, vanished.writer.keeper.probe(context.Background(), s))
	require.Equal(t, 1, write(t, st, newEvents(1, 2)).Written, "after two seconds")
	var timeout int
	require.NoError(t, st.writer.session.conn.QueryRowContext(context.Background(), "SELECT @@wait_timeout").Scan(&timeout))
	require.Equal(t, writerIdle, timeout)
}

// Keys that are there and new ones in one statement, and a key twice.
func TestMySQLTellsDuplicatesInAnyMixture(t *testing.T) {
	st := openTest(t, mysqlConfig(t)(t), Options{})
	all := newEvents(0, 700)
	write(t, st, all[100:400:400])
	changed := slices.Clone(all)
	for i := range changed {
		if i%10 == 3 {
			changed[i].Message = "something else"
		}
	}
	batch := slices.Concat(changed, []activity.Event{all[650], all[653], changed[120]})
	res := write(t, st, batch)
	require.Equal(t, 400, res.Written)
	var duplicates, conflicts []int
	for i := 100; i < 400; i++ {
		if i%10 == 3 {
			conflicts = append(conflicts, i)
		} else {
			duplicates = append(duplicates, i)
		}
	}
	require.Equal(t, append(duplicates, 700, 702), res.Duplicates)
	require.Equal(t, append(conflicts, 701), res.Conflicts, "653 was written changed")
	require.Len(t, walk(t, st, activity.Query{Limit: 250}), 700)
	got, err := st.Feed(context.Background(), activity.AllTenants(), activity.FeedPosition{}, 1000)
	require.NoError(t, err)
	for i := 1; i < len(got); i++ {
		require.Greater(t, got[i].StoredNS, got[i-1].StoredNS)
	}
}

func TestMySQLLostConnectionsAreReplaced(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	st := openTest(t, cfg, Options{})
	kill := func() (killed int) {
		db := mysqlAdmin(t, cfg)
		ids, err := texts(ctx, db, "SELECT id FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND id <> CONNECTION_ID()")
		require.NoError(t, err)
		for _, id := range ids {
			if _, err := db.ExecContext(ctx, "KILL "+id); err == nil {
				killed++
			}
		}
		return killed
	}
	write(t, st, newEvents(0, 10))
	_, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: 2, Limit: 1})
	require.NoError(t, err)
	require.NoError(t, st.Ping(ctx))
	for round := range 3 {
		require.Positive(t, kill())
		require.Equal(t, 1, write(t, st, newEvents(10+round, 11+round)).Written)
		_, err := st.Get(ctx, activity.AllTenants(), newEvent(10+round).ID)
		require.NoError(t, err)
		_, err = st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: 2, Limit: 1})
		require.NoError(t, err)
	}
	// The server ends a session that has long been idle.
	require.NoError(t, st.writer.session.exec(ctx, "SET SESSION wait_timeout = 1"))
	time.Sleep(2500 * time.Millisecond)
	require.Equal(t, 1, write(t, st, newEvents(40, 41)).Written)
	// In the middle of a transaction nothing is tried again.
	err = st.writer.transact(ctx, nil, func(ctx context.Context, c *session) error {
		kill()
		_, err := st.writer.keeper.store(ctx, c, newEvents(50, 60))
		return err
	})
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.Equal(t, 10, write(t, st, newEvents(50, 60)).Written)
}

func TestMySQLACommitIsBoundedAndOutlivesItsCaller(t *testing.T) {
	cfg := mysqlConfig(t)(t)
	cfg.MySQL.WriteTimeout = 2 * time.Second
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1))
	hold := func() *sql.Tx {
		tx, err := mysqlAdmin(t, cfg).BeginTx(context.Background(), nil)
		require.NoError(t, err)
		_, err = tx.Exec("SELECT * FROM store_state FOR UPDATE")
		require.NoError(t, err)
		return tx
	}
	tx := hold()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := st.Write(ctx, newEvents(1, 2))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, tx.Rollback())
	require.Eventually(t, func() bool {
		_, err := st.Get(context.Background(), activity.AllTenants(), newEvent(1).ID)
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
	tx = hold()
	_, err = st.Write(context.Background(), newEvents(2, 3))
	require.ErrorIs(t, err, storage.ErrRetryable, "after write_timeout")
	require.NoError(t, tx.Rollback())
	require.Equal(t, 1, write(t, st, newEvents(2, 3)).Written)
}

func TestMySQLMigrationsCanBeRunAgainAfterACrash(t *testing.T) {
	ctx := context.Background()
	sc, err := (&mysqlDialect{}).schema()
	require.NoError(t, err)
	all, err := sc.migrations()
	require.NoError(t, err)
	var statements []string
	statements = append(statements, sc.versionTables...)
	for _, m := range all {
		statements = append(statements, m.Statements...)
	}
	newConfig := mysqlConfig(t)
	for done := range len(statements) + 1 {
		cfg := newConfig(t)
		mysqlExecute(t, cfg, statements[:done]...)
		st := openTest(t, cfg, Options{}) // migrates
		require.Equal(t, 5, write(t, st, newEvents(0, 5)).Written, "after %d statements", done)
		require.NoError(t, st.Migrate(ctx))
		require.Equal(t, len(all), mysqlCount(t, cfg, "SELECT COUNT(*) FROM schema_version"))
		require.Equal(t, 1, mysqlCount(t, cfg, "SELECT COUNT(*) FROM store_state"))
	}
}

func TestMySQLMigratesOnceAtATime(t *testing.T) {
	cfg := mysqlConfig(t)(t)
	var wg sync.WaitGroup
	for range 4 {
		st, err := Open(context.Background(), cfg, Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		wg.Go(func() { assert.NoError(t, st.Migrate(context.Background())) })
	}
	wg.Wait()
	mysqlRanges(t, cfg)
	require.Equal(t, 1, mysqlCount(t, cfg, "SELECT COUNT(*) FROM schema_version"))
}

func TestMySQLSchemaIsTheOperatorsWhenHeSaysSo(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	cfg.MySQL.CreateSchema = false
	st, err := Open(ctx, cfg, Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	err = st.Migrate(ctx)
	require.ErrorContains(t, err, "auditctl migrate --print")
	_, err = st.Write(ctx, newEvents(0, 1))
	require.ErrorIs(t, err, storage.ErrRetryable)
	var script bytes.Buffer
	require.NoError(t, Print(cfg, &script))
	dsn, err := mysql.ParseDSN(string(cfg.MySQL.DSN))
	require.NoError(t, err)
	dsn.MultiStatements = true // as the client of a person
	admin, err := sql.Open("mysql", dsn.FormatDSN())
	require.NoError(t, err)
	defer func() { require.NoError(t, admin.Close()) }()
	_, err = admin.ExecContext(ctx, script.String())
	require.NoError(t, err)
	require.NoError(t, st.Migrate(ctx))
	require.Equal(t, 20, write(t, st, newEvents(0, 20)).Written)
	require.Len(t, mysqlRanges(t, cfg), 1, "no partition is made")
	cfg.MySQL.CreateSchema = true
	write(t, openTest(t, cfg, Options{}), newEvents(20, 40)) // what was printed is what is made
}

func TestMySQLSecretsAndTLS(t *testing.T) {
	cfg := NewDefaultConfig()
	cfg.Driver = DriverMySQL
	c := &cfg.MySQL
	for dsn, want := range map[string]string{
		"writer:s3cret@tcp(db:3306)":                            "cannot be read",
		"writer:s3cret@tcp(db:3306)/":                           "no database",
		"writer:s3cret@tcp(db:3306)/audit?tls=skip-verify":      "does not verify",
		"writer:s3cret@tcp(db:3306)/audit?tls=preferred":        "does not verify",
		"writer:s3cret@tcp(db:3306)/audit?multiStatements=true": "not taken",
	} {
		c.DSN = configopaque.String(dsn)
		err := cfg.Validate()
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "s3cret")
	}
	c.DSN = "writer:s3cret@tcp(db.example:3306)/audit"
	require.NoError(t, cfg.Validate())
	require.Equal(t, "mysql:db.example:3306/audit", cfg.Identity())
	cc, err := c.connection(context.Background(), string(c.DSN))
	require.NoError(t, err)
	require.Equal(t, "db.example", cc.TLS.ServerName)
	require.False(t, cc.TLS.InsecureSkipVerify)
	c.TLS.Insecure = true
	cc, err = c.connection(context.Background(), string(c.DSN))
	require.NoError(t, err)
	require.Nil(t, cc.TLS)

	served := mysqlConfig(t)(t)
	dsn, err := mysql.ParseDSN(string(served.MySQL.DSN))
	require.NoError(t, err)
	dsn.User, dsn.Passwd = "nobody_there", "s3cret"
	served.MySQL.DSN = configopaque.String(dsn.FormatDSN())
	_, err = Open(context.Background(), served, Options{})
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.NotContains(t, err.Error(), "s3cret")
	require.ErrorContains(t, err, "Access denied")
}
