package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
)

// mysqlVariable names the server to test with, MariaDB or MySQL.
const mysqlVariable = "ACTIVITYLOG_TEST_MYSQL_DSN"

var databases atomic.Int64

// mysqlConfig gives a function that makes an empty database on the server, to
// be dropped with the test.
func mysqlConfig(tb testing.TB) func(tb testing.TB) Config {
	tb.Helper()
	dsn := os.Getenv(mysqlVariable)
	if dsn == "" {
		tb.Skipf("%s is not set; make services-up starts a server and prints it", mysqlVariable)
	}
	return func(tb testing.TB) Config {
		tb.Helper()
		cc, err := mysql.ParseDSN(dsn)
		require.NoError(tb, err)
		name := fmt.Sprintf("activitylog_t%d_%d", os.Getpid(), databases.Add(1))
		server, err := sql.Open("mysql", dsn)
		require.NoError(tb, err)
		server.SetMaxIdleConns(0)
		_, err = server.ExecContext(context.Background(), "CREATE DATABASE "+name)
		require.NoError(tb, err)
		tb.Cleanup(func() {
			_, err := server.ExecContext(context.Background(), "DROP DATABASE "+name)
			require.NoError(tb, err)
			require.NoError(tb, server.Close())
		})
		cc.DBName = name
		cfg := NewDefaultConfig()
		cfg.Driver = DriverMySQL
		cfg.MySQL.DSN = configopaque.String(cc.FormatDSN())
		cfg.MySQL.TLS.Insecure = cc.TLSConfig == ""
		cfg.MySQL.Readers = 2
		return cfg
	}
}

// mysqlAdmin is a connection beside the store, as a person would have it.
func mysqlAdmin(tb testing.TB, cfg Config) *sql.DB {
	tb.Helper()
	db, err := sql.Open("mysql", string(cfg.MySQL.DSN))
	require.NoError(tb, err)
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

func TestConformanceMySQL(t *testing.T) {
	conformance(t, mysqlConfig(t))
}
