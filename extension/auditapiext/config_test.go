package auditapiext

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

func TestDefaultsAreValidAndLocal(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, "127.0.0.1:8686", cfg.Server.NetAddr.Endpoint)
	assert.Equal(t, filepath.Join("data", "api-token"), cfg.tokenFile())
}

func TestEveryKeyIsRead(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	sub, err := conf.Sub("auditapi")
	require.NoError(t, err)
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, sub.Unmarshal(cfg))
	require.NoError(t, confmap.Validate(cfg))
	want := createDefaultConfig().(*Config)
	want.Server = cfg.Server
	want.AllowUnauthenticated, want.TokenFile = true, "/run/secrets/api-token"
	want.ReadBudget, want.VerifyBudget, want.StallTimeout, want.MaxExports = time.Second, time.Minute, 5*time.Second, 8
	want.Storage.SQLite.Directory = "/var/lib/activitylog"
	assert.Equal(t, want, cfg)
	assert.Equal(t, "0.0.0.0:8686", cfg.Server.NetAddr.Endpoint)
	assert.Equal(t, time.Minute, cfg.Server.WriteTimeout)
	assert.Equal(t, "/run/secrets/api-token", cfg.tokenFile())
}

func TestMisspeltKeysAreNamed(t *testing.T) {
	conf := confmap.NewFromStringMap(map[string]any{"endpoint": "127.0.0.1:0", "tokenfile": "x"})
	require.ErrorContains(t, conf.Unmarshal(createDefaultConfig()), "no such key: tokenfile")
}

func TestValidateNamesEveryProblem(t *testing.T) {
	server := configtls.NewDefaultServerConfig()
	server.CertFile, server.KeyFile = "cert.pem", "key.pem"
	tls := configoptional.Some(server)
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"reachable in clear text": {func(c *Config) { c.Server.NetAddr.Endpoint = "0.0.0.0:8686" }, []string{"endpoint", "clear text", "tls"}},
		"reachable, encrypted":    {func(c *Config) { c.Server.NetAddr.Endpoint, c.Server.TLS = ":8686", tls }, nil},
		"reachable, meant so":     {func(c *Config) { c.Server.NetAddr.Endpoint, c.AllowUnauthenticated = ":8686", true }, nil},
		"unix socket":             {func(c *Config) { c.Server.NetAddr.Endpoint, c.Server.NetAddr.Transport = "/run/api.sock", "unix" }, nil},
		"two tokens":              {func(c *Config) { c.Token, c.TokenFile = "a", "b" }, []string{"token, token_file"}},
		"token with a line break": {func(c *Config) { c.Token = "abc\n" }, []string{"token: white space"}},
		"token with a space":      {func(c *Config) { c.Token = "a b" }, []string{"token: white space"}},
		"token not ASCII":         {func(c *Config) { c.Token = "schlüssel" }, []string{"token"}},
		"no time":                 {func(c *Config) { c.ReadBudget, c.VerifyBudget, c.StallTimeout = 0, -1, 0 }, []string{"read_budget", "verify_budget", "stall_timeout"}},
		"no exports":              {func(c *Config) { c.MaxExports = 0 }, []string{"max_exports"}},
		"lists cut off":           {func(c *Config) { c.Server.WriteTimeout = 4 * time.Second }, []string{"write_timeout", "read_budget"}},
		"no write timeout":        {func(c *Config) { c.Server.WriteTimeout = 0 }, nil},
		"another driver":          {func(c *Config) { c.Storage.Driver = "oracle" }, []string{"driver"}},
		"MongoDB's own expiry":    {func(c *Config) { c.Storage.MongoDB.GetOrInsertDefault().TTL = 24 * time.Hour }, []string{"storage::mongodb::ttl"}},
		"no directory":            {func(c *Config) { c.Storage.SQLite.Directory = "" }, []string{"directory"}},
	} {
		cfg := createDefaultConfig().(*Config)
		c.change(cfg)
		err := confmap.Validate(cfg)
		if c.want == nil {
			require.NoError(t, err, name)
			continue
		}
		for _, key := range c.want {
			require.ErrorContains(t, err, key, name)
		}
		assert.False(t, strings.Contains(err.Error(), "schlüssel") || strings.Contains(err.Error(), "abc"), "a token is never shown")
	}
}
