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
	case "42501", // permission denied: a grant puts it right
		"54000": // program limit: an index entry above a third of a page
		if e.Code == "54000" {
			return fmt.Errorf("%w: %w", storage.ErrContent, err)
		}
		return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "22", "23": // data exception, integrity constraint
		return fmt.Errorf("%w: %w", storage.ErrContent, err)
	case "08", "28", "3D", "40", "53", "55", "57", "58", "XX":
		// Connection, login, no database, rollback by the server (serialization,
		// deadlock), resources (disk, memory, connections), object in use (lock
		// timeout), operator intervention, system, internal.
		return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
	}
	return err
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
