package auditmongoexporter

import (
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/auditexport"
	"github.com/activitylog/otelcol-activitylog/internal/storage/mongodb"
)

// Config of the auditmongo exporter.
type Config struct {
	// Database is the driver's settings.
	Database mongodb.Config `mapstructure:",squash"`
	// Delivery is what every audit exporter has: dead letters, retries, queue.
	Delivery auditexport.Config `mapstructure:",squash"`
}

var (
	_ component.Config    = (*Config)(nil)
	_ confmap.Unmarshaler = (*Config)(nil)
)

func createDefaultConfig() component.Config {
	return &Config{Database: mongodb.NewDefaultConfig(), Delivery: auditexport.NewDefaultConfig()}
}

// Unmarshal completes the defaults that depend on other keys.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(c); err != nil {
		return err
	}
	c.Delivery.Complete(conf)
	return nil
}

// Validate refuses what the parts cannot see of each other; the collector asks
// them, too.
func (c *Config) Validate() error {
	if c.Database.TTL > 0 && c.Delivery.AuditAPI != nil {
		return errors.New("ttl: the auditapi extension manages retention, and MongoDB's deletion heeds none of its holds; remove ttl, or auditapi")
	}
	return nil
}
