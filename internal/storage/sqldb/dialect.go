package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io/fs"
	"path"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/migration"
)

// dialect is what differs between SQL databases when they are read. Everything
// it gives is SQL text made of constants and of names this package made itself;
// values are always bound.
type dialect interface {
	// name of the driver, for example "sqlite".
	name() string
	wording
	planning
	connecting
	// schema gives the migrations and what is around them.
	schema() (*schema, error)
	// classify wraps a database error with the sentinel of package storage
	// that it stands for, or with errNoTable.
	classify(err error) error
}

// wording is how a condition is written.
type wording interface {
	// placeholder of the n-th bound value of a statement, from 1.
	placeholder(n int) string
	// contains is a condition: column holds the bound text, whatever the case
	// of its ASCII letters.
	contains(column, placeholder string) string
	// beyond is a condition: the columns, as one tuple, compare with the values
	// by op, which is one of < <= > >=. The index must be able to start there.
	beyond(b *builder, columns []string, op string, values []driver.Value) string
	// during is a condition that holds for rows with a datetime in [lo, hi], of
	// use to a database that can leave out partitions by it, and needed where
	// source is the same for several segments; else "".
	during(b *builder, lo, hi int64) string
}

// planning is where rows are and which indexes find them.
type planning interface {
	// catalogue lists the segments by time. A database that cuts its table into
	// parts by itself gives one segment for all of it, over the whole of time.
	catalogue(ctx context.Context, c *session) (catalogue, error)
	// byID gives the segments to ask one after the other for an id: those given,
	// or one over all of them where one query can do that.
	byID(segs catalogue) catalogue
	// byStored is the same for the order of commits.
	byStored(segs catalogue) catalogue
	// source is what follows FROM to read a segment in the order of an index,
	// "" for whichever: the table, and a hint where there is one.
	source(segment, index string) string
	// hasIndex: not every database can have every index of the plans.
	hasIndex(index string) bool
	// driving gives the column by which the index of a field finds a value, and
	// the value in it. Where that is not the field's own column (a hash), the
	// filter is tested on the rows, too.
	driving(field activity.Field, value driver.Value) (column string, v driver.Value)
}

// connecting is the life of a session.
type connecting interface {
	// begin starts a transaction that only reads or one that writes; COMMIT and
	// ROLLBACK end both.
	begin(writes bool) string
	// lost reports that an error means that the connection is gone.
	lost(err error) bool
	// convert gives a function that turns the values of each row with these
	// columns into the Go types of package sqldb: int64, string, and []byte for
	// ids, hashes and other bytes, all of them the caller's to keep. nil = they
	// come as that.
	convert(columns []string) func(row []driver.Value) error
	// dataVersion is a query for a number that a connection sees change when,
	// and only when, another has committed something since it asked last; "" when
	// the database has none.
	dataVersion() string
}

// schema is how the tables come to be.
type schema struct {
	files fs.FS // numbered .sql files in dir
	dir   string
	// preamble is what Print writes first, and after the migrations: when they
	// are run by a person, nothing else has been done.
	preamble, epilogue []string
	// versionTables are statements that can be run again.
	versionTables []string
	// lock keeps other processes from migrating until release, which is called
	// after the transaction has ended, on its connection.
	lock func(ctx context.Context, conn execer) (release func(context.Context) error, err error)
	// finish runs after the migrations, in their transaction, also when there
	// were none; nil = nothing.
	finish func(ctx context.Context, tx execer, segments []string) error
	// segmented: statements that name {segment} are the recipe of a segment.
	segmented bool
}

func (s *schema) migrations() ([]migration.Migration, error) {
	return migration.Read(s.files, path.Join(s.dir, "*.sql"))
}

// keeper is the side of a writer that differs: what it knows between
// transactions, and how a batch is stored. One goroutine uses it at a time.
type keeper interface {
	// load reads what the keeper knows, on a session that is new.
	load(ctx context.Context, c *session) error
	// prepare runs before the transaction of a batch, for what cannot be a part
	// of it, such as making partitions.
	prepare(ctx context.Context, c *session, events []activity.Event) error
	// mark remembers what the keeper knows as a transaction begins; undo goes
	// back to that.
	mark() (undo func())
	// store stores a batch inside the transaction, as groupcommit.Commit says.
	store(ctx context.Context, c *session, events []activity.Event) (storage.WriteResult, error)
	// probe tells whether the store can be written, inside a transaction.
	probe(ctx context.Context, c *session) error
}

// dropper is the side of retention that differs. Its methods are called inside
// a transaction of the writer that does retention, except reclaim.
type dropper interface {
	// dropOldest drops the oldest part that ends before the retention's time
	// whole, and says so by More; without one it does nothing.
	dropOldest(ctx context.Context, c *session, r *storage.Retention) (storage.RetentionResult, error)
	// deleted notes that rows of a segment are gone.
	deleted(ctx context.Context, c *session, segment string, rows int) error
	// dropEmpty drops the parts that the retention has emptied.
	dropEmpty(ctx context.Context, c *session, r *storage.Retention) error
	// reclaim gives a portion of the space of deleted rows back to the system,
	// and reports whether there is more. It runs between transactions.
	reclaim(ctx context.Context, c *session, r *storage.Retention) (more bool, err error)
}

// execer is a connection or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
