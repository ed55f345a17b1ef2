package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// classify adds the sentinel that tells the caller what may be done about an
// error of PostgreSQL or of the way to it. The class is the first two letters of
// the SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
func (d *postgresDialect) classify(err error) error {
	if err == nil || errors.Is(err, storage.ErrRetryable) || errors.Is(err, storage.ErrContent) {
		return err
	}
	e := serverError(err)
	if e == nil {
		if d.lost(err) || errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
		}
		return err
	}
	switch e.Code {
	case "25006": // read-only transaction: a standby, or a disk that an operator has frozen
		return fmt.Errorf("%w: %w: %w", storage.ErrReadOnly, storage.ErrRetryable, err)
	case "42P01", "3F000", "42883": // no table, schema or function: not migrated, or another search_path
		return fmt.Errorf("%w: %w: %w", errNoTable, storage.ErrRetryable, err)
	}
	if contentError(e) {
		return fmt.Errorf("%w: %w", storage.ErrContent, err)
	}
	// The connection, the login, a right, a deadlock, a full disk, a lock, an
	// operator: no event is at fault.
	return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
}

// contentError reports whether the server refuses what an event holds.
func contentError(e *pgconn.PgError) bool {
	switch e.Code {
	case "54000": // program limit: an index entry above a third of a page
		return true
	case "23514": // a check has a name; without one a row is in the wrong partition, for partitions have changed meanwhile
		return e.ConstraintName != ""
	}
	return strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23") // data exception, integrity constraint
}

// lost reports whether the connection is of no more use.
func (*postgresDialect) lost(err error) bool {
	if e := serverError(err); e != nil {
		return e.Severity == "FATAL" || strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "57P")
	}
	var connecting *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connecting) || errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
