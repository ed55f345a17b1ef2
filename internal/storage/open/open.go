// Package open turns a configuration into a store: the only package that
// imports every driver.
//
// Store opens it once and gives the error; auditctl uses it. Handle is for
// components of a running collector: a database that is away at the start, or a
// disk that is full, is tried again with growing pauses (200 ms to 15 s) while
// callers get storage.ErrRetryable, so that their clients keep what they have.
// What waiting cannot mend (storage.ErrLocked, storage.ErrSchemaTooNew,
// activity.ErrInvalid) is returned at once, and ends the start of the collector.
//
// A driver is added here and nowhere else: its configuration beside sqldb's, and
// one more case in Store.
package open

import (
	"context"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
)

// Config chooses a driver and configures it.
type Config = sqldb.Config

// Options of Store.
type Options = sqldb.Options

// NewDefaultConfig gives the defaults of every key.
func NewDefaultConfig() Config { return sqldb.NewDefaultConfig() }

// Store opens the store of the configuration. A writing store is not migrated.
func Store(ctx context.Context, cfg Config, opts Options) (storage.Store, error) {
	return sqldb.Open(ctx, cfg, opts)
}
