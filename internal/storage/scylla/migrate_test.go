package scylla

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func open(t *testing.T, cfg Config, opts Options) *store {
	t.Helper()
	st, err := Open(context.Background(), cfg, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st.(*store)
}

// Without create_schema a missing or older schema stops the start and names
// the command; what is printed is what the command would do.
func TestSchemaMadeByHand(t *testing.T) {
	cfg := freshKeyspace(t, "activitylog_byhand")
	cfg.CreateSchema = false
	st := open(t, cfg, Options{})
	ctx := context.Background()
	err := st.Migrate(ctx)
	require.ErrorIs(t, err, storage.ErrSchemaTooOld)
	assert.Contains(t, err.Error(), "auditctl migrate")
	_, err = st.Write(ctx, newEvents(0, 1))
	require.ErrorIs(t, err, storage.ErrRetryable, "an operator can put it right")
	require.ErrorIs(t, st.Ping(ctx), storage.ErrRetryable)
	_, err = Open(ctx, cfg, Options{ReadOnly: true})
	require.ErrorIs(t, err, storage.ErrSchemaTooOld)

	for _, shards := range []int{3, 0, 5} { // the first counts, however often it is run
		cfg.Shards = shards
		runPrinted(t, st, cfg)
	}
	require.NoError(t, st.Migrate(ctx))
	assert.Equal(t, 3, st.shards)
	write(t, st, newEvents(0, 5)...)
	cfg.Shards = 0
	readOnly := open(t, cfg, Options{ReadOnly: true})
	_, err = readOnly.Write(ctx, newEvents(0, 1))
	require.ErrorIs(t, err, storage.ErrReadOnly)
	require.ErrorIs(t, readOnly.Migrate(ctx), storage.ErrReadOnly)
	require.NoError(t, readOnly.Ping(ctx))
	res, err := readOnly.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: newEvent(100).Datetime, Limit: 10, DryRun: true})
	require.NoError(t, err)
	assert.Equal(t, int64(5), res.Deleted)
	_, err = readOnly.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: 1, Limit: 10})
	require.ErrorIs(t, err, storage.ErrReadOnly)
}

// runPrinted runs what is printed for a configuration.
func runPrinted(t *testing.T, st *store, cfg Config) {
	t.Helper()
	var printed bytes.Buffer
	require.NoError(t, Print(cfg, &printed))
	assert.Contains(t, printed.String(), noTablets)
	for statement := range strings.SplitSeq(printed.String(), ";\n") {
		var lines []string
		for line := range strings.SplitSeq(statement, "\n") {
			if !strings.HasPrefix(line, "--") {
				lines = append(lines, line)
			}
		}
		if text := strings.TrimSpace(strings.Join(lines, "\n")); text != "" {
			require.NoError(t, st.session.Query(text).Exec(), text)
		}
	}
}

// A keyspace of ScyllaDB with tablets has no lock: waiting does not mend that.
func TestAKeyspaceWithTabletsEndsTheStart(t *testing.T) {
	st := &store{target: &target{keyspace: "audit"}}
	ctx := context.Background()
	for _, text := range []string{
		"Cannot use LightWeight Transactions for table audit.schema_lock: LWT is not yet supported with tablets",
		"audit.schema_lock: LWT is not yet supported with tablets",
	} {
		err := st.lockFailure(ctx, requestError{gocql.ErrCodeInvalid, text})
		require.ErrorIs(t, err, activity.ErrInvalid)
		require.ErrorContains(t, err, "AND tablets = {'enabled': false}")
		require.ErrorContains(t, err, text)
	}
	err := st.lockFailure(ctx, requestError{gocql.ErrCodeInvalid, "unconfigured table schema_lock"})
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.NotErrorIs(t, err, activity.ErrInvalid)
}

// Only ScyllaDB is told about tablets, which Cassandra does not know.
func TestMakeKeyspace(t *testing.T) {
	cfg := freshKeyspace(t, "activitylog_made")
	st := open(t, cfg, Options{})
	ctx := context.Background()
	there := func() bool {
		t.Helper()
		found, err := st.finds(ctx, "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?", st.target.keyspace)
		require.NoError(t, err)
		return found
	}
	require.False(t, there())
	require.NoError(t, st.makeKeyspace(ctx))
	require.True(t, there())
	// One that somebody made stays as it is, and needs no permission to make any.
	st.cfg.ReplicationFactor = -1
	require.NoError(t, st.makeKeyspace(ctx))

	made := Config{ReplicationFactor: 3}
	const text = "CREATE KEYSPACE IF NOT EXISTS audit WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}"
	assert.Equal(t, text, made.createKeyspace(&target{keyspace: "audit", datacenter: "dc1"}, false))
	assert.Equal(t, text+" AND tablets = {'enabled': false}", made.createKeyspace(&target{keyspace: "audit", datacenter: "dc1"}, true))
}

// A lock that ran out ends the migration: another one may be at work.
func TestALockThatRanOut(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	ctx := context.Background()
	err := st.locked(ctx, func() error {
		require.NoError(t, st.keepLock(ctx))
		require.NoError(t, st.session.Query(st.named("DELETE FROM {keyspace}.schema_lock WHERE name = 'migrate' IF EXISTS")).Exec())
		return st.keepLock(ctx)
	})
	require.ErrorIs(t, err, storage.ErrRetryable)
	assert.Zero(t, rows(t, st, "schema_lock"))
}

func TestSchemaOfANewerBinary(t *testing.T) {
	st := openTest(t, freshKeyspace(t, "activitylog_newer"), Options{})
	ctx := context.Background()
	add := func(version, compatible int) {
		require.NoError(t, st.session.Query(st.named(
			"INSERT INTO {keyspace}.schema_version (one, version, compatible, title) VALUES (0, ?, ?, 'later')"), version, compatible).Exec())
	}
	add(2, 1)
	// A newer binary adds a member: this one writes and reads beside it.
	require.NoError(t, st.session.Query(st.named("ALTER TYPE {keyspace}.event_facts ADD later text")).Exec())
	added := open(t, st.cfg, Options{})
	require.NoError(t, added.Migrate(ctx))
	write(t, added, newEvents(0, 3)...)
	get(t, added, newEvent(1).ID)
	add(3, 3)
	require.ErrorIs(t, added.Migrate(ctx), storage.ErrSchemaTooNew)
}

// Shards are settled with the keyspace: other ones would give an event another row.
func TestShardsAreSettledOnce(t *testing.T) {
	cfg := freshKeyspace(t, "activitylog_shards")
	cfg.Shards = 3
	st := openTest(t, cfg, Options{})
	assert.Equal(t, 3, st.shards)
	cfg.Shards = 4
	err := open(t, cfg, Options{}).Migrate(context.Background())
	require.ErrorIs(t, err, activity.ErrInvalid)
	assert.Contains(t, err.Error(), "write shards: 3")
	cfg.Shards = 0
	assert.Equal(t, 3, openTest(t, cfg, Options{}).shards)
}

// Collectors that start together make the schema once.
func TestConcurrentMigrations(t *testing.T) {
	cfg := freshKeyspace(t, "activitylog_together")
	var owned sync.WaitGroup
	for range 4 {
		st := open(t, cfg, Options{})
		owned.Go(func() {
			if err := st.Migrate(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	owned.Wait()
	st := open(t, cfg, Options{})
	require.NoError(t, st.Migrate(context.Background()))
	assert.Zero(t, rows(t, st, "schema_lock"))
	write(t, st, newEvents(0, 10)...)
}

// What somebody changes by hand is seen.
func TestTampering(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	e := newEvent(1)
	write(t, st, e)
	b := st.eventBucket(&e)
	exec := func(text string, args ...any) {
		t.Helper()
		require.NoError(t, st.session.Query(st.named(text), args...).Exec())
	}
	exec("INSERT INTO {keyspace}.buckets (tenant_id, source, value, hour, shard) VALUES ('', ?, 0x, 0, 7)", b.source)
	exec("INSERT INTO {keyspace}.events (tenant_id, kind, hour, shard, datetime_ns, id, facts) VALUES ('', ?, 0, 7, ?, ?, {rank: 1, type: '', trace_id: 0x01})",
		b.source, e.Datetime, []byte{1, 2})
	var derived [][]string
	for r, err := range st.Scan(context.Background(), activity.AllTenants(), activity.Query{}) {
		require.NoError(t, err)
		derived = append(derived, r.Derived)
	}
	assert.Equal(t, [][]string{nil, {"type", "trace_id", "id", "hour", "shard"}}, derived)
}
