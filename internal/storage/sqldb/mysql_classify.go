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

	"github.com/go-sql-driver/mysql"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Errors of the server, by what may be done about them. Those of MariaDB and
// MySQL have the same numbers up to 1900.
var mysqlErrors = map[uint16]error{
	// The content of a row.
	1048: storage.ErrContent, // a null where none may be
	1118: storage.ErrContent, // the row is too large
	1264: storage.ErrContent, // a number out of range
	1265: storage.ErrContent, // data truncated
	1292: storage.ErrContent, // not a value of the type
	1364: storage.ErrContent, // no default
	1366: storage.ErrContent, // not a value of the type or the character set
	1406: storage.ErrContent, // too long
	3819: storage.ErrContent, // a check of MySQL
	4025: storage.ErrContent, // a check of MariaDB
	1153: storage.ErrContent, // above max_allowed_packet
	1301: storage.ErrContent, // above max_allowed_packet, as a result

	// A server that only reads.
	1290: storage.ErrReadOnly, // --read-only
	1792: storage.ErrReadOnly, // a transaction that only reads
	1836: storage.ErrReadOnly, // read-only mode
	3100: storage.ErrReadOnly, // group replication lets no commit through

	1049: errNoTable, // no such database
	1146: errNoTable,
}

// unnamedError is what the server says of a large value that was sent by itself,
// and of much else.
const unnamedError = 1105

// classify adds the sentinel that tells the caller what may be done about an
// error of the database. What is not about the content of a row is retryable:
// no event is at fault, and an operator can put it right (a full disk, a lost
// privilege, a deadlock) while the clients keep theirs.
func (d *mysqlDialect) classify(err error) error {
	var e *mysql.MySQLError
	switch {
	case err == nil, errors.Is(err, storage.ErrRetryable), errors.Is(err, storage.ErrContent):
		return err
	case errors.As(err, &e):
		kind := mysqlErrors[e.Number]
		if e.Number == unnamedError && strings.Contains(e.Message, "max_allowed_packet") {
			kind = storage.ErrContent
		}
		switch {
		case kind == nil:
			return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
		case errors.Is(kind, storage.ErrContent):
			return fmt.Errorf("%w: %w", kind, err)
		}
		return fmt.Errorf("%w: %w: %w", kind, storage.ErrRetryable, err)
	case errors.Is(err, mysql.ErrPktTooLarge):
		return fmt.Errorf("%w: %w", storage.ErrContent, err)
	case d.lost(err), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
	}
	return err
}

// Errors with which the server ends a connection.
var mysqlEnded = map[uint16]bool{
	1053: true, // the server shuts down
	1152: true, // aborted
	1184: true, // aborted
	1927: true, // MariaDB: the connection was killed
	4031: true, // MySQL: idle for too long
}

func (*mysqlDialect) lost(err error) bool {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return mysqlEnded[e.Number]
	}
	var n net.Error
	return errors.As(err, &n) && !errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, mysql.ErrMalformPkt) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
