// Package open turns a configuration into a store: the only package that
// imports every driver.
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
