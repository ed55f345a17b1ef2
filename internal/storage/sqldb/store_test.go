package sqldb

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func TestConformance(t *testing.T) {
	conformance(t, func(tb testing.TB) Config { tb.Helper(); return testConfig(tb.TempDir()) })
}

func TestConformancePostgres(t *testing.T) {
	conformance(t, postgresConfig(t))
}

// conformance holds a driver to the contract; newConfig names an empty database
// for each store.
func conformance(t *testing.T, newConfig func(tb testing.TB) Config) {
	t.Helper()
	var configs sync.Map // of Config by store: the cases run in parallel
	open := func(t *testing.T, cfg Config) storage.Store {
		t.Helper()
		st := openTest(t, cfg, Options{})
		configs.Store(st, cfg)
		return st
	}
	storagetest.Run(t, storagetest.Factory{
		Open: func(t *testing.T) storage.Store { t.Helper(); return open(t, newConfig(t)) },
		Reopen: func(t *testing.T, s storage.Store) storage.Store {
			t.Helper()
			require.NoError(t, s.Close())
			cfg, ok := configs.Load(s)
			require.True(t, ok)
			return open(t, cfg.(Config))
		},
	})
}
