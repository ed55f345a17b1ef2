// Package open turns a configuration into a store: the only package that
// imports every driver.
//
// Store opens it once and gives the error; auditctl uses it. NewHandle is for
// components of a running collector, whose database may be away for a while.
//
// A driver is added here and nowhere else: its block in Config, and one more
// case in database.
package open

import (
	"context"
	"fmt"
	"io"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configtls"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/clickhouse"
	"github.com/activitylog/otelcol-activitylog/internal/storage/handle"
	"github.com/activitylog/otelcol-activitylog/internal/storage/mongodb"
	"github.com/activitylog/otelcol-activitylog/internal/storage/scylla"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
)

// Options of Store.
type Options = storage.Options

// database is the chosen driver with its configuration.
type database struct {
	config    config
	validated bool // by the collector, with the block
	open      handle.Open
	print     func(io.Writer) error

	dsn          *configopaque.String // nil without a server
	dsnFile      *string
	tls          *configtls.ClientConfig
	createSchema *bool // nil when the schema is always the store's own
}

type config interface {
	Validate() error
	Identity() string
}

// database gives the chosen driver. It is the one list of drivers. A block that
// is not written is taken with its defaults.
func (c *Config) database() (*database, error) {
	switch c.Driver {
	case sqldb.DriverSQLite:
		return c.sql(), nil
	case sqldb.DriverPostgres:
		return c.sql().on(&c.Postgres.ServerConfig), nil
	case sqldb.DriverMySQL:
		return c.sql().on(&c.MySQL.ServerConfig), nil
	case driverClickHouse:
		validated, cfg := c.ClickHouse.HasValue(), c.ClickHouse.GetOrInsertDefault()
		return &database{
			config: cfg, validated: validated, dsn: &cfg.DSN, dsnFile: &cfg.DSNFile, tls: &cfg.TLS, createSchema: &cfg.CreateSchema,
			open: func(ctx context.Context, opts Options) (storage.Store, error) {
				return clickhouse.Open(ctx, *cfg, opts)
			},
			print: func(w io.Writer) error { return clickhouse.Print(*cfg, w) },
		}, nil
	case driverMongoDB:
		validated, cfg := c.MongoDB.HasValue(), c.MongoDB.GetOrInsertDefault()
		return &database{
			config: cfg, validated: validated, dsn: &cfg.DSN, dsnFile: &cfg.DSNFile, tls: &cfg.TLS, createSchema: &cfg.CreateSchema,
			open:  func(ctx context.Context, opts Options) (storage.Store, error) { return mongodb.Open(ctx, *cfg, opts) },
			print: func(w io.Writer) error { return mongodb.Print(*cfg, w) },
		}, nil
	case driverScylla:
		validated, cfg := c.Scylla.HasValue(), c.Scylla.GetOrInsertDefault()
		return &database{
			config: cfg, validated: validated, dsn: &cfg.DSN, dsnFile: &cfg.DSNFile, tls: &cfg.TLS, createSchema: &cfg.CreateSchema,
			open:  func(ctx context.Context, opts Options) (storage.Store, error) { return scylla.Open(ctx, *cfg, opts) },
			print: func(w io.Writer) error { return scylla.Print(*cfg, w) },
		}, nil
	}
	return nil, c.unknown()
}

func (c *Config) sql() *database {
	sql := &sqldb.Config{Driver: c.Driver, SQLite: c.SQLite, Postgres: c.Postgres, MySQL: c.MySQL}
	return &database{
		config: sql,
		open:   func(ctx context.Context, opts Options) (storage.Store, error) { return sqldb.Open(ctx, *sql, opts) },
		print:  func(w io.Writer) error { return sqldb.Print(*sql, w) },
	}
}

// on names the server's keys.
func (d *database) on(server *sqldb.ServerConfig) *database {
	d.dsn, d.dsnFile, d.tls, d.createSchema = &server.DSN, &server.DSNFile, &server.TLS, &server.CreateSchema
	return d
}

// Store opens the store of the configuration. A writing store is not migrated.
func Store(ctx context.Context, cfg Config, opts Options) (storage.Store, error) {
	d, err := cfg.database()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", activity.ErrInvalid, err)
	}
	return d.open(ctx, opts)
}

// NewHandle opens and migrates the store of the configuration, in the background
// when it is not there yet.
func NewHandle(ctx context.Context, cfg Config, opts Options) (*handle.Handle, error) {
	d, err := cfg.database()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", activity.ErrInvalid, err)
	}
	return handle.New(ctx, d.open, opts)
}

// Print writes the statements of the schema, for review before an administrator
// lets them run.
func Print(cfg Config, w io.Writer) error {
	d, err := cfg.database()
	if err != nil {
		return err
	}
	return d.print(w)
}
