package sqldb

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
)

func TestPostgresVerifiesTheServerUnlessToldNotTo(t *testing.T) {
	connect := func(dsn string, change func(*PostgresConfig)) (*pgx.ConnConfig, error) {
		cfg := newDefaultPostgresConfig()
		if change != nil {
			change(&cfg)
		}
		return cfg.connection(context.Background(), dsn)
	}
	for _, dsn := range []string{"postgres://u:p@a,b:6432/d", "host=a,b port=5432,6432 user=u dbname=d"} {
		cc, err := connect(dsn, nil)
		require.NoError(t, err)
		require.NotNil(t, cc.TLSConfig)
		require.False(t, cc.TLSConfig.InsecureSkipVerify)
		require.Equal(t, "a", cc.TLSConfig.ServerName)
		require.Len(t, cc.Fallbacks, 1, "no second try without TLS")
		require.Equal(t, "b", cc.Fallbacks[0].TLSConfig.ServerName)
	}
	cc, err := connect("postgres:///d?host=/var/run/postgresql", nil)
	require.NoError(t, err)
	require.Nil(t, cc.TLSConfig, "a Unix socket")
	cc, err = connect("postgres://a/d", func(c *PostgresConfig) { c.TLS.Insecure = true })
	require.NoError(t, err)
	require.Nil(t, cc.TLSConfig)
	cc, err = connect("postgres://a/d?sslmode=disable", nil)
	require.NoError(t, err)
	require.Nil(t, cc.TLSConfig)
	cc, err = connect("postgres://a/d?sslmode=verify-full", nil)
	require.NoError(t, err)
	require.False(t, cc.TLSConfig.InsecureSkipVerify)
	for _, mode := range []string{"require", "prefer", "allow"} {
		_, err = connect("host=a sslmode="+mode, nil)
		require.ErrorContains(t, err, "does not verify")
	}
	_, err = connect("postgres://a/d?sslmode=disable", func(c *PostgresConfig) { c.TLS.CAFile = "ca.pem" })
	require.ErrorContains(t, err, "postgres::tls")
}

func TestServerConfigNamesItsProblems(t *testing.T) {
	cfg := NewDefaultConfig()
	cfg.Driver = DriverPostgres
	f := func(key string, change func(*PostgresConfig)) {
		t.Helper()
		bad := cfg
		bad.Postgres.DSN = "postgres://a/d"
		change(&bad.Postgres)
		require.ErrorContains(t, bad.Validate(), key)
	}
	f("dsn or dsn_file", func(c *PostgresConfig) { c.DSN = "" })
	f("dsn or dsn_file", func(c *PostgresConfig) { c.DSNFile = "x" })
	f("postgres::dsn", func(c *PostgresConfig) { c.DSN = "postgres://a:b:c" })
	f("postgres::schema", func(c *PostgresConfig) { c.Schema = `x"; DROP` })
	f("postgres::readers", func(c *PostgresConfig) { c.Readers = 0 })
	f("postgres::write_timeout", func(c *PostgresConfig) { c.WriteTimeout = 0 })
	f("postgres::connect_timeout", func(c *PostgresConfig) { c.ConnectTimeout = -time.Second })
	cfg.Postgres.DSN = "postgres://u:secret@a:6432/d"
	require.NoError(t, cfg.Validate())
	require.Equal(t, "postgres:a:6432/d/activitylog", cfg.Identity())
	cfg.Driver = "oracle"
	require.ErrorContains(t, cfg.Validate(), "driver")
}

func TestTheDSNFileIsReadForEveryConnection(t *testing.T) {
	cfg := postgresConfig(t)(t)
	file := filepath.Join(t.TempDir(), "dsn")
	put := func(dsn configopaque.String) { require.NoError(t, os.WriteFile(file, []byte(dsn+"\n"), 0o600)) }
	put(cfg.Postgres.DSN)
	fromFile := cfg
	fromFile.Postgres.DSN, fromFile.Postgres.DSNFile = "", file
	require.Equal(t, cfg.Identity(), fromFile.Identity())
	st := openTest(t, fromFile, Options{})
	write(t, st, newEvents(0, 3))
	put(with(cfg, "user=no_such_role").Postgres.DSN)
	st.writer.session = discard(st.writer.session)
	_, err := st.Write(context.Background(), newEvents(3, 4))
	require.ErrorContains(t, err, "no_such_role", "the login of the new file")
	put(cfg.Postgres.DSN)
	require.Equal(t, 1, write(t, st, newEvents(3, 4)).Written)
}
