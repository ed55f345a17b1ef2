package clickhouse

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"sync"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dsnVariable = "ACTIVITYLOG_TEST_CLICKHOUSE_DSN"

// settleForTests is the write timeout of the tests, half of the settle window:
// the machine may be busy with other servers.
const settleForTests = 10 * time.Second

// testConfig gives a database of its own on the test server.
func testConfig(tb testing.TB) Config {
	tb.Helper()
	dsn := os.Getenv(dsnVariable)
	if dsn == "" {
		tb.Skipf("%s is not set: make services-up starts a server and says what to set", dsnVariable)
	}
	cfg := NewDefaultConfig()
	cfg.DSN = configopaque.String(dsn)
	admin, err := cfg.target()
	require.NoError(tb, err)
	raw := make([]byte, 6)
	_, err = rand.Read(raw)
	require.NoError(tb, err)
	name := "t_" + hex.EncodeToString(raw)
	o, err := cfg.options(context.Background())
	require.NoError(tb, err)
	conn, err := ch.Open(o)
	require.NoError(tb, err)
	require.NoError(tb, conn.Exec(context.Background(), "CREATE DATABASE "+name))
	tb.Cleanup(func() {
		require.NoError(tb, conn.Exec(context.Background(), "DROP DATABASE "+name+" SYNC"))
		require.NoError(tb, conn.Close())
	})
	cfg.WriteTimeout = settleForTests
	cfg.TLS.Insecure = true // wherever the server of the tests is
	cfg.DSN = configopaque.String("http://" + admin.addresses[0] + "/" + name)
	if admin.username != "" {
		cfg.DSN = configopaque.String("http://" + admin.username + "@" + admin.addresses[0] + "/" + name)
		cfg.Password = configopaque.String(admin.password)
	}
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

func TestConformance(t *testing.T) {
	var configs sync.Map // of Config by store: the cases run in parallel
	open := func(t *testing.T, cfg Config) storage.Store {
		t.Helper()
		st := openTest(t, cfg, Options{})
		configs.Store(st, cfg)
		return st
	}
	fast := func(t *testing.T) Config {
		t.Helper()
		cfg := testConfig(t)
		cfg.SmallInsertInterval = time.Millisecond
		return cfg
	}
	_ = testConfig(t) // skips the whole when there is no server
	storagetest.Run(t, storagetest.Factory{
		Settle: 2*settleForTests + time.Second,
		Open:   func(t *testing.T) storage.Store { t.Helper(); return open(t, fast(t)) },
		Reopen: func(t *testing.T, s storage.Store) storage.Store {
			t.Helper()
			require.NoError(t, s.Close())
			cfg, ok := configs.Load(s)
			require.True(t, ok)
			return open(t, cfg.(Config))
		},
	})
}
