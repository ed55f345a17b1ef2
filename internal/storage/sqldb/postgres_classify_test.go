package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func TestPostgresClassifyRealErrors(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1))
	d := st.dialect
	connect := func(change func(*pgx.ConnConfig)) *sql.DB {
		cc, err := pgx.ParseConfig(string(cfg.Postgres.DSN))
		require.NoError(t, err)
		cc.RuntimeParams["search_path"] = cfg.Postgres.Schema
		cc.RuntimeParams["statement_timeout"] = "20s"
		change(cc)
		db := stdlib.OpenDB(*cc)
		db.SetMaxOpenConns(1)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return db
	}
	try := func(db execer, statements ...string) (err error) {
		for _, s := range statements {
			if _, err = db.ExecContext(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
	// fresh runs statements on a connection of its own.
	fresh := func(statements ...string) error {
		conn, err := connect(func(*pgx.ConnConfig) {}).Conn(ctx) // the pool would end a transaction between two statements
		if err != nil {
			return err
		}
		defer func() {
			_, _ = conn.ExecContext(ctx, "ROLLBACK") // on a connection that may be gone
			_ = conn.Close()
		}()
		return try(conn, statements...)
	}
	f := func(err error, code string, lost bool, want ...error) {
		t.Helper()
		require.Error(t, err)
		if e := serverError(err); code != "" {
			require.NotNil(t, e, err)
			require.Equal(t, code, e.Code, err)
		} else {
			require.Nil(t, e, err)
		}
		for _, w := range want {
			require.ErrorIs(t, d.classify(err), w)
		}
		content, retryable := slices.Contains(want, storage.ErrContent), slices.Contains(want, storage.ErrRetryable)
		require.Equal(t, []bool{content, retryable}, []bool{errors.Is(d.classify(err), storage.ErrContent), errors.Is(d.classify(err), storage.ErrRetryable)})
		require.Equal(t, lost, d.lost(err), err)
	}

	// The way to the server.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	f(try(connect(func(c *pgx.ConnConfig) { c.Host, c.Port, c.Fallbacks = "127.0.0.1", uint16(port), nil }), "SELECT 1"), "", true, storage.ErrRetryable)
	f(try(connect(func(c *pgx.ConnConfig) { c.Host, c.Fallbacks = "no-such-host.invalid", nil }), "SELECT 1"), "", true, storage.ErrRetryable)
	f(try(connect(func(c *pgx.ConnConfig) { c.Database = "no_such_database" }), "SELECT 1"), "3D000", true, storage.ErrRetryable)
	f(try(connect(func(c *pgx.ConnConfig) { c.User = "no_such_role" }), "SELECT 1"), "28000", true, storage.ErrRetryable)
	f(fresh("SELECT pg_terminate_backend(pg_backend_pid())"), "57P01", true, storage.ErrRetryable)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and closes, as a dying server does
	require.NoError(t, err)
	defer func() { require.NoError(t, silent.Close()) }()
	go func() {
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	f(try(connect(func(c *pgx.ConnConfig) {
		c.Host, c.Port, c.Fallbacks = "127.0.0.1", uint16(silent.Addr().(*net.TCPAddr).Port), nil
	}), "SELECT 1"), "", true, storage.ErrRetryable)
	role := cfg.Postgres.Schema + "_few"
	execute(t, cfg, "CREATE ROLE "+role+" LOGIN CONNECTION LIMIT 0")
	t.Cleanup(func() { execute(t, cfg, "DROP ROLE "+role) })
	f(try(connect(func(c *pgx.ConnConfig) { c.User = role }), "SELECT 1"), "53300", true, storage.ErrRetryable)

	// The state of the server.
	f(fresh("SET statement_timeout = 5", "SELECT pg_sleep(5)"), "57014", false, storage.ErrRetryable)
	f(fresh("SET default_transaction_read_only = on", "UPDATE store_state SET last_stored_ns = 1"), "25006", false, storage.ErrReadOnly, storage.ErrRetryable)
	f(fresh("SET temp_file_limit = 0", "SET work_mem = '64kB'", "CREATE TEMP TABLE sorted AS SELECT i FROM generate_series(1, 200000) AS i ORDER BY -i"),
		"53400", false, storage.ErrRetryable)
	f(fresh("DO $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"), "53100", false, storage.ErrRetryable)
	f(fresh("SET ROLE pg_monitor", "DELETE FROM "+cfg.Postgres.Schema+".activity_events"), "42501", false, storage.ErrRetryable)
	f(fresh("SELECT 1 FROM no_such_table"), "42P01", false, errNoTable, storage.ErrRetryable)
	f(fresh("SELECT no_such_function()"), "42883", false, errNoTable, storage.ErrRetryable)
	f(fresh("SELECT 1 FROM no_such_schema.no_such_table"), "42P01", false, errNoTable, storage.ErrRetryable)

	// Others at work.
	other, err := connect(func(*pgx.ConnConfig) {}).Conn(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	require.NoError(t, try(other, "CREATE TABLE pair (n INTEGER PRIMARY KEY, v INTEGER)", "INSERT INTO pair VALUES (1, 0), (2, 0)"))
	require.NoError(t, try(other, "BEGIN", "UPDATE pair SET v = 1 WHERE n = 1"))
	f(fresh("SET lock_timeout = 20", "UPDATE pair SET v = 2 WHERE n = 1"), "55P03", false, storage.ErrRetryable)
	victim := make(chan error, 1)
	go func() {
		victim <- fresh("BEGIN", "UPDATE pair SET v = 2 WHERE n = 2", "UPDATE pair SET v = 2 WHERE n = 1")
	}()
	require.Eventually(t, func() bool {
		return count(t, cfg, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE pair SET v = 2 WHERE n = 1%'") == 1
	}, 5*time.Second, 10*time.Millisecond)
	mine := try(other, "SET deadlock_timeout = 10", "UPDATE pair SET v = 1 WHERE n = 2")
	if mine == nil {
		mine = <-victim
	}
	f(mine, "40P01", false, storage.ErrRetryable)
	require.NoError(t, try(other, "ROLLBACK"))
	require.NoError(t, try(other, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1 FROM pair"))
	require.NoError(t, fresh("UPDATE pair SET v = 3 WHERE n = 1"))
	f(try(other, "UPDATE pair SET v = 4 WHERE n = 1"), "40001", false, storage.ErrRetryable)

	// Not expected.
	f(fresh("SELEC 1"), "42601", false, storage.ErrRetryable)
	f(fresh("DO $$ BEGIN RAISE 'because'; END $$"), "P0001", false, storage.ErrRetryable)
	f(fresh("ALTER SYSTEM SET no_such_setting = 1"), "42704", false, storage.ErrRetryable)

	// A partition that another has made or dropped meanwhile.
	f(fresh("CREATE TABLE parted (n INTEGER) PARTITION BY RANGE (n)", "INSERT INTO parted VALUES (1)"), "23514", false, storage.ErrRetryable)
	f(fresh("INSERT INTO activity_events_default (stored_ns, id, datetime_ns, kind) VALUES (1, gen_random_uuid(), "+strconv.FormatInt(base, 10)+", 'crud')"),
		"23514", false, storage.ErrRetryable)

	// What an event holds.
	insert := "INSERT INTO activity_events (stored_ns, id, datetime_ns, kind, message, object_id) VALUES "
	f(fresh(insert+"(1, '00000000-0000-0000-0000-000000000001', 1, 'zzz', '', '')"), "23514", false, storage.ErrContent)
	f(fresh(insert+"(1, NULL, 1, 'crud', '', '')"), "23502", false, storage.ErrContent)
	f(fresh(insert+"(1, 'no uuid', 1, 'crud', '', '')"), "22P02", false, storage.ErrContent)
	f(fresh(insert+"(1, '00000000-0000-0000-0000-000000000001', 99999999999999999999, 'crud', '', '')"), "22003", false, storage.ErrContent)
	_, err = connect(func(*pgx.ConnConfig) {}).ExecContext(ctx, insert+"(1, '00000000-0000-0000-0000-000000000001', 1, 'crud', $1, '')", "a\x00b")
	f(err, "22021", false, storage.ErrContent)
	f(fresh(insert+"(1, '00000000-0000-0000-0000-000000000001', 1, 'crud', '', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) AS i))"),
		"54000", false, storage.ErrContent)

	require.NoError(t, d.classify(nil))
	require.Equal(t, context.Canceled, d.classify(context.Canceled))
}

func TestPostgresErrorsHoldNoPassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://writer:hunter2@127.0.0.1:1/audit",
		"postgres://writer:hunter2@127.0.0.1:port/audit",
		"host=127.0.0.1 port=1 user=writer password=hunter2 dbname=audit",
		"host=127.0.0.1 port=1 user=writer password=hunter2 'hunter2",
		"hunter2",
		"postgres://writer:hunter2@127.0.0.1:1/audit?sslmode=require",
	} {
		cfg := NewDefaultConfig()
		cfg.Driver = DriverPostgres
		cfg.Postgres.DSN = configopaque.String(dsn)
		require.NotContains(t, cfg.Identity(), "hunter2")
		_, err := Open(context.Background(), cfg, Options{})
		require.Error(t, err)
		require.NotContains(t, strings.ToLower(err.Error()), "hunter2", dsn)
	}
}
