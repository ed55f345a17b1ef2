package scylla

import (
	"context"
	"os"
	"strings"
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// The roles of the README can do their work and no more of what CQL can
// withhold. It needs a server that asks for permissions.
func TestRoles(t *testing.T) {
	_, server, named := strings.Cut(os.Getenv(dsnVariable), "@")
	if !named {
		t.Skipf("%s names no user, so its server asks for no permissions; write user:password@host:port of one that does", dsnVariable)
	}
	cfg := freshKeyspace(t, "activitylog_roles")
	st := openTest(t, cfg, Options{})
	ctx := context.Background()
	exec := func(text string) error { return st.session.Query(st.named(text)).ExecContext(ctx) }
	role := func(name string, grants ...string) Config {
		t.Helper()
		require.NoError(t, exec("DROP ROLE IF EXISTS "+name))
		require.NoError(t, exec("CREATE ROLE "+name+" WITH PASSWORD = 'secret' AND LOGIN = true"))
		t.Cleanup(func() { assert.NoError(t, exec("DROP ROLE "+name)) })
		for _, g := range grants {
			require.NoError(t, exec(g+" TO "+name))
		}
		c := cfg
		c.DSN = configopaque.String("scylla://" + name + "@" + server + "/" + st.target.keyspace)
		c.Password = "secret"
		return c
	}

	writing := role("activitylog_writer", "GRANT SELECT, MODIFY ON KEYSPACE {keyspace}")
	writing.CreateSchema = false
	writer := openTest(t, writing, Options{})
	write(t, writer, newEvents(0, 10)...)
	get(t, writer, newEvent(1).ID)
	require.NoError(t, writer.Ping(ctx))
	for _, text := range []string{"DROP TABLE {keyspace}.events", "ALTER TYPE {keyspace}.event_facts ADD x text", "CREATE TABLE {keyspace}.x (a int PRIMARY KEY)"} {
		err := writer.session.Query(st.named(text)).Exec()
		var denied gocql.RequestError
		require.ErrorAs(t, err, &denied, text)
		assert.Equal(t, gocql.ErrCodeUnauthorized, denied.Code(), text)
		require.ErrorIs(t, classify(err), storage.ErrRetryable)
	}

	reading := role("activitylog_reader", "GRANT SELECT ON KEYSPACE {keyspace}")
	reader := openTest(t, reading, Options{ReadOnly: true})
	require.NoError(t, reader.Ping(ctx))
	p, err := reader.Page(ctx, activity.AllTenants(), activity.Query{Limit: 100})
	require.NoError(t, err)
	assert.Len(t, p.Events, 10)
	trying := open(t, reading, Options{})
	_, err = trying.Write(ctx, newEvents(10, 11))
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.ErrorContains(t, err, "MODIFY")

	wrong := reading
	wrong.Password = "another"
	_, err = Open(ctx, wrong, Options{})
	require.ErrorIs(t, err, storage.ErrRetryable)
	assert.NotContains(t, err.Error(), "another")

	owning := role("activitylog_owner", "GRANT CREATE ON ALL KEYSPACES")
	owning.DSN = configopaque.String(strings.Replace(string(owning.DSN), "/activitylog_roles", "/activitylog_owned", 1))
	owner := openTest(t, owning, Options{})
	t.Cleanup(func() { require.NoError(t, exec("DROP KEYSPACE IF EXISTS activitylog_owned")) })
	require.NoError(t, owner.Ping(ctx), "who makes a keyspace may use it")
}
