package activitylogreceiver

import (
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/configkeys"
)

// Unmarshal reads the configuration and refuses keys that nothing reads.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(c); err != nil {
		return err
	}
	return configkeys.Check[Config](conf)
}
