package storagetest_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	storagetest.Run(t, storagetest.Factory{Open: func(*testing.T) storage.Store { return storagetest.NewMemory() }})
}

func TestSQLite(t *testing.T) {
	open := func(t *testing.T, dir string) storage.Store {
		t.Helper()
		cfg := sqldb.NewDefaultConfig()
		cfg.SQLite.Directory = dir
		s, err := sqldb.Open(context.Background(), cfg, sqldb.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		require.NoError(t, s.Migrate(context.Background()))
		return s
	}
	var dirs sync.Map // of storage.Store
	storagetest.Run(t, storagetest.Factory{
		Open: func(t *testing.T) storage.Store {
			t.Helper()
			dir := t.TempDir()
			s := open(t, dir)
			dirs.Store(s, dir)
			return s
		},
		Reopen: func(t *testing.T, s storage.Store) storage.Store {
			t.Helper()
			require.NoError(t, s.Close())
			dir, ok := dirs.Load(s)
			require.True(t, ok)
			return open(t, dir.(string))
		},
	})
}
