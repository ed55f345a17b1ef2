package clickhouse

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configtls"
)

// Config is a database on a ClickHouse server.
type Config struct {
	// CreateSchema lets the collector make and change the tables. Without it
	// somebody runs the statements of `auditctl migrate --print`.
	CreateSchema bool `mapstructure:"create_schema"`
	// DSN names the server and the database, for example
	// http://writer@clickhouse:8123/audit or clickhouse://clickhouse:9000/audit.
	DSN configopaque.String `mapstructure:"dsn"`
	// DSNFile holds the DSN, instead of dsn.
	DSNFile string `mapstructure:"dsn_file"`
	// Password overrides that of the DSN.
	Password configopaque.String `mapstructure:"password"`
	// PasswordFile holds the password, instead of password.
	PasswordFile string `mapstructure:"password_file"`
	// TLS of the connection, with the schemes https and clickhouses. With the
	// others, insecure says that a connection in clear text is meant.
	TLS configtls.ClientConfig `mapstructure:"tls"`
	// Compression on the wire: lz4, zstd or none.
	Compression string `mapstructure:"compression"`
	// WriteTimeout bounds storing one batch. The feed is behind by twice of it.
	WriteTimeout time.Duration `mapstructure:"write_timeout"`
	// ReadTimeout bounds a query that brings no budget of its own.
	ReadTimeout time.Duration `mapstructure:"read_timeout"`
	// MutationTimeout bounds a retention or erasure statement.
	MutationTimeout time.Duration `mapstructure:"mutation_timeout"`
	// MaxMemoryMiB bounds what one query may take on the server.
	MaxMemoryMiB int64 `mapstructure:"max_memory_mib"`
	// MaxOpenConns bounds the connections; further reads wait.
	MaxOpenConns int `mapstructure:"max_open_conns"`
	// AsyncInsert lets the server gather inserts; the answer still waits until
	// they are stored.
	AsyncInsert bool `mapstructure:"async_insert"`
	// SmallInsertInterval is the least time between inserts of fewer than
	// largeInsert events, so that a trickle does not make more parts than the
	// server merges. The first insert after a pause never waits.
	SmallInsertInterval time.Duration `mapstructure:"small_insert_interval"`
}

// NewDefaultConfig gives the defaults of every key.
func NewDefaultConfig() Config {
	return Config{
		CreateSchema:        true,
		TLS:                 configtls.NewDefaultClientConfig(),
		Compression:         "lz4",
		WriteTimeout:        3 * time.Second,
		ReadTimeout:         30 * time.Second,
		MutationTimeout:     10 * time.Minute,
		MaxMemoryMiB:        2048,
		MaxOpenConns:        8,
		SmallInsertInterval: 50 * time.Millisecond,
	}
}

// Bounds of the configuration.
const (
	maxConns        = 64
	maxWriteTimeout = time.Minute
)

// Validate joins every problem and names the key.
func (c *Config) Validate() error {
	var errs []error
	if t, err := c.target(); err != nil {
		errs = append(errs, err)
	} else if err := c.checkTLS(t); err != nil {
		errs = append(errs, err)
	}
	if c.Password != "" && c.PasswordFile != "" {
		errs = append(errs, errors.New("password: set either password or password_file"))
	}
	if _, ok := compressions[c.Compression]; !ok {
		errs = append(errs, fmt.Errorf("compression: %q is not lz4, zstd or none", c.Compression))
	}
	if c.WriteTimeout <= 0 || c.WriteTimeout > maxWriteTimeout {
		errs = append(errs, fmt.Errorf("write_timeout: must be above 0 and at most %s", maxWriteTimeout))
	}
	if c.ReadTimeout <= 0 {
		errs = append(errs, errors.New("read_timeout: must be above 0"))
	}
	if c.MutationTimeout <= 0 {
		errs = append(errs, errors.New("mutation_timeout: must be above 0"))
	}
	if c.MaxMemoryMiB < 1 {
		errs = append(errs, errors.New("max_memory_mib: must be at least 1"))
	}
	if c.MaxOpenConns < 2 || c.MaxOpenConns > maxConns {
		errs = append(errs, fmt.Errorf("max_open_conns: must be between 2 and %d", maxConns))
	}
	if c.SmallInsertInterval < 0 || c.SmallInsertInterval > time.Second {
		errs = append(errs, errors.New("small_insert_interval: must be between 0 and 1s"))
	}
	return errors.Join(errs...)
}

// settle is how far the feed is behind the clock: every insert that got an
// earlier stored_ns has ended by then, stored or not.
func (c *Config) settle() time.Duration { return 2 * c.WriteTimeout }
