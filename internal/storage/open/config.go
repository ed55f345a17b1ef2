package open

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/storage/clickhouse"
	"github.com/activitylog/otelcol-activitylog/internal/storage/mongodb"
	"github.com/activitylog/otelcol-activitylog/internal/storage/scylla"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
)

// Config chooses a driver. Each has a block of its own, and only the block of
// the chosen one counts.
type Config struct {
	// Driver names the database: one of Drivers.
	Driver string `mapstructure:"driver"`
	// SQLite is a file of this machine.
	SQLite sqldb.SQLiteConfig `mapstructure:"sqlite"`
	// Postgres is a schema on a PostgreSQL server.
	Postgres sqldb.PostgresConfig `mapstructure:"postgres"`
	// MySQL is a database on a MySQL or MariaDB server.
	MySQL sqldb.MySQLConfig `mapstructure:"mysql"`
	// ClickHouse is a database on a ClickHouse server.
	ClickHouse configoptional.Optional[clickhouse.Config] `mapstructure:"clickhouse"`
	// MongoDB is a database on a MongoDB server.
	MongoDB configoptional.Optional[mongodb.Config] `mapstructure:"mongodb"`
	// Scylla is a keyspace of ScyllaDB or Cassandra.
	Scylla configoptional.Optional[scylla.Config] `mapstructure:"scylla"`
}

// NewDefaultConfig gives SQLite in ./data, and the defaults of every block.
func NewDefaultConfig() Config {
	sql := sqldb.NewDefaultConfig()
	return Config{
		Driver: sql.Driver, SQLite: sql.SQLite, Postgres: sql.Postgres, MySQL: sql.MySQL,
		ClickHouse: configoptional.Default(clickhouse.NewDefaultConfig()),
		MongoDB:    configoptional.Default(mongodb.NewDefaultConfig()),
		Scylla:     configoptional.Default(scylla.NewDefaultConfig()),
	}
}

// The names of the drivers that have a package of their own; sqldb names the others.
const (
	driverClickHouse = "clickhouse"
	driverMongoDB    = mongodb.Driver
	driverScylla     = scylla.Driver
)

// Drivers lists the names that `driver` takes.
func Drivers() []string {
	return []string{sqldb.DriverSQLite, sqldb.DriverPostgres, sqldb.DriverMySQL, driverClickHouse, driverMongoDB, driverScylla}
}

// Exporters lists the types of the exporters whose databases are opened here.
func Exporters() []string {
	return []string{"auditsql", "auditclickhouse", "auditmongo", "auditscylla"}
}

// FromExporter reads the database of an exporter, by its type, from its part of
// a collector's configuration, where the driver's keys stand beside those of
// delivery.
func FromExporter(kind string, conf *confmap.Conf) (Config, error) {
	c := NewDefaultConfig()
	var into any
	switch kind {
	case "auditsql":
		into = &c // the same keys
	case "auditclickhouse":
		c.Driver, into = driverClickHouse, c.ClickHouse.GetOrInsertDefault()
	case "auditmongo":
		c.Driver, into = driverMongoDB, c.MongoDB.GetOrInsertDefault()
	case "auditscylla":
		c.Driver, into = driverScylla, c.Scylla.GetOrInsertDefault()
	default:
		return c, fmt.Errorf("%s is no exporter of this project; they are %s", kind, strings.Join(Exporters(), ", "))
	}
	return c, conf.Unmarshal(into, confmap.WithIgnoreUnused())
}

// Validate joins every problem of the chosen driver and names the key. The
// collector validates a block of its own (configoptional) by itself.
func (c *Config) Validate() error {
	d, err := c.database()
	if err != nil {
		return err
	}
	if d.validated {
		return nil
	}
	return d.config.Validate()
}

// Identity is equal for two configurations of the same database, and holds no
// password; "" when the driver is not known.
func (c *Config) Identity() string {
	d, err := c.database()
	if err != nil {
		return ""
	}
	return d.config.Identity()
}

// Folder is where a database of this machine lies, "" for one on a server.
func (c *Config) Folder() string {
	if c.Driver == sqldb.DriverSQLite {
		return c.SQLite.Directory
	}
	return ""
}

// SetDSN says where the server of the chosen driver is: by its DSN, or by a
// file that holds it.
func (c *Config) SetDSN(dsn configopaque.String, file string) error {
	d, err := c.database()
	switch {
	case err != nil:
		return err
	case d.dsn == nil:
		return errors.New("driver " + c.Driver + " has no server, so no DSN; give its folder")
	}
	*d.dsn, *d.dsnFile = dsn, file
	return nil
}

// WithoutTLS connects to the server of the chosen driver in clear text.
func (c *Config) WithoutTLS() {
	if d, err := c.database(); err == nil && d.tls != nil {
		d.tls.Insecure = true
	}
}

// CreateSchema lets Migrate change the schema, whatever the configuration says.
func (c *Config) CreateSchema() {
	if d, err := c.database(); err == nil && d.createSchema != nil {
		*d.createSchema = true
	}
}

// unknown names the drivers there are.
func (c *Config) unknown() error {
	return fmt.Errorf("driver: %q is not known, the drivers are: %s", c.Driver, strings.Join(Drivers(), ", "))
}

// IsExporter reports whether a component type is one of Exporters.
func IsExporter(kind string) bool { return slices.Contains(Exporters(), kind) }
