package sqldb

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// tamper changes the database as a person with the sqlite3 shell would.
func tamper(t *testing.T, cfg Config, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(cfg.SQLite.Directory, sqliteFile))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	db.SetMaxOpenConns(1) // a pragma is its connection's
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
}

func TestFilesArePrivateAndCommitsDurable(t *testing.T) {
	cfg := testConfig(filepath.Join(t.TempDir(), "new"))
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 10))
	folder, err := os.Stat(cfg.SQLite.Directory)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), folder.Mode().Perm())
	entries, err := os.ReadDir(cfg.SQLite.Directory)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), e.Name())
	}
	var synchronous int
	require.NoError(t, st.writer.session.conn.QueryRowContext(context.Background(), "PRAGMA synchronous").Scan(&synchronous))
	require.Equal(t, 2, synchronous)
}

func TestSecondWriterIsRefusedAndReadersAreNot(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t.TempDir())
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 10))
	_, err := Open(ctx, cfg, Options{})
	require.ErrorIs(t, err, storage.ErrLocked)
	require.ErrorContains(t, err, lockFile)

	beside := openTest(t, cfg, Options{ReadOnly: true})
	page, err := beside.Page(ctx, activity.AllTenants(), activity.Query{Limit: 100})
	require.NoError(t, err)
	require.Len(t, page.Events, 10)
	write(t, st, newEvents(10, 1500)) // makes a segment and leaves a live write-ahead log
	count, err := beside.Count(ctx, activity.AllTenants(), activity.Query{}, 5000)
	require.NoError(t, err)
	require.Equal(t, activity.Count{N: 1500, Exact: true}, count)
	_, err = beside.Write(ctx, newEvents(0, 1))
	require.ErrorIs(t, err, storage.ErrReadOnly)
	require.ErrorIs(t, beside.Migrate(ctx), storage.ErrReadOnly)
}

func TestOlderBinaryWorksOnAdditiveSchemaOnly(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t.TempDir())
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1200))
	older, err := st.dialect.schema()
	require.NoError(t, err)
	first, newest := *older, *older
	newest.files, newest.dir = fstest.MapFS{
		"m/0001_events.sql": {Data: must(sqliteSchema.ReadFile("schema/sqlite/0001_events.sql"))},
		"m/0002_mood.sql":   {Data: []byte("-- version 2, works with 1: a mood\n\nALTER TABLE {segment} ADD COLUMN mood TEXT;\n")},
		"m/0003_break.sql":  {Data: []byte("-- version 3, works with 3: no mood\n\nALTER TABLE {segment} DROP COLUMN mood;\n")},
	}, "m"
	run := func(sc schema) error {
		tx, err := st.writer.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		if err := migrate(ctx, tx, st.dialect, &sc); err != nil {
			require.NoError(t, tx.Rollback())
			return err
		}
		return tx.Commit()
	}
	st.writer.session = discard(st.writer.session)
	additive := newest
	additive.files = fstest.MapFS{"m/0001_events.sql": newest.files.(fstest.MapFS)["m/0001_events.sql"], "m/0002_mood.sql": newest.files.(fstest.MapFS)["m/0002_mood.sql"]}
	require.NoError(t, run(additive))
	require.NoError(t, run(first), "the older binary accepts the additive schema")
	write(t, st, newEvents(1200, 1300)) // and makes the next segment with it
	require.Len(t, kept(st).catalogue, 2)
	for _, seg := range kept(st).catalogue {
		var n int
		require.NoError(t, st.writer.session.conn.QueryRowContext(ctx, "SELECT count(mood) FROM "+seg.name).Scan(&n))
	}
	st.writer.session = discard(st.writer.session)
	require.NoError(t, run(newest))
	require.ErrorIs(t, run(first), storage.ErrSchemaTooNew)
	_, err = Open(ctx, cfg, Options{ReadOnly: true})
	require.ErrorIs(t, err, storage.ErrSchemaTooNew)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The child commits batches for ever and prints how many events are promised.
func TestKillLosesNothingThatWasPromised(t *testing.T) {
	const marker = "SQLDB_TEST_CHILD_DIRECTORY"
	if dir := os.Getenv(marker); dir != "" {
		st := openTest(t, testConfig(dir), Options{})
		for i := 0; ; i += 100 {
			write(t, st, newEvents(i, i+100))
			fmt.Printf("promised %d\n", i+100)
		}
	}
	cfg := testConfig(t.TempDir())
	for round := range 3 {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), marker+"="+cfg.SQLite.Directory)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		promised := 0
		lines := bufio.NewScanner(out)
		for n := 1; lines.Scan(); n++ {
			if promised, err = strconv.Atoi(strings.TrimPrefix(lines.Text(), "promised ")); err != nil {
				break // a line cut short by the kill promises nothing
			}
			if n == 5+7*round { // somewhere in the next commit
				require.NoError(t, child.Process.Kill())
			}
		}
		require.Error(t, child.Wait())
		st := openTest(t, cfg, Options{})
		var check string
		require.NoError(t, st.writer.db.QueryRow("PRAGMA integrity_check").Scan(&check))
		require.Equal(t, "ok", check)
		seen := map[activity.ID]bool{}
		for r, err := range st.Scan(context.Background(), activity.AllTenants(), activity.Query{}) {
			require.NoError(t, err)
			require.False(t, seen[r.ID])
			seen[r.ID] = true
		}
		require.GreaterOrEqual(t, len(seen), promised)
		require.Positive(t, promised)
		for _, e := range newEvents(0, promised) {
			require.True(t, seen[e.ID])
		}
		require.NoError(t, st.Close())
	}
}

func TestClassifyRealErrors(t *testing.T) {
	d := &sqliteDialect{}
	cfg := testConfig(t.TempDir())
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1))
	name := kept(st).catalogue[0].name
	path := filepath.Join(cfg.SQLite.Directory, sqliteFile)
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	require.NoError(t, os.WriteFile(damaged, []byte(strings.Repeat("not a database ", 1000)), 0o600))
	try := func(dsn string, statements ...string) error {
		db, err := sql.Open("sqlite", dsn)
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		db.SetMaxOpenConns(1)
		for _, s := range statements {
			if _, err = db.Exec(s); err != nil {
				return err
			}
		}
		return nil
	}
	f := func(err error, primary int, want error) {
		t.Helper()
		var e *sqlite.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, primary, e.Code()&0xff, err)
		require.ErrorIs(t, d.classify(err), want)
	}
	insert := "INSERT INTO " + name + " (id, datetime_ns, kind) "
	f(try(path, insert+"VALUES (x'00', 1, '')"), sqlite3.SQLITE_CONSTRAINT, storage.ErrContent)
	f(try(path, insert+"VALUES ('text', 1, 'crud')"), sqlite3.SQLITE_CONSTRAINT, storage.ErrContent)
	f(try(path, insert+"VALUES (zeroblob(2000000000), 1, 'crud')"), sqlite3.SQLITE_TOOBIG, storage.ErrContent)
	f(try("file:"+path+"?mode=ro", insert+"VALUES (x'00', 1, 'crud')"), sqlite3.SQLITE_READONLY, storage.ErrReadOnly)
	f(try("file:"+path+"?mode=ro", insert+"VALUES (x'00', 1, 'crud')"), sqlite3.SQLITE_READONLY, storage.ErrRetryable)
	f(try("file:"+filepath.Join(t.TempDir(), "none", "x.db")+"?mode=rw", "SELECT 1 FROM x"), sqlite3.SQLITE_CANTOPEN, storage.ErrRetryable)
	f(try(damaged, "SELECT 1 FROM sqlite_master"), sqlite3.SQLITE_NOTADB, storage.ErrRetryable)
	f(try(filepath.Join(t.TempDir(), "full.db"), "PRAGMA max_page_count=2", "CREATE TABLE a (b)", "INSERT INTO a VALUES (zeroblob(100000))"),
		sqlite3.SQLITE_FULL, storage.ErrRetryable)
	_, err := st.writer.session.conn.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	f(try(path, "BEGIN IMMEDIATE"), sqlite3.SQLITE_BUSY, storage.ErrRetryable)
	_, err = st.writer.session.conn.ExecContext(context.Background(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, d.classify(nil))
}

func TestAKindOutsideTheListIsRefused(t *testing.T) {
	st := openTest(t, testConfig(t.TempDir()), Options{})
	write(t, st, newEvents(0, 1))
	_, err := st.writer.session.conn.ExecContext(context.Background(), "UPDATE "+kept(st).catalogue[0].name+" SET kind = 'zzz'")
	require.ErrorIs(t, st.dialect.classify(err), storage.ErrContent)
	require.ErrorContains(t, err, "kind IN")
}
