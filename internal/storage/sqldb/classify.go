package sqldb

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// classify adds the sentinel that tells the caller what may be done about an
// error of SQLite. What is in the way of the whole store (a full or failing
// disk, a damaged file, a lock) is retryable: no event is at fault, and an
// operator can put it right while the clients keep theirs.
func (*sqliteDialect) classify(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the low byte is the primary code
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		return fmt.Errorf("%w: %w", storage.ErrContent, err)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%w: %w: %w", storage.ErrReadOnly, storage.ErrRetryable, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM:
		return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
	}
	return err
}
