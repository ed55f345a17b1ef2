package sqldb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// The drivers.
const (
	DriverSQLite   = "sqlite"
	DriverPostgres = "postgres"
	DriverMySQL    = "mysql" // MariaDB, too
)

// Config chooses the database.
type Config struct {
	// Driver names the block below that is used.
	Driver   string         `mapstructure:"driver"`
	SQLite   SQLiteConfig   `mapstructure:"sqlite"`
	Postgres PostgresConfig `mapstructure:"postgres"`
	MySQL    MySQLConfig    `mapstructure:"mysql"`
}

// database is the block of a driver.
type database interface {
	// problems joins nothing yet: each names its key.
	problems() []error
	// identity is equal for two configurations of the same database, and holds
	// no password.
	identity() string
	// dialect is there without a connection.
	dialect() dialect
	// open opens what a store is made of.
	open(ctx context.Context, opts *Options) (parts, error)
}

var (
	_ database = (*SQLiteConfig)(nil)
	_ database = (*PostgresConfig)(nil)
	_ database = (*MySQLConfig)(nil)
)

// database gives the block that is used.
func (c *Config) database() (database, error) {
	switch c.Driver {
	case DriverSQLite:
		return &c.SQLite, nil
	case DriverPostgres:
		return &c.Postgres, nil
	case DriverMySQL:
		return &c.MySQL, nil
	}
	return nil, fmt.Errorf("driver: %q is not known, the drivers are: %s", c.Driver, strings.Join([]string{DriverSQLite, DriverPostgres, DriverMySQL}, ", "))
}

// SQLiteConfig is a store in one file of one folder.
type SQLiteConfig struct {
	// Directory holds activity.db and activity.lock. It is made with mode 0700.
	Directory string `mapstructure:"directory"`
	// SegmentRows is how many events a segment takes before the next begins.
	SegmentRows int64 `mapstructure:"segment_rows"`
	// CacheMiB is the writer's page cache; it should hold the indexes of the
	// segment being written, about 300 bytes an event.
	CacheMiB int `mapstructure:"cache_mib"`
	// CheckpointMiB is the size of the write-ahead log at which it is copied
	// into the database.
	CheckpointMiB int `mapstructure:"checkpoint_mib"`
	// Readers is how many reads run at the same time; others wait.
	Readers int `mapstructure:"readers"`
}

// NewDefaultConfig gives the defaults of every key.
func NewDefaultConfig() Config {
	return Config{
		Driver: DriverSQLite,
		SQLite: SQLiteConfig{
			Directory:     "./data",
			SegmentRows:   250_000,
			CacheMiB:      128,
			CheckpointMiB: 64,
			Readers:       4,
		},
		Postgres: newDefaultPostgresConfig(),
		MySQL:    newDefaultMySQLConfig(),
	}
}

// Bounds of the configuration.
const (
	minSegmentRows = 1000
	maxReaders     = 64
)

// Validate joins every problem of the driver's block and names the key.
func (c *Config) Validate() error {
	db, err := c.database()
	if err != nil {
		return err
	}
	return errors.Join(db.problems()...)
}

// Identity is equal for two configurations of the same database, for example
// "sqlite:/var/lib/activitylog/activity.db" or "postgres:db:5432/audit/activitylog".
func (c *Config) Identity() string {
	db, err := c.database()
	if err != nil {
		return c.Driver + ":?"
	}
	return c.Driver + ":" + db.identity()
}

func (s *SQLiteConfig) problems() (errs []error) {
	if s.Directory == "" {
		errs = append(errs, errors.New("sqlite::directory: must not be empty"))
	}
	if s.SegmentRows < minSegmentRows {
		errs = append(errs, fmt.Errorf("sqlite::segment_rows: must be at least %d", minSegmentRows))
	}
	if s.CacheMiB < 1 {
		errs = append(errs, errors.New("sqlite::cache_mib: must be at least 1"))
	}
	if s.CheckpointMiB < 1 {
		errs = append(errs, errors.New("sqlite::checkpoint_mib: must be at least 1"))
	}
	if s.Readers < 1 || s.Readers > maxReaders {
		errs = append(errs, fmt.Errorf("sqlite::readers: must be between 1 and %d", maxReaders))
	}
	return errs
}

func (s *SQLiteConfig) identity() string {
	dir, err := filepath.Abs(s.Directory)
	if err != nil {
		dir = s.Directory
	}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	return filepath.Join(dir, sqliteFile)
}

func (*SQLiteConfig) dialect() dialect { return &sqliteDialect{} }

func (s *SQLiteConfig) open(ctx context.Context, opts *Options) (parts, error) {
	return sqliteParts(ctx, s, opts)
}
