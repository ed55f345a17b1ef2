package e2e

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the database/sql driver "pgx"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// backend is a database that the built binary runs on, with the configuration
// that is shipped for it.
type backend struct {
	name     string
	driver   string
	config   string
	exporter string
	// variable holds the DSN of the test server; "" needs none.
	variable string
	// prepare makes a database of the given name and gives the environment of a
	// collector that uses it.
	prepare func(t *testing.T, dsn, database string) map[string]string
	// silentDuplicates: the store does not report duplicates and conflicts; the
	// earliest acceptance of a key is the one that is seen.
	silentDuplicates bool
	// uncounted: lists come without a count.
	uncounted bool
	// lacks says of a parameter of a kind's list that the store refuses it.
	lacks func(kind, parameter string) bool
}

func lacksNothing(string, string) bool { return false }

// scyllaLacks: CQL has neither substrings nor an order that is not the table's.
func scyllaLacks(_, parameter string) bool {
	return strings.HasSuffix(parameter, "__icontains") ||
		slices.Contains([]string{"search", "ordering=response_time_ms", "slow_requests/"}, parameter)
}

func backends() []backend {
	return []backend{
		{
			name: "sqlite", driver: "sqlite", config: "otelcol-config.yaml", exporter: "auditsql", lacks: lacksNothing,
			prepare: func(*testing.T, string, string) map[string]string { return map[string]string{} },
		},
		{
			name: "postgres", driver: "postgres", config: "deploy/postgres.yaml", exporter: "auditsql", variable: "ACTIVITYLOG_TEST_POSTGRES_DSN",
			prepare: preparePostgres, lacks: lacksNothing,
		},
		{
			name: "mysql", driver: "mysql", config: "deploy/mysql.yaml", exporter: "auditsql", variable: "ACTIVITYLOG_TEST_MYSQL_DSN",
			prepare: prepareMySQL, lacks: lacksNothing,
		},
		{
			name: "clickhouse", driver: "clickhouse", config: "deploy/clickhouse.yaml", exporter: "auditclickhouse", variable: "ACTIVITYLOG_TEST_CLICKHOUSE_DSN",
			prepare: prepareClickHouse, lacks: lacksNothing, silentDuplicates: true,
		},
		{
			name: "mongodb", driver: "mongodb", config: "deploy/mongodb.yaml", exporter: "auditmongo", variable: "ACTIVITYLOG_TEST_MONGODB_DSN",
			prepare: prepareMongoDB, lacks: lacksNothing,
		},
		{
			name: "cassandra", driver: "scylla", config: "deploy/scylla.yaml", exporter: "auditscylla", variable: "ACTIVITYLOG_TEST_CASSANDRA_DSN",
			prepare: prepareCassandra, lacks: scyllaLacks, silentDuplicates: true, uncounted: true,
		},
	}
}

// onDatabase runs one statement on a server and closes the connection.
func onDatabase(t *testing.T, driver, dsn, statement string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	_, err = db.Exec(statement)
	require.NoError(t, db.Close())
	require.NoError(t, err)
}

func preparePostgres(t *testing.T, dsn, database string) map[string]string {
	t.Helper()
	onDatabase(t, "pgx", dsn, "CREATE DATABASE "+database)
	t.Cleanup(func() { onDatabase(t, "pgx", dsn, "DROP DATABASE "+database+" WITH (FORCE)") })
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.Path = "/" + database
	return map[string]string{"ACTIVITYLOG_POSTGRES_DSN": u.String()}
}

func prepareMySQL(t *testing.T, dsn, database string) map[string]string {
	t.Helper()
	onDatabase(t, "mysql", dsn, "CREATE DATABASE "+database)
	t.Cleanup(func() { onDatabase(t, "mysql", dsn, "DROP DATABASE "+database) })
	c, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	c.DBName = database
	return map[string]string{"ACTIVITYLOG_MYSQL_DSN": c.FormatDSN(), "ACTIVITYLOG_MYSQL_INSECURE": "true"}
}

func prepareClickHouse(t *testing.T, dsn, database string) map[string]string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	server := *u
	server.Path = "/"
	ask := func(statement string) {
		t.Helper()
		resp, err := http.Post(server.String(), "text/plain", strings.NewReader(statement))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	}
	ask("CREATE DATABASE " + database)
	t.Cleanup(func() { ask("DROP DATABASE " + database) })
	u.Path = "/" + database
	return map[string]string{"ACTIVITYLOG_CLICKHOUSE_DSN": u.String()}
}

// prepareMongoDB: a database is there once something is written to it.
func prepareMongoDB(t *testing.T, dsn, database string) map[string]string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	u.Path = "/" + database
	t.Cleanup(func() {
		ctx := context.Background()
		client, err := mongo.Connect(options.Client().ApplyURI(u.String()))
		require.NoError(t, err)
		require.NoError(t, client.Database(database).Drop(ctx))
		require.NoError(t, client.Disconnect(ctx))
	})
	return map[string]string{"ACTIVITYLOG_MONGODB_DSN": u.String(), "ACTIVITYLOG_MONGODB_INSECURE": "true"}
}

// prepareCassandra: the collector makes the keyspace. The variable is host:port,
// several of them with commas, and user:password@ before them.
func prepareCassandra(t *testing.T, hosts, database string) map[string]string {
	t.Helper()
	t.Cleanup(func() {
		at := strings.LastIndexByte(hosts, '@')
		cluster := gocql.NewCluster(strings.Split(hosts[at+1:], ",")...)
		if at >= 0 {
			user, password, _ := strings.Cut(hosts[:at], ":")
			cluster.Authenticator = gocql.PasswordAuthenticator{Username: user, Password: password}
		}
		cluster.Timeout = 30 * time.Second
		session, err := cluster.CreateSession()
		require.NoError(t, err)
		defer session.Close()
		require.NoError(t, session.Query("DROP KEYSPACE IF EXISTS "+database).Exec())
	})
	return map[string]string{
		"ACTIVITYLOG_SCYLLA_DSN": "scylla://" + hosts + "/" + database, "ACTIVITYLOG_SCYLLA_INSECURE": "true",
		"ACTIVITYLOG_SCYLLA_REPLICATION_FACTOR": "1",
	}
}

// apiToken is the token of the collectors on a server's database: without a
// folder of its own it cannot be found in one.
const apiToken = "e2e-token-0123456789"

// collector prepares a collector on a fresh database of the backend.
func (b *backend) collector(t *testing.T) *collector {
	t.Helper()
	dsn := ""
	if b.variable != "" {
		if dsn = os.Getenv(b.variable); dsn == "" {
			t.Skip("set " + b.variable + ", or run make test-storage, which starts the servers")
		}
	}
	random := make([]byte, 6)
	_, err := rand.Read(random)
	require.NoError(t, err)
	c := newCollector(t, b.config)
	for key, value := range b.prepare(t, dsn, "e2e_"+hex.EncodeToString(random)) {
		c.env[key] = value
	}
	c.env["ACTIVITYLOG_API_TOKEN"] = apiToken
	return c
}
