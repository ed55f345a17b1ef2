package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the database/sql driver

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

//go:embed schema/sqlite/*.sql
var sqliteSchema embed.FS

// The files of a store and their modes: events are personal data.
const (
	sqliteFile = "activity.db"
	fileMode   = 0o600
	folderMode = 0o700
)

const (
	busyTimeoutMS = 5000
	pageSize      = 4096
	// readerCacheKiB is the page cache of one reader, enough for the inner pages of
	// the indexes; the system caches the rest. SQLite bounds the caches of a process
	// together: a reader whose own is full takes the oldest page of any, and readers
	// that take from each other grow up to what the writer was allowed. The smaller
	// they are, the rarer that is.
	readerCacheKiB = 256
	// reclaimPages is how much one portion of reclaiming is: 8 MiB, some
	// milliseconds.
	reclaimPages = 2048
	// viewSegments bounds the view for people: SQLite joins at most 500 tables
	// in one UNION ALL.
	viewSegments = 400
)

// sqliteDialect is SQLite through modernc.org/sqlite, in WAL mode.
type sqliteDialect struct{}

func (*sqliteDialect) name() string           { return DriverSQLite }
func (*sqliteDialect) placeholder(int) string { return "?" }

// PRAGMA data_version takes part in the transaction: it is of its snapshot.
func (*sqliteDialect) dataVersion() string { return "PRAGMA data_version" }

// source names the index in the statement: a plan cannot change by itself.
func (*sqliteDialect) source(segment, index string) string {
	if index == "" {
		return segment
	}
	return segment + " INDEXED BY " + segment + "_" + index
}

func (*sqliteDialect) byID(segs catalogue) catalogue { return segs }

func (*sqliteDialect) byStored(segs catalogue) catalogue { return segs }

func (*sqliteDialect) hasIndex(string) bool { return true }

func (*sqliteDialect) driving(field activity.Field, value driver.Value) (column string, v driver.Value) {
	return field.String(), value
}

// beyond is a comparison of row values, which SQLite takes to its place in the
// index.
func (*sqliteDialect) beyond(b *builder, columns []string, op string, values []driver.Value) string {
	return "(" + strings.Join(columns, ", ") + ") " + op + " " + b.list(values)
}

// during has no use: a statement names its segment.
func (*sqliteDialect) during(*builder, int64, int64) string { return "" }

func (*sqliteDialect) begin(writes bool) string {
	if writes {
		return "BEGIN IMMEDIATE"
	}
	return "BEGIN"
}

// lost never happens to a file.
func (*sqliteDialect) lost(error) bool { return false }

func (*sqliteDialect) convert([]string) func([]driver.Value) error { return nil }

// lower() folds ASCII only. LIKE would refuse patterns above 50,000 bytes.
func (*sqliteDialect) contains(column, placeholder string) string {
	return "instr(lower(" + column + "), lower(" + placeholder + ")) > 0"
}

func (d *sqliteDialect) schema() (*schema, error) {
	return &schema{
		files: sqliteSchema, dir: "schema/sqlite", versionTables: append(versionTables(), segmentTable), segmented: true,
		// The transaction that migrates is the lock.
		lock: func(context.Context, execer) (func(context.Context) error, error) {
			return func(context.Context) error { return nil }, nil
		},
		finish: d.rebuildView,
	}, nil
}

// rebuildView covers the newest segments with one view, for people with the
// sqlite3 shell.
func (*sqliteDialect) rebuildView(ctx context.Context, tx execer, segments []string) error {
	if _, err := tx.ExecContext(ctx, "DROP VIEW IF EXISTS activity_events"); err != nil {
		return fmt.Errorf("drop the view: %w", err)
	}
	if len(segments) == 0 {
		return nil
	}
	segments = segments[max(0, len(segments)-viewSegments):]
	parts := make([]string, len(segments))
	for i, name := range segments {
		parts[i] = "SELECT datetime, " + selectList + " FROM " + name
	}
	if _, err := tx.ExecContext(ctx, "CREATE VIEW activity_events AS "+strings.Join(parts, " UNION ALL ")); err != nil {
		return fmt.Errorf("make the view: %w", err)
	}
	return nil
}

func (*sqliteDialect) reclaim(ctx context.Context, conn execer) (more bool, err error) {
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", reclaimPages)); err != nil {
		return false, err
	}
	var free int64
	err = conn.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free)
	return free > 0, err
}

// prepareFiles makes the folder and an empty database that only its owner can
// read; SQLite gives the files beside it the same mode.
func prepareFiles(dir string) error {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return fmt.Errorf("make the folder of the store: %w", err)
	}
	name := filepath.Join(dir, sqliteFile)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, fileMode) //nolint:gosec // the folder is the operator's choice
	if err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	return nil
}

// openSQLiteWriter gives the one connection that writes.
func openSQLiteWriter(ctx context.Context, c *SQLiteConfig) (*sql.DB, error) {
	pragmas := []string{
		"auto_vacuum(incremental)", // before the first table
		"journal_mode(wal)",
		"synchronous(full)",
		"secure_delete(fast)",
		"foreign_keys(off)",
		fmt.Sprintf("busy_timeout(%d)", busyTimeoutMS),
		fmt.Sprintf("cache_size(-%d)", c.CacheMiB<<10),
		fmt.Sprintf("wal_autocheckpoint(%d)", c.CheckpointMiB<<20/pageSize),
		fmt.Sprintf("journal_size_limit(%d)", 2*c.CheckpointMiB<<20),
	}
	db, err := sql.Open("sqlite", sqliteDSN(c.Directory, "rwc", pragmas)+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.SetMaxOpenConns(1)
	if err := assertDurable(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// assertDurable refuses a connection whose commits could be lost.
func assertDurable(ctx context.Context, db *sql.DB) error {
	var journal string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	var synchronous int
	if err := db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	if journal != "wal" || synchronous != 2 {
		return fmt.Errorf("open the database: journal_mode is %s and synchronous is %d, want wal and 2 (full): "+
			"the file system may not support a write-ahead log; use a local disk", journal, synchronous)
	}
	return nil
}

// openSQLiteReaders gives a pool of connections that cannot write.
func openSQLiteReaders(c *SQLiteConfig) (*sql.DB, error) {
	if _, err := os.Stat(filepath.Join(c.Directory, sqliteFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no store in %s yet: %w", c.Directory, err)
	}
	db, err := sql.Open("sqlite", sqliteDSN(c.Directory, "rw", []string{
		"query_only(on)",
		fmt.Sprintf("busy_timeout(%d)", busyTimeoutMS),
		fmt.Sprintf("cache_size(-%d)", readerCacheKiB),
	}))
	if err != nil {
		return nil, fmt.Errorf("open the database for reading: %w", err)
	}
	db.SetMaxOpenConns(c.Readers)
	db.SetMaxIdleConns(c.Readers)
	return db, nil
}

func sqliteDSN(dir, mode string, pragmas []string) string {
	path := filepath.Join(dir, sqliteFile)
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	q := url.Values{"mode": {mode}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// sqliteParts opens what a store of SQLite is made of.
func sqliteParts(ctx context.Context, cfg *SQLiteConfig, opts *Options) (p parts, err error) {
	d := &sqliteDialect{}
	p.dialect, p.createSchema, p.readersMax = d, true, cfg.Readers
	if !opts.ReadOnly {
		k := &sqliteKeeper{dialect: d, segmentRows: cfg.SegmentRows, now: opts.Now, logger: opts.Logger}
		p.keeper, p.dropper = k, k
		if err := prepareFiles(cfg.Directory); err != nil {
			return p, err
		}
		lock, err := lockDirectory(cfg.Directory)
		if err != nil {
			return p, err
		}
		p.unlock = sync.OnceValue(lock.Unlock)
		if p.writer, err = openSQLiteWriter(ctx, cfg); err != nil {
			return p, errors.Join(d.classify(err), p.close())
		}
	}
	if p.readers, err = openSQLiteReaders(cfg); err != nil {
		return p, errors.Join(d.classify(err), p.close())
	}
	return p, nil
}
