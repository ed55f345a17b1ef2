package scylla

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dsnVariable holds where a server for tests is: host:port, several with commas,
// with user:password@ before them where it wants one.
const dsnVariable = "ACTIVITYLOG_TEST_CASSANDRA_DSN"

// testConfig is for one keyspace of the server, skipping the test without one.
func testConfig(tb testing.TB, keyspace string) Config {
	tb.Helper()
	server := os.Getenv(dsnVariable)
	if server == "" {
		tb.Skipf("no server: set %s, or run make services-up", dsnVariable)
	}
	cfg := NewDefaultConfig()
	cfg.DSN = configopaque.String("scylla://" + server + "/" + keyspace)
	cfg.TLS.Insecure = true
	cfg.ReplicationFactor = 1
	cfg.RequestTimeout = 20 * time.Second // a busy machine
	return cfg
}

func openTest(tb testing.TB, cfg Config, opts Options) *store {
	tb.Helper()
	st, err := Open(context.Background(), cfg, opts)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, st.Close()) })
	if !opts.ReadOnly {
		require.NoError(tb, st.Migrate(context.Background()))
	}
	return st.(*store)
}

// freshKeyspace makes a keyspace for one test and drops it in the end.
func freshKeyspace(tb testing.TB, name string) Config {
	tb.Helper()
	cfg := testConfig(tb, name)
	drop := func() {
		cfg := testConfig(tb, name)
		st, err := Open(context.Background(), cfg, Options{})
		require.NoError(tb, err)
		require.NoError(tb, st.(*store).session.Query("DROP KEYSPACE IF EXISTS "+name).Exec())
		require.NoError(tb, st.Close())
	}
	drop()
	tb.Cleanup(drop)
	return cfg
}

// emptyKeyspace gives the keyspace that the tests of this package share, one
// after the other: made once, then emptied, which is twenty times as fast.
func emptyKeyspace(t *testing.T) Config {
	t.Helper()
	const name = "activitylog_test"
	cfg := testConfig(t, name)
	st, err := Open(context.Background(), cfg, Options{})
	require.NoError(t, err)
	made.Do(func() { require.NoError(t, st.(*store).session.Query("DROP KEYSPACE IF EXISTS "+name).Exec()) })
	require.NoError(t, st.Migrate(context.Background()))
	empty(t, st.(*store), false)
	require.NoError(t, st.Close())
	return cfg
}

var made sync.Once

// keyspaces is a small number of keyspaces that the cases of the suite take
// turns with: making one costs half a second, emptying it a few hundredths.
type keyspaces struct {
	free chan string
	mu   sync.Mutex
	used map[string]string // keyspace by name of the test that has it
}

const suiteKeyspaces = 4

func newKeyspaces(t *testing.T) *keyspaces {
	t.Helper()
	k := &keyspaces{free: make(chan string, suiteKeyspaces), used: map[string]string{}}
	for i := range suiteKeyspaces {
		cfg := freshKeyspace(t, fmt.Sprintf("activitylog_suite_%d", i))
		require.NoError(t, openTest(t, cfg, Options{}).Close())
		target, err := cfg.target()
		require.NoError(t, err)
		k.free <- target.keyspace
	}
	return k
}

// take gives an empty keyspace. A test that has one already gets it again,
// emptied: what it had in it is no longer looked at.
func (k *keyspaces) take(t *testing.T) (cfg Config, again bool) {
	t.Helper()
	k.mu.Lock()
	name, again := k.used[t.Name()]
	k.mu.Unlock()
	if !again {
		name = <-k.free
		k.mu.Lock()
		k.used[t.Name()] = name
		k.mu.Unlock()
		t.Cleanup(func() { k.free <- name })
	}
	return testConfig(t, name), again
}

// empty takes everything out, also tombstones: of a deleted row one stays, which
// would swallow that of another test. Tables without rows are left out where
// nothing was deleted: one costs a tenth of a second.
func empty(t *testing.T, st *store, onlyRows bool) {
	t.Helper()
	for _, table := range []string{"events", "ids", "lookups", "buckets", "tenants"} {
		if onlyRows && rows(t, st, table) == 0 {
			continue
		}
		require.NoError(t, st.session.Query(st.named("TRUNCATE {keyspace}."+table)).Exec())
	}
}

func TestConformance(t *testing.T) {
	pool := newKeyspaces(t)
	var configs sync.Map // of Config by store
	storagetest.Run(t, storagetest.Factory{
		Open: func(t *testing.T) storage.Store {
			t.Helper()
			cfg, again := pool.take(t)
			st := openTest(t, cfg, Options{})
			empty(t, st, again)
			configs.Store(st, cfg)
			return st
		},
		Reopen: func(t *testing.T, s storage.Store) storage.Store {
			t.Helper()
			require.NoError(t, s.Close())
			cfg, ok := configs.Load(s)
			require.True(t, ok)
			return openTest(t, cfg.(Config), Options{})
		},
	})
}

// rows gives what a table holds, counted by the server.
func rows(t *testing.T, st *store, table string) int {
	t.Helper()
	var n int
	require.NoError(t, st.session.Query(fmt.Sprintf("SELECT count(*) FROM %s.%s", st.target.keyspace, table)).
		Consistency(gocql.LocalQuorum).Scan(&n))
	return n
}
