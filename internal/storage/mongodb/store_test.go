package mongodb

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func TestConformance(t *testing.T) {
	var configs sync.Map // of Config by store: the cases run in parallel
	open := func(t *testing.T, cfg Config) storage.Store {
		t.Helper()
		st := openTest(t, cfg, Options{})
		configs.Store(st, cfg)
		return st
	}
	sample := testConfig(t) // skips without a server
	storagetest.Run(t, storagetest.Factory{
		Open: func(t *testing.T) storage.Store { t.Helper(); return open(t, testConfig(t)) },
		Reopen: func(t *testing.T, s storage.Store) storage.Store {
			t.Helper()
			require.NoError(t, s.Close())
			cfg, ok := configs.Load(s)
			require.True(t, ok)
			return open(t, cfg.(Config))
		},
		Settle: 2 * sample.WriteTimeout,
	})
}
