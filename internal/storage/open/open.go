// Package open turns a configuration into a store: the only package that
// imports every driver.
//
// Store opens it once and gives the error; auditctl uses it. NewHandle is for
// components of a running collector, whose database may be away for a while.
//
// A driver is added here and nowhere else: its configuration beside sqldb's, and
// one more case in Store.
package open

import (
	"context"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/handle"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
)

// Config chooses a driver and configures it.
type Config = sqldb.Config

// Options of Store.
type Options = storage.Options

// NewDefaultConfig gives the defaults of every key.
func NewDefaultConfig() Config { return sqldb.NewDefaultConfig() }

// Store opens the store of the configuration. A writing store is not migrated.
func Store(ctx context.Context, cfg Config, opts Options) (storage.Store, error) {
	return sqldb.Open(ctx, cfg, opts)
}

// NewHandle opens and migrates the store of the configuration, in the background when it is not there yet.
func NewHandle(ctx context.Context, cfg Config, opts Options) (*handle.Handle, error) {
	return handle.New(ctx, func(ctx context.Context, opts Options) (storage.Store, error) { return Store(ctx, cfg, opts) }, opts)
}
