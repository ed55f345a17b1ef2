package auditclickhouseexporter

import (
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/auditexport"
	"github.com/activitylog/otelcol-activitylog/internal/storage/clickhouse"
)

// Config of the auditclickhouse exporter.
type Config struct {
	// Database is the driver's settings.
	Database clickhouse.Config `mapstructure:",squash"`
	// Delivery is what every audit exporter has: dead letters, retries, queue.
	Delivery auditexport.Config `mapstructure:",squash"`
}

var (
	_ component.Config    = (*Config)(nil)
	_ confmap.Unmarshaler = (*Config)(nil)
)

func createDefaultConfig() component.Config {
	return &Config{Database: clickhouse.NewDefaultConfig(), Delivery: auditexport.NewDefaultConfig()}
}

// Unmarshal completes the delivery, whose defaults depend on each other.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(c); err != nil {
		return err
	}
	c.Delivery.Complete(conf)
	return nil
}
