package auditsqlexporter

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/activitylog/otelcol-activitylog/exporter/auditsqlexporter/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
)

// NewFactory makes the factory of the auditsql exporter.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		metadata.Type,
		createDefaultConfig,
		exporter.WithLogs(createLogs, metadata.LogsStability),
	)
}

func createDefaultConfig() component.Config {
	retry := configretry.NewDefaultBackOffConfig()
	retry.InitialInterval = 100 * time.Millisecond
	retry.MaxInterval = time.Second
	retry.MaxElapsedTime = 3 * time.Second
	database := sqldb.NewDefaultConfig()
	letters := deadletter.NewDefaultConfig()
	letters.Directory = deadLetterDirectory(&database)
	return &Config{
		Database:   database,
		DeadLetter: letters,
		Timeout:    exporterhelper.TimeoutConfig{Timeout: 5 * time.Second},
		Retry:      retry,
		Queue:      configoptional.Default(exporterhelper.NewDefaultQueueConfig()),
	}
}

func createLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	c := cfg.(*Config)
	e, err := newExporter(c, set)
	if err != nil {
		return nil, err
	}
	logs, err := exporterhelper.NewLogs(ctx, set, cfg, e.push,
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithTimeout(c.Timeout),
		exporterhelper.WithRetry(c.Retry),
		exporterhelper.WithQueue(c.Queue),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
	)
	if err != nil {
		return nil, err
	}
	return withAttempts{Logs: logs}, nil
}
