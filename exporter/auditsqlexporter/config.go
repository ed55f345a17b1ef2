package auditsqlexporter

import (
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/auditexport"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
)

// Config of the auditsql exporter.
type Config struct {
	// Database is the driver and its settings.
	Database sqldb.Config `mapstructure:",squash"`
	// Delivery is what every audit exporter has: dead letters, retries, queue.
	Delivery auditexport.Config `mapstructure:",squash"`
}

var (
	_ component.Config    = (*Config)(nil)
	_ confmap.Unmarshaler = (*Config)(nil)
)

func createDefaultConfig() component.Config {
	return &Config{Database: sqldb.NewDefaultConfig(), Delivery: auditexport.NewDefaultConfig()}
}

// Unmarshal completes the delivery, whose defaults depend on each other.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(c); err != nil {
		return err
	}
	c.Delivery.Complete(conf)
	return nil
}

// folder is where a database of this machine lies, "" for one on a server.
func folder(database *sqldb.Config) string {
	if database.Driver == sqldb.DriverSQLite {
		return database.SQLite.Directory
	}
	return ""
}
