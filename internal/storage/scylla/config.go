package scylla

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configtls"
)

// Driver names this driver.
const Driver = "scylla"

// Config of a store in ScyllaDB or Cassandra.
type Config struct {
	// CreateSchema lets the collector make and change the keyspace. Without it
	// somebody runs the statements of `auditctl migrate --print`.
	CreateSchema bool `mapstructure:"create_schema"`
	// DSN names hosts, keyspace and local data centre:
	// scylla://user:password@host1,host2:9042/activitylog?datacenter=dc1.
	DSN configopaque.String `mapstructure:"dsn"`
	// DSNFile holds the DSN, instead of dsn.
	DSNFile string `mapstructure:"dsn_file"`
	// Password overrides that of the DSN.
	Password configopaque.String `mapstructure:"password"`
	// PasswordFile holds the password, instead of password.
	PasswordFile string `mapstructure:"password_file"`
	// TLS of the connections. It is on, and the server is verified, unless
	// insecure says otherwise.
	TLS configtls.ClientConfig `mapstructure:"tls"`
	// ReplicationFactor of a keyspace that is made, in each data centre.
	ReplicationFactor int `mapstructure:"replication_factor"`
	// Shards is over how many partitions an hour of a tenant and kind is spread.
	// It is settled when the keyspace is made; 0 takes what was settled, or 8.
	Shards int `mapstructure:"shards"`
	// Connections to each node.
	Connections int `mapstructure:"connections"`
	// Concurrency bounds the requests under way, of writing and of each read.
	Concurrency int `mapstructure:"concurrency"`
	// ConnectTimeout bounds connecting to a node.
	ConnectTimeout time.Duration `mapstructure:"connect_timeout"`
	// RequestTimeout bounds one request; a commit is many of them after each other.
	RequestTimeout time.Duration `mapstructure:"request_timeout"`
}

// NewDefaultConfig gives the defaults of every key.
func NewDefaultConfig() Config {
	return Config{
		CreateSchema:      true,
		TLS:               configtls.NewDefaultClientConfig(),
		ReplicationFactor: 3,
		Connections:       2,
		Concurrency:       64,
		ConnectTimeout:    5 * time.Second,
		RequestTimeout:    5 * time.Second,
	}
}

// Bounds of the configuration.
const (
	defaultShards     = 8
	maxShards         = 256
	maxReplication    = 9
	maxConnections    = 64
	maxConcurrency    = 4096
	maxRequestTimeout = time.Minute
)

// Validate joins every problem and names the key.
func (c *Config) Validate() error {
	var errs []error
	if _, err := c.target(); err != nil {
		errs = append(errs, err)
	}
	if c.Password != "" && c.PasswordFile != "" {
		errs = append(errs, errors.New("password: set either password or password_file"))
	}
	between := func(key string, n, low, high int) {
		if n < low || n > high {
			errs = append(errs, fmt.Errorf("%s: must be between %d and %d", key, low, high))
		}
	}
	between("replication_factor", c.ReplicationFactor, 1, maxReplication)
	between("shards", c.Shards, 0, maxShards)
	between("connections", c.Connections, 1, maxConnections)
	between("concurrency", c.Concurrency, 1, maxConcurrency)
	if c.ConnectTimeout <= 0 {
		errs = append(errs, errors.New("connect_timeout: must be above 0"))
	}
	if c.RequestTimeout <= 0 || c.RequestTimeout > maxRequestTimeout {
		errs = append(errs, fmt.Errorf("request_timeout: must be above 0 and at most %s", maxRequestTimeout))
	}
	return errors.Join(errs...)
}
