package mongodb

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configtls"
)

// Driver names this driver.
const Driver = "mongodb"

// Config of a store in MongoDB.
type Config struct {
	// DSN is the connection string, with the user and the password:
	// mongodb://user:password@host1,host2/database?replicaSet=rs0.
	DSN configopaque.String `mapstructure:"dsn"`
	// DSNFile is a file that holds the connection string instead.
	DSNFile string `mapstructure:"dsn_file"`
	// Database holds the collections; "" is the database that the DSN names.
	Database string `mapstructure:"database"`
	// CreateSchema makes collections and indexes at the start. False only
	// checks them, for a user that may not make any.
	CreateSchema bool `mapstructure:"create_schema"`
	// TLS of the connections. It is on, and the server is verified, unless
	// insecure says otherwise.
	TLS configtls.ClientConfig `mapstructure:"tls"`
	// MaxConnections bounds the pool of connections to each server.
	MaxConnections uint64 `mapstructure:"max_connections"`
	// ConnectTimeout bounds finding a primary and connecting to it.
	ConnectTimeout time.Duration `mapstructure:"connect_timeout"`
	// WriteTimeout bounds one write, on the server too. The live feed shows an
	// event twice this time after it was stored.
	WriteTimeout time.Duration `mapstructure:"write_timeout"`
	// TTL lets MongoDB delete events that are older; 0 keeps them. It heeds no
	// hold, so it cannot be used where the API manages retention.
	TTL time.Duration `mapstructure:"ttl"`
}

// NewDefaultConfig gives the defaults of every key.
func NewDefaultConfig() Config {
	return Config{
		CreateSchema:   true,
		TLS:            configtls.NewDefaultClientConfig(),
		MaxConnections: 20,
		ConnectTimeout: 5 * time.Second,
		WriteTimeout:   5 * time.Second,
	}
}

// Bounds of the configuration.
const (
	maxConnections  = 1000
	maxWriteTimeout = time.Minute
	minTTL          = time.Hour
	maxDSNFile      = 1 << 16
)

// databaseName is what MongoDB takes on every platform.
var databaseName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// Validate joins every problem and names the key.
func (c *Config) Validate() error {
	var errs []error
	switch {
	case (c.DSN == "") == (c.DSNFile == ""):
		errs = append(errs, errors.New("dsn, dsn_file: write one of them, for example dsn: mongodb://db.example.com/activitylog"))
	case c.DSN != "":
		errs = append(errs, c.validateDSN(string(c.DSN))...)
	}
	if c.Database != "" && !databaseName.MatchString(c.Database) {
		errs = append(errs, errors.New("database: 1 to 63 letters, digits, _ and -"))
	}
	if c.MaxConnections < 1 || c.MaxConnections > maxConnections {
		errs = append(errs, fmt.Errorf("max_connections: must be between 1 and %d", maxConnections))
	}
	if c.ConnectTimeout <= 0 {
		errs = append(errs, errors.New("connect_timeout: must be above 0"))
	}
	if c.WriteTimeout <= 0 || c.WriteTimeout > maxWriteTimeout {
		errs = append(errs, fmt.Errorf("write_timeout: must be above 0 and at most %s", maxWriteTimeout))
	}
	if c.TTL != 0 && c.TTL < minTTL {
		errs = append(errs, fmt.Errorf("ttl: must be 0 or at least %s", minTTL))
	}
	return errors.Join(errs...)
}

func (c *Config) validateDSN(text string) []error {
	d, err := parseDSN(text)
	if err != nil {
		return []error{fmt.Errorf("dsn: %w", err)}
	}
	var errs []error
	for _, err := range d.refusals() {
		errs = append(errs, fmt.Errorf("dsn: %w", err))
	}
	if name := c.databaseOf(&d); name == "" {
		errs = append(errs, errors.New("database: must not be empty; write it here or behind the hosts of the dsn"))
	} else if !databaseName.MatchString(name) {
		errs = append(errs, errors.New("dsn: the database has 1 to 63 letters, digits, _ and -"))
	}
	return errs
}

func (c *Config) databaseOf(d *dsn) string {
	if c.Database != "" {
		return c.Database
	}
	return d.database
}

// Identity is equal for two configurations of the same database, for example
// "mongodb:db1.example.com:27017,db2.example.com:27017/activitylog". It has no
// password.
func (c *Config) Identity() string {
	text, err := c.readDSN()
	if err != nil {
		return Driver + ":" + c.DSNFile + "/" + c.Database
	}
	d, err := parseDSN(text)
	if err != nil {
		return Driver + ":/" + c.Database
	}
	return Driver + ":" + strings.Join(d.hosts, ",") + "/" + c.databaseOf(&d)
}

// readDSN gives the connection string, from its file where there is one.
func (c *Config) readDSN() (string, error) {
	if c.DSNFile == "" {
		return string(c.DSN), nil
	}
	info, err := os.Stat(c.DSNFile)
	if err != nil {
		return "", fmt.Errorf("dsn_file: %w", err)
	}
	if info.Size() > maxDSNFile {
		return "", fmt.Errorf("dsn_file: %s is too large to be a connection string", c.DSNFile)
	}
	raw, err := os.ReadFile(c.DSNFile)
	if err != nil {
		return "", fmt.Errorf("dsn_file: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// resolve reads and checks the connection string, and gives it with the name of
// the database.
func (c *Config) resolve() (d dsn, database string, err error) {
	if err := c.Validate(); err != nil {
		return d, "", err
	}
	text, err := c.readDSN()
	if err != nil {
		return d, "", err
	}
	if err := errors.Join(c.validateDSN(text)...); err != nil {
		return d, "", err
	}
	if d, err = parseDSN(text); err != nil {
		return d, "", err
	}
	database = c.databaseOf(&d)
	return d, database, nil
}
