package scylla

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
)

func TestDSN(t *testing.T) {
	for text, want := range map[string]target{
		"scylla://db/audit":    {hosts: []string{"db:9042"}, keyspace: "audit"},
		"cassandra://db/audit": {hosts: []string{"db:9042"}, keyspace: "audit"},
		"scylla://B:1,a/audit": {hosts: []string{"a:9042", "b:1"}, keyspace: "audit"},
		"scylla://[::1]/audit": {hosts: []string{"[::1]:9042"}, keyspace: "audit"},
		"scylla://[::1]:5/a_1": {hosts: []string{"[::1]:5"}, keyspace: "a_1"},
		"scylla://u@db/audit":  {hosts: []string{"db:9042"}, keyspace: "audit", username: "u"},
		"scylla://u:p%40%2F@db,e/audit?datacenter=dc1": {
			hosts: []string{"db:9042", "e:9042"}, keyspace: "audit", username: "u", password: "p@/", datacenter: "dc1",
		},
	} {
		got, err := parseDSN(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, *got, text)
	}
	for text, why := range map[string]string{
		"http://u:secret@db/audit":                   "must begin with",
		"secret":                                     "must begin with",
		"scylla://u:secret@/audit":                   "must name the hosts",
		"scylla://u:secret@db,,e/audit":              "must name the hosts",
		"scylla://u:secret@db":                       "keyspace",
		"scylla://u:secret@db/":                      "keyspace",
		"scylla://u:secret@db/Audit":                 "keyspace",
		"scylla://u:secret@db/a;drop":                "keyspace",
		"scylla://u:sec%ret@db/audit":                "percent-encoded",
		"scylla://u:secret@db/audit?datacenter=a'b":  "datacenter",
		"scylla://u:secret@db/audit?consistency=one": "LOCAL_QUORUM",
		"scylla://u:secret@db/audit?x=secret":        `"x" is not known`,
		"scylla://u:secret@db/audit?x=%zz":           "options",
	} {
		_, err := parseDSN(text)
		require.ErrorContains(t, err, why, text)
		assert.NotContains(t, err.Error(), "secret", text)
	}
}

func TestConfig(t *testing.T) {
	valid := func() Config {
		c := NewDefaultConfig()
		c.DSN = "scylla://db/audit"
		return c
	}
	c := valid()
	require.NoError(t, c.Validate())
	assert.Equal(t, "scylla:db:9042/audit", c.Identity())
	assert.False(t, c.TLS.Insecure, "TLS is on")
	for key, change := range map[string]func(c *Config){
		"dsn":                func(c *Config) { c.DSN = "" },
		"dsn: set":           func(c *Config) { c.DSNFile = "x" },
		"dsn_file":           func(c *Config) { c.DSN, c.DSNFile = "", "/nowhere" },
		"password:":          func(c *Config) { c.Password, c.PasswordFile = "x", "y" },
		"password_file":      func(c *Config) { c.PasswordFile = "/nowhere" },
		"replication_factor": func(c *Config) { c.ReplicationFactor = 0 },
		"shards":             func(c *Config) { c.Shards = 257 },
		"connections":        func(c *Config) { c.Connections = 0 },
		"concurrency":        func(c *Config) { c.Concurrency = 0 },
		"connect_timeout":    func(c *Config) { c.ConnectTimeout = 0 },
		"request_timeout":    func(c *Config) { c.RequestTimeout = time.Hour },
	} {
		c := valid()
		change(&c)
		require.ErrorContains(t, c.Validate(), key)
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	c = NewDefaultConfig()
	c.DSNFile, c.PasswordFile = file("dsn", "scylla://ann:old@db/audit\n"), file("password", "new\n")
	require.NoError(t, c.Validate())
	target, err := c.target()
	require.NoError(t, err)
	assert.Equal(t, "new", target.password)
	c = valid()
	c.DSN = "scylla://ann:old@db/audit"
	c.Password = configopaque.String("newer")
	target, err = c.target()
	require.NoError(t, err)
	assert.Equal(t, "newer", target.password)
}
