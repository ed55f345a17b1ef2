package faults

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// backend is a database under test.
type backend struct {
	name     string
	exporter string // type of its exporter
	script   string // in scripts/services; "" has no server
	variable string // of its DSN
	// address gives host and port in a DSN; via puts another one in its place.
	address func(dsn string) (string, error)
	// driver gives the exporter's keys for a store of its own, with that name,
	// reached by way of an address. It makes what must be there before.
	driver func(t *testing.T, dsn, name, via string) string
	// roomLeft is what is left, in bytes, of a disk that is full: ClickHouse's
	// table takes nothing below 128 MiB, because a part that is being written at
	// the last byte of a disk can be answered as stored and not be readable.
	roomLeft uint64
	// apart is a variable of the script: the client finds the address that the
	// server announces, whatever it was given, so that a server behind a proxy
	// must listen at another one.
	apart string
}

func backends() []backend {
	return []backend{
		{name: "sqlite", exporter: "auditsql"},
		{name: "postgres", exporter: "auditsql", script: "postgres", variable: "ACTIVITYLOG_TEST_POSTGRES_DSN", address: hostOfURL, driver: postgresKeys},
		{name: "mysql", exporter: "auditsql", script: "mariadb", variable: "ACTIVITYLOG_TEST_MYSQL_DSN", address: hostOfMySQL, driver: mysqlKeys},
		{name: "clickhouse", exporter: "auditclickhouse", script: "clickhouse", variable: "ACTIVITYLOG_TEST_CLICKHOUSE_DSN", address: hostOfURL, driver: clickhouseKeys, roomLeft: 64 << 20},
		{name: "mongodb", exporter: "auditmongo", script: "mongodb", variable: "ACTIVITYLOG_TEST_MONGODB_DSN", address: hostOfURL, driver: mongoKeys},
		{name: "cassandra", exporter: "auditscylla", script: "cassandra", variable: "ACTIVITYLOG_TEST_CASSANDRA_DSN", address: hostOfList, driver: cassandraKeys, apart: "ACTIVITYLOG_SERVICES_CASSANDRA_LISTEN"},
	}
}

// chosen gives the backends of FAULTS_BACKENDS, all without it.
func chosen(t *testing.T) []backend {
	t.Helper()
	names := os.Getenv("FAULTS_BACKENDS")
	if names == "" {
		return backends()
	}
	var out []backend
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(backends(), func(b backend) bool { return b.name == name })
		require.GreaterOrEqual(t, i, 0, "FAULTS_BACKENDS: %q is no backend", name)
		out = append(out, backends()[i])
	}
	return out
}

// needs skips a test whose databases FAULTS_BACKENDS leaves out, and gives them.
func needs(t *testing.T, names ...string) []backend {
	t.Helper()
	var out []backend
	for _, name := range names {
		i := slices.IndexFunc(chosen(t), func(b backend) bool { return b.name == name })
		if i < 0 {
			t.Skipf("FAULTS_BACKENDS leaves %s out", name)
		}
		out = append(out, chosen(t)[i])
	}
	return out
}

// dsn gives the DSN of a backend. A backend that was asked for and is not there
// is a failure: a fault that was never tried must not look survived.
func (b *backend) dsn(t *testing.T) string {
	t.Helper()
	dsn := os.Getenv(b.variable)
	require.NotEmpty(t, dsn, "set %s, or run make test-faults", b.variable)
	return dsn
}

// service runs a command of the backend's script: up, kill, pause, resume. More
// variables may name another instance.
func service(t *testing.T, script, command string, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(repo, "scripts", "services", script+".sh"), command)
	cmd.Env = append(os.Environ(), env...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, "%s.sh %s: %s", script, command, said.String())
	return string(out)
}

// unique names a store of this test.
func unique() string { return "faults_" + strconv.FormatInt(time.Now().UnixNano(), 36) }

func hostOfURL(dsn string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	return u.Host, nil
}

func hostOfMySQL(dsn string) (string, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return "", err
	}
	return c.Addr, nil
}

func hostOfList(dsn string) (string, error) {
	first, _, _ := strings.Cut(dsn, ",")
	return first[strings.IndexByte(first, '@')+1:], nil
}

// moved gives a DSN in the form of a URL another host.
func moved(t *testing.T, dsn, via string) *url.URL {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.Host = via
	return u
}

func postgresKeys(t *testing.T, dsn, name, via string) string {
	t.Helper()
	return fmt.Sprintf("    driver: postgres\n    postgres: {dsn: %q, schema: %s}\n", moved(t, dsn, via), name)
}

func mysqlKeys(t *testing.T, dsn, name, via string) string {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), "create database "+name)
	require.NoError(t, err)
	c, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	c.Addr, c.DBName = via, name
	return fmt.Sprintf("    driver: mysql\n    mysql: {dsn: %q, tls: {insecure: true}}\n", c.FormatDSN())
}

func clickhouseKeys(t *testing.T, dsn, name, via string) string {
	t.Helper()
	server, err := url.Parse(dsn)
	require.NoError(t, err)
	server.Path = "/"
	resp, err := http.Post(server.String(), "text/plain", strings.NewReader("CREATE DATABASE "+name)) // the driver makes tables, no database
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	u := moved(t, dsn, via)
	u.Path = "/" + name
	return fmt.Sprintf("    dsn: %q\n    tls: {insecure: true}\n", u)
}

func mongoKeys(t *testing.T, dsn, name, via string) string {
	t.Helper()
	return fmt.Sprintf("    dsn: %q\n    database: %s\n    tls: {insecure: true}\n", moved(t, dsn, via), name)
}

func cassandraKeys(_ *testing.T, dsn, name, via string) string {
	user := dsn[:strings.IndexByte(dsn, '@')+1]
	return fmt.Sprintf("    dsn: %q\n    replication_factor: 1\n    tls: {insecure: true}\n", "scylla://"+user+via+"/"+name+"?datacenter=datacenter1")
}

// sinkOf gives a sink with a store of its own. via is the server's address or a
// proxy's; folder is used by SQLite.
func (b *backend) sinkOf(t *testing.T, dsn, via, folder string, spooled bool) sink {
	t.Helper()
	s := sink{id: b.exporter + "/" + b.name, spooled: spooled}
	if b.script == "" {
		s.driver = fmt.Sprintf("    driver: sqlite\n    sqlite: {directory: %q}\n", folder)
	} else {
		s.driver = b.driver(t, dsn, unique(), via)
	}
	return s
}
