package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
)

// postgresVariable names the server to test with.
const postgresVariable = "ACTIVITYLOG_TEST_POSTGRES_DSN"

var schemas atomic.Int64

// postgresConfig gives a function that names an empty schema of the server, to
// be dropped with the test.
func postgresConfig(tb testing.TB) func(tb testing.TB) Config {
	tb.Helper()
	dsn := os.Getenv(postgresVariable)
	if dsn == "" {
		tb.Skipf("%s is not set; make services-up starts a server and prints it", postgresVariable)
	}
	return func(tb testing.TB) Config {
		tb.Helper()
		cfg := NewDefaultConfig()
		cfg.Driver = DriverPostgres
		cfg.Postgres.DSN = configopaque.String(dsn)
		cfg.Postgres.Schema = fmt.Sprintf("t%d_%d", os.Getpid(), schemas.Add(1))
		cfg.Postgres.Readers = 2
		cfg.Postgres.WriteTimeout = time.Minute // the machine of the tests does other things, too
		tb.Cleanup(func() {
			_, err := postgresAdmin(tb, cfg).ExecContext(context.Background(), "DROP SCHEMA IF EXISTS "+cfg.Postgres.Schema+" CASCADE")
			require.NoError(tb, err)
		})
		return cfg
	}
}

// postgresAdmin is a connection beside the store, as a person would have it.
func postgresAdmin(tb testing.TB, cfg Config) *sql.DB {
	tb.Helper()
	cc, err := pgx.ParseConfig(string(cfg.Postgres.DSN))
	require.NoError(tb, err)
	cc.RuntimeParams["search_path"] = cfg.Postgres.Schema
	db := stdlib.OpenDB(*cc)
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}
