package auditscyllaexporter

import (
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/auditexport"
	"github.com/activitylog/otelcol-activitylog/internal/storage/scylla"
)

// Config of the auditscylla exporter.
type Config struct {
	// Database is the driver's settings.
	Database scylla.Config `mapstructure:",squash"`
	// Delivery is what every audit exporter has: dead letters, retries, queue.
	Delivery auditexport.Config `mapstructure:",squash"`
}

var (
	_ component.Config    = (*Config)(nil)
	_ confmap.Unmarshaler = (*Config)(nil)
)

func createDefaultConfig() component.Config {
	return &Config{Database: scylla.NewDefaultConfig(), Delivery: auditexport.NewDefaultConfig()}
}

// Unmarshal completes the defaults that depend on other keys.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(c); err != nil {
		return err
	}
	c.Delivery.Complete(conf)
	return nil
}
