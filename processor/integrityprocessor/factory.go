package integrityprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"

	"github.com/activitylog/otelcol-activitylog/processor/integrityprocessor/internal/metadata"
)

// NewFactory gives the factory of the processor "integrity".
func NewFactory() processor.Factory {
	return processor.NewFactory(
		metadata.Type,
		createDefaultConfig,
		processor.WithLogs(createLogs, metadata.LogsStability),
	)
}

func createLogs(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	return newProcessor(ctx, set, cfg.(*Config), next) //nolint:forcetypeassert // the collector gives what createDefaultConfig gave
}
