package sqldb

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// The backup that the README describes, taken while the store writes.
func TestBackupIsAStore(t *testing.T) {
	ctx := context.Background()
	cfg, copied := testConfig(t.TempDir()), testConfig(t.TempDir())
	st := threeSegments(t, cfg)
	tamper(t, cfg, "VACUUM INTO '"+filepath.Join(copied.SQLite.Directory, sqliteFile)+"'")
	write(t, st, newEvents(2500, 2600))

	restored := openTest(t, copied, Options{})
	count, err := restored.Count(ctx, activity.AllTenants(), activity.Query{}, 5000)
	require.NoError(t, err)
	require.EqualValues(t, 2500, count.N)
	res := write(t, restored, newEvents(2400, 2600))
	require.Equal(t, 100, res.Written)
	require.Len(t, res.Duplicates, 100)
	var vacuum int
	require.NoError(t, restored.writer.session.conn.QueryRowContext(ctx, "PRAGMA auto_vacuum").Scan(&vacuum))
	require.Equal(t, 2, vacuum, "retention still gives space back")
}

func TestViewForPeopleShowsEverySegment(t *testing.T) {
	cfg := testConfig(t.TempDir())
	threeSegments(t, cfg)
	db, err := sql.Open("sqlite", filepath.Join(cfg.SQLite.Directory, sqliteFile))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var n int
	var first, last string
	require.NoError(t, db.QueryRowContext(context.Background(), "SELECT count(*), min(datetime), max(datetime) FROM activity_events").Scan(&n, &first, &last))
	require.Equal(t, 2500, n)
	require.Equal(t, []string{"2026-03-10T12:00:00.000Z", "2026-03-10T12:41:39.000Z"}, []string{first, last})
}
