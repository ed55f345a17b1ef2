package activityspanconnector

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"

	"github.com/activitylog/otelcol-activitylog/connector/activityspanconnector/internal/metadata"
)

// NewFactory creates the factory of the connector "activityspan".
func NewFactory() connector.Factory {
	return connector.NewFactory(metadata.Type, createDefaultConfig,
		connector.WithTracesToLogs(createTracesToLogs, metadata.TracesToLogsStability))
}

func createTracesToLogs(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Logs) (connector.Traces, error) {
	return newConnector(cfg.(*Config), set, next) //nolint:forcetypeassert // the collector gives what createDefaultConfig gave
}
