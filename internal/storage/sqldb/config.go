package sqldb

import (
	"errors"
	"fmt"
	"path/filepath"
)

// DriverSQLite names the SQLite dialect.
const DriverSQLite = "sqlite"

// Config chooses the database.
type Config struct {
	// Driver is "sqlite".
	Driver string       `mapstructure:"driver"`
	SQLite SQLiteConfig `mapstructure:"sqlite"`
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
	}
}

// Bounds of the configuration.
const (
	minSegmentRows = 1000
	maxReaders     = 64
)

// Validate joins every problem and names the key.
func (c *Config) Validate() error {
	if c.Driver != DriverSQLite {
		return fmt.Errorf("driver: %q is not known, the drivers are: %s", c.Driver, DriverSQLite)
	}
	var errs []error
	s := &c.SQLite
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
	return errors.Join(errs...)
}

// Identity is equal for two configurations of the same database, for example
// "sqlite:/var/lib/activitylog/activity.db".
func (c *Config) Identity() string {
	dir, err := filepath.Abs(c.SQLite.Directory)
	if err != nil {
		dir = c.SQLite.Directory
	}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	return c.Driver + ":" + filepath.Join(dir, sqliteFile)
}
