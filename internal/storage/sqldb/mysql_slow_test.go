package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// The kernel takes the connection; nobody greets.
func TestMySQLASilentServerEndsTheStart(t *testing.T) {
	silent, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, silent.Close()) }()
	cfg := NewDefaultConfig()
	cfg.Driver = DriverMySQL
	cfg.MySQL.DSN = configopaque.String(fmt.Sprintf("writer@tcp(%s)/audit", silent.Addr()))
	cfg.MySQL.TLS.Insecure = true
	cfg.MySQL.ConnectTimeout = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, readOnly := range []bool{false, true} {
		_, err = Open(ctx, cfg, Options{ReadOnly: readOnly})
		require.ErrorIs(t, err, storage.ErrRetryable)
		require.NoError(t, ctx.Err(), "it ended by itself")
	}
}

func TestMySQLCommitsAreBounded(t *testing.T) {
	st := openTest(t, mysqlConfig(t)(t), Options{})
	write(t, st, newEvents(0, 1))
	commits := func() (n int) {
		require.NoError(t, st.writer.session.conn.QueryRowContext(context.Background(), "SHOW SESSION STATUS LIKE 'Com_commit'").Scan(new(string), &n))
		return n
	}
	before := commits()
	require.Equal(t, 2*commitEvents+1, write(t, st, newEvents(1, 2*commitEvents+2)).Written)
	require.Equal(t, 3, commits()-before, "many events")
	before = commits()
	require.Equal(t, 3, write(t, st, []activity.Event{long(9000), long(9001), long(9002)}).Written)
	require.Equal(t, 2, commits()-before, "long events")
}

// long is an event of which two fill a commit.
func long(i int) activity.Event {
	e := newEvent(i)
	for _, f := range []*string{&e.Message, &e.Traceback, &e.ExtraData, &e.ObjectJSONRepr} {
		*f = `"` + strings.Repeat("x", 900<<10) + `"`
	}
	return e
}

// A month has so many rows that they cannot be counted in time.
func TestMySQLAMonthTooLargeToCountIsDropped(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	st := openTest(t, cfg, Options{})
	const n = 20_000
	write(t, st, newEvents(0, n))
	_, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: 2, Limit: 1}) // connects
	require.NoError(t, err)
	k := st.dropper.(*mysqlDropper)
	require.Equal(t, countTime, k.countTime)
	ranges := mysqlRanges(t, cfg)
	at, _ := ranges.find(base)
	rows, exact, err := k.count(ctx, st.upkeep.session, &ranges[at])
	require.NoError(t, err)
	require.True(t, exact)
	require.EqualValues(t, n, rows)

	k.countTime = time.Microsecond
	require.Eventually(t, func() bool { // unless the server's clock is late
		rows, exact, err = k.count(ctx, st.upkeep.session, &ranges[at])
		return err != nil || !exact
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, err)
	require.Positive(t, rows)
	var limit float64
	require.NoError(t, st.upkeep.session.conn.QueryRowContext(ctx, "SELECT /*M!100100 @@max_statement_time */ /*!80000 @@max_execution_time / 1000 */").Scan(&limit))
	require.InDelta(t, cfg.MySQL.StatementTimeout.Seconds(), limit, 0.001, "of other statements")
	res, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: ranges[at].hi, Limit: 1})
	require.NoError(t, err)
	require.Positive(t, res.Deleted)
	require.True(t, res.More)
	require.Zero(t, mysqlCount(t, cfg, "SELECT COUNT(*) FROM activity_events"))
}

// A dump uses the tables while a collector starts that needs another month.
func TestMySQLStartsWhileTheTableIsInUse(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	owner := openTest(t, cfg, Options{})
	listed := mysqlRanges(t, cfg)
	first := listed[len(listed)-3].name
	mysqlExecute(t, cfg, fmt.Sprintf("ALTER TABLE activity_events REORGANIZE PARTITION %s, %s, pmax INTO (PARTITION pmax VALUES LESS THAN MAXVALUE)",
		quoted(first), quoted(listed[len(listed)-2].name)))
	dump := func() *sql.Tx {
		tx, err := mysqlAdmin(t, cfg).BeginTx(ctx, nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = tx.Rollback() }) // of a test that has failed
		for _, table := range []string{"activity_events", "segments", "store_state", "schema_version"} {
			_, err = tx.ExecContext(ctx, "SELECT * FROM "+table)
			require.NoError(t, err)
		}
		return tx
	}
	tx := dump()
	core, logs := observer.New(zap.WarnLevel)
	st := openTest(t, cfg, Options{Logger: zap.New(core)})
	require.Equal(t, 1, logs.FilterMessageSnippet("the table is in use").Len(), "it is said")
	require.Equal(t, 1, write(t, st, newEvents(0, 1)).Written)
	require.NoError(t, tx.Rollback())
	require.NoError(t, st.Migrate(ctx))
	require.Contains(t, rangeNames(mysqlRanges(t, cfg)), first)

	// With rows in the last partition nobody tries again.
	e := newEvent(1)
	e.Datetime = monthAfter(time.Now().UnixNano(), 12)
	owner.writer.keeper.(*mysqlKeeper).notBefore = time.Now().Add(time.Hour)
	write(t, owner, []activity.Event{e})
	tx = dump()
	require.ErrorIs(t, owner.Migrate(ctx), storage.ErrRetryable)
	require.NoError(t, tx.Rollback())
	require.NoError(t, owner.Migrate(ctx))
}

// Waiting for the table takes all the time of a commit, once.
func TestMySQLAWaitForTheTableIsNotRepeated(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	cfg.MySQL.WriteTimeout = 2 * time.Second
	st := openTest(t, cfg, Options{})
	tx, err := mysqlAdmin(t, cfg).BeginTx(ctx, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() }) // it ends with the test
	_, err = tx.ExecContext(ctx, "SELECT COUNT(*) FROM activity_events")
	require.NoError(t, err)
	_, err = st.Write(ctx, newEvents(0, 1)) // of a month that there is not
	require.ErrorIs(t, err, storage.ErrRetryable)
	// The statement that was given up waits in the server for a while yet, and
	// others behind it.
	require.Eventually(t, func() bool {
		res, err := st.Write(ctx, newEvents(0, 1))
		return err == nil && res.Written+len(res.Duplicates) == 1
	}, 30*time.Second, 100*time.Millisecond)
}

// The server becomes a replica, and another takes over its address.
func TestMySQLASessionThatCanOnlyReadIsGivenUp(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	openTest(t, cfg, Options{})
	dsn, err := mysql.ParseDSN(string(cfg.MySQL.DSN))
	require.NoError(t, err)
	user := fmt.Sprintf("t%d_%d_plain", os.Getpid(), databases.Load())
	mysqlExecute(t, cfg, "CREATE USER '"+user+"'@'%' IDENTIFIED BY 'pass-word'", "GRANT ALL ON "+dsn.DBName+".* TO '"+user+"'@'%'")
	t.Cleanup(func() { mysqlExecute(t, cfg, "DROP USER '"+user+"'@'%'") })
	plain := cfg
	dsn.User, dsn.Passwd = user, "pass-word"
	plain.MySQL.DSN = configopaque.String(dsn.FormatDSN())
	st := openTest(t, plain, Options{})
	write(t, st, newEvents(0, 1))
	session := func() (id int64) {
		require.NoError(t, st.writer.session.conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&id))
		return id
	}
	before := session()
	mysqlExecute(t, cfg, "SET GLOBAL read_only = 1")
	t.Cleanup(func() { mysqlExecute(t, cfg, "SET GLOBAL read_only = 0") })
	_, err = st.Write(ctx, newEvents(1, 2))
	require.ErrorIs(t, err, storage.ErrReadOnly)
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.ErrorIs(t, st.Ping(ctx), storage.ErrReadOnly)
	mysqlExecute(t, cfg, "SET GLOBAL read_only = 0")
	require.Equal(t, 1, write(t, st, newEvents(1, 2)).Written)
	require.NotEqual(t, before, session(), "the old session would stay with the old server")
}

func TestMySQLServersThatOnlyRead(t *testing.T) {
	for _, number := range []uint16{1290, 1792, 1836, 3100} {
		err := (&mysqlDialect{}).classify(fmt.Errorf("commit: %w", &mysql.MySQLError{Number: number}))
		require.ErrorIs(t, err, storage.ErrReadOnly, number)
		require.ErrorIs(t, err, storage.ErrRetryable, number)
	}
}
