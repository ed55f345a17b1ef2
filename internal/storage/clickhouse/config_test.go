package clickhouse

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func TestTheSchemeChoosesTheProtocol(t *testing.T) {
	for dsn, want := range map[string]target{
		"http://writer:s%40cret@db1/audit": {
			protocol: protocol{ch.HTTP, false, "8123"}, addresses: []string{"db1:8123"}, database: "audit", username: "writer", password: "s@cret",
		},
		"https://db1:443/audit?http_path=/ch":  {protocol: protocol{ch.HTTP, true, "8443"}, addresses: []string{"db1:443"}, database: "audit", path: "/ch"},
		"clickhouse://db1,db2:9001/audit":      {protocol: protocol{ch.Native, false, "9000"}, addresses: []string{"db1:9000", "db2:9001"}, database: "audit"},
		"tcp://[2001:db8::1]/audit":            {protocol: protocol{ch.Native, false, "9000"}, addresses: []string{"[2001:db8::1]:9000"}, database: "audit"},
		"clickhouses://writer@db1:9440/audit/": {protocol: protocol{ch.Native, true, "9440"}, addresses: []string{"db1:9440"}, database: "audit", username: "writer"},
	} {
		got, err := parseDSN(dsn)
		require.NoError(t, err, dsn)
		require.Equal(t, want, *got, dsn)
	}
}

func TestValidateNamesTheKeyAndNoSecret(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(*Config)
	}{
		{"dsn: must name the server", func(c *Config) { c.DSN = "" }},
		{"dsn: set either dsn or dsn_file", func(c *Config) { c.DSNFile = "x" }},
		{"dsn_file: open", func(c *Config) { c.DSN, c.DSNFile = "", "no-such-file" }},
		{"dsn: the scheme must be", func(c *Config) { c.DSN = "mysql://u:hidden@h/audit" }},
		{"dsn: is not a URL", func(c *Config) { c.DSN = "http://u:hidden%zz@h/audit" }},
		{"dsn: must end with the name of the database", func(c *Config) { c.DSN = "http://u:hidden@h:8123" }},
		{"dsn: must end with the name of the database", func(c *Config) { c.DSN = "http://u:hidden@h:8123/a/b" }},
		{"dsn: must name the host", func(c *Config) { c.DSN = "http://u:hidden@:8123/audit" }},
		{"dsn: wait_for_async_insert cannot be set here", func(c *Config) { c.DSN = "http://u:hidden@h/audit?wait_for_async_insert=0" }},
		{"dsn: async_insert cannot be set here", func(c *Config) { c.DSN = "clickhouse://u:hidden@h/audit?async_insert=1" }},
		{`dsn: the parameter "skip_verify" is not known`, func(c *Config) { c.DSN = "clickhouses://u:hidden@h/audit?skip_verify=true" }},
		{"password: set either", func(c *Config) { c.Password, c.PasswordFile = "hidden", "x" }},
		{"password_file: open", func(c *Config) { c.PasswordFile = "no-such-file" }},
		{"compression:", func(c *Config) { c.Compression = "brotli" }},
		{"write_timeout:", func(c *Config) { c.WriteTimeout = 0 }},
		{"write_timeout:", func(c *Config) { c.WriteTimeout = time.Hour }},
		{"read_timeout:", func(c *Config) { c.ReadTimeout = 0 }},
		{"mutation_timeout:", func(c *Config) { c.MutationTimeout = -1 }},
		{"max_memory_mib:", func(c *Config) { c.MaxMemoryMiB = 0 }},
		{"max_open_conns:", func(c *Config) { c.MaxOpenConns = 1 }},
		{"small_insert_interval:", func(c *Config) { c.SmallInsertInterval = time.Minute }},
		{"tls: the scheme of the dsn is without TLS", func(c *Config) { c.TLS.CAFile = "ca.pem" }},
		{"tls: the scheme of the dsn is without TLS", func(c *Config) { c.TLS.MinVersion = "1.3" }},
		{"tls: {insecure: true} on a trusted network alone", func(c *Config) { c.TLS.Insecure = false }},
	} {
		cfg := NewDefaultConfig()
		cfg.DSN = "http://u:hidden@db:8123/audit"
		cfg.TLS.Insecure = true
		require.NoError(t, cfg.Validate())
		c.change(&cfg)
		err := cfg.Validate()
		require.ErrorContains(t, err, c.want, c.want)
		require.NotContains(t, err.Error(), "hidden")
		_, err = Open(context.Background(), cfg, Options{})
		require.ErrorIs(t, err, activity.ErrInvalid)
	}
}

// Clear text to another machine is a thing to be said, and beside it certificates
// would not be used.
func TestTLSAndTheScheme(t *testing.T) {
	for dsn, plain := range map[string]bool{
		"https://db/audit": false, "clickhouses://db/audit": false, "https://127.0.0.1/audit": false,
		"http://db/audit": true, "clickhouse://db/audit": true, "tcp://192.0.2.1/audit": true,
		"http://127.0.0.1/audit": true, "tcp://localhost:9000/audit": true, "http://[::1]:8123/audit": true,
		"clickhouse://localhost,db2/audit": true,
	} {
		local := !strings.Contains(dsn, "db") && !strings.Contains(dsn, "192.")
		for _, insecure := range []bool{false, true} {
			cfg := NewDefaultConfig()
			cfg.DSN, cfg.TLS.Insecure = configopaque.String(dsn), insecure
			require.Equal(t, !plain || local || insecure, cfg.Validate() == nil, "%s insecure: %t", dsn, insecure)
			cfg.TLS.ServerName = "db.internal"
			require.Equal(t, !plain, cfg.Validate() == nil, "%s with certificates", dsn)
		}
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	dir := t.TempDir()
	cfg := NewDefaultConfig()
	cfg.DSNFile, cfg.PasswordFile = filepath.Join(dir, "dsn"), filepath.Join(dir, "password")
	require.NoError(t, os.WriteFile(cfg.DSNFile, []byte("https://writer:old@db/audit\n"), 0o600))
	require.NoError(t, os.WriteFile(cfg.PasswordFile, []byte("new \n"), 0o600))
	require.NoError(t, cfg.Validate())
	o, err := cfg.options(context.Background())
	require.NoError(t, err)
	require.Equal(t, ch.Auth{Database: "audit", Username: "writer", Password: "new "}, o.Auth)
	require.NotNil(t, o.TLS)
	require.False(t, o.TLS.InsecureSkipVerify)
	require.Equal(t, "clickhouse:db:8443/audit", cfg.Identity())
	cfg.DSNFile, cfg.DSN = "", configopaque.String("http://b:1,a:2/audit")
	o, err = cfg.options(context.Background())
	require.NoError(t, err)
	require.Nil(t, o.TLS)
	require.Equal(t, "clickhouse:a:2,b:1/audit", cfg.Identity())
	require.Equal(t, 2*cfg.WriteTimeout, cfg.settle())
}
