package storage

import "errors"

// Sentinel errors. Drivers wrap the database's error with one of them; the
// exporter and the API map them in one place each.
var (
	// ErrRetryable: the database could not do it now; the same call may
	// succeed later.
	ErrRetryable = errors.New("store unavailable")
	// ErrOverloaded: too many bytes wait to be written; try again shortly.
	ErrOverloaded = errors.New("store overloaded")
	// ErrContent: the database refuses the content of at least one event of
	// the batch. groupcommit looks for which by halving; it never leaves a
	// Store.
	ErrContent = errors.New("content refused by the store")
	// ErrBudget: the time budget was spent before a whole answer was found.
	ErrBudget = errors.New("time budget spent")
	// ErrSchemaTooNew: a newer binary changed the schema in a way that this
	// one cannot work with.
	ErrSchemaTooNew = errors.New("schema too new")
	// ErrSchemaTooOld: the schema is older than this binary, which is not
	// allowed to change it.
	ErrSchemaTooOld = errors.New("schema too old")
	// ErrLocked: another process writes to the same store.
	ErrLocked = errors.New("store is in use by another process")
	// ErrReadOnly: the store was opened for reading.
	ErrReadOnly = errors.New("store is read-only")
	// ErrClosed: the store is closed or closing.
	ErrClosed = errors.New("store is closed")
)
