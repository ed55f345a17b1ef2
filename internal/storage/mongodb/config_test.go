package mongodb

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func withDSN(dsn string) Config {
	cfg := NewDefaultConfig()
	cfg.DSN = configopaque.String(dsn)
	return cfg
}

func TestConfigAccepted(t *testing.T) {
	for dsn, identity := range map[string]string{
		"mongodb://db.example.com/activitylog":                                        "mongodb:db.example.com:27017/activitylog",
		"mongodb://b:1,A:2/x?replicaSet=rs0&w=majority&journal=true&authSource=admin": "mongodb:a:2,b:1/x",
		"mongodb://me:p%40ss@[::1]/x?readPreference=primary":                          "mongodb:[::1]:27017/x",
		"mongodb+srv://me:p%40ss@cluster.example.com/x?retryWrites=false":             "mongodb:cluster.example.com/x",
	} {
		cfg := withDSN(dsn)
		require.NoError(t, cfg.Validate(), dsn)
		assert.Equal(t, identity, cfg.Identity())
		assert.NotContains(t, fmt.Sprintf("%v %+v", cfg, cfg), "p%40ss")
	}
	cfg := withDSN("mongodb://db/other")
	cfg.Database = "mine"
	require.NoError(t, cfg.Validate())
	assert.Equal(t, "mongodb:db:27017/mine", cfg.Identity())
}

func TestConfigRefused(t *testing.T) {
	f := func(problem, dsn string) {
		t.Helper()
		cfg := withDSN(dsn)
		err := cfg.Validate()
		require.ErrorContains(t, err, problem)
		assert.NotContains(t, err.Error(), "hunter2")
		_, err = Open(t.Context(), cfg, Options{})
		require.ErrorIs(t, err, activity.ErrInvalid)
		assert.NotContains(t, err.Error(), "hunter2")
	}
	f("w=1: an event counts as stored once a majority", "mongodb://u:hunter2@db/x?w=1")
	f("w=0", "mongodb://u:hunter2@db/x?W=0")
	f("w=2", "mongodb://u:hunter2@db/x?w=majority&w=2")
	f("journal=false: an event counts", "mongodb://u:hunter2@db/x?journal=false")
	f("readPreference=secondaryPreferred", "mongodb://u:hunter2@db/x?readPreference=secondaryPreferred")
	f("readConcernLevel=local", "mongodb://u:hunter2@db/x?readConcernLevel=local")
	f("write tls::insecure", "mongodb://u:hunter2@db/x?tls=false")
	f("write tls::insecure_skip_verify", "mongodb://u:hunter2@db/x?tlsInsecure=true")
	f("write max_connections", "mongodb://u:hunter2@db/x?maxPoolSize=5")
	f("database: must not be empty", "mongodb://u:hunter2@db/")
	f("1 to 63 letters", "mongodb://u:hunter2@db/a%20b")
	f("names no host", "mongodb://u:hunter2@/x")
	f("must begin with", "postgres://u:hunter2@db/x")
	f("write %XX", "mongodb://u:hunter2@db/x?a=%zz")

	g := func(key string, change func(*Config)) {
		t.Helper()
		cfg := withDSN("mongodb://db/x")
		change(&cfg)
		require.ErrorContains(t, cfg.Validate(), key)
	}
	g("dsn, dsn_file", func(c *Config) { c.DSN = "" })
	g("dsn, dsn_file", func(c *Config) { c.DSNFile = "x" })
	g("database", func(c *Config) { c.Database = "a.b" })
	g("max_connections", func(c *Config) { c.MaxConnections = 0 })
	g("connect_timeout", func(c *Config) { c.ConnectTimeout = 0 })
	g("write_timeout", func(c *Config) { c.WriteTimeout = 0 })
	g("ttl", func(c *Config) { c.TTL = 1 })
}

func TestWhatTheDriverRefusesShowsNoPassword(t *testing.T) {
	for _, dsn := range []string{
		"mongodb://u:hunter2@db/x?authMechanism=hunter2",
		"mongodb://u:hunt:er2@db/x",
		"mongodb://u:hunter%32@db/x?zlibCompressionLevel=hunter2",
	} {
		_, err := Open(t.Context(), withDSN(dsn), Options{})
		require.ErrorIs(t, err, activity.ErrInvalid, dsn)
		assert.NotContains(t, err.Error(), "hunter2")
		assert.NotContains(t, err.Error(), "hunt:er2")
	}
}

func TestDSNFromAFile(t *testing.T) {
	cfg := NewDefaultConfig()
	cfg.DSNFile = filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, cfg.Validate())
	_, err := Open(t.Context(), cfg, Options{})
	require.ErrorContains(t, err, "dsn_file")
	require.NoError(t, os.WriteFile(cfg.DSNFile, []byte("mongodb://u:p@db/x\n"), 0o600))
	assert.Equal(t, "mongodb:db:27017/x", cfg.Identity())
	require.NoError(t, os.WriteFile(cfg.DSNFile, []byte("mongodb://u:p@db/x?w=1"), 0o600))
	_, err = Open(t.Context(), cfg, Options{})
	require.ErrorContains(t, err, "w=1")
}
