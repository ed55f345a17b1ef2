package sqldb

import (
	"context"
	"database/sql"
)

// dialect is what differs between SQL databases. Everything it gives is SQL
// text made of constants and of names this package made itself; values are
// always bound.
type dialect interface {
	// name of the driver, for example "sqlite".
	name() string
	// placeholder of the n-th bound value of a statement, from 1.
	placeholder(n int) string
	// useIndex makes a query on a segment read it in the order of an index.
	useIndex(segment, index string) string
	// contains is a condition: column holds the bound text, whatever the case
	// of its ASCII letters.
	contains(column, placeholder string) string
	// dataVersion is a query for a number that a connection sees change when,
	// and only when, another has committed something since it asked last; "" when
	// the database has none.
	dataVersion() string
	// migrations are the embedded numbered files, oldest first.
	migrations() ([]migration, error)
	// rebuildView makes the view for people cover the segments.
	rebuildView(ctx context.Context, tx execer, segments []string) error
	// reclaim gives a portion of the space of deleted rows back to the system,
	// and reports whether there is more.
	reclaim(ctx context.Context, conn execer) (more bool, err error)
	// classify wraps a database error with the sentinel of package storage
	// that it stands for.
	classify(err error) error
}

// execer is a connection or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
