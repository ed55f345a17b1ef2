package auditmongoexporter

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"

	"github.com/activitylog/otelcol-activitylog/exporter/auditmongoexporter/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/internal/auditexport"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/mongodb"
)

// NewFactory makes the factory of the auditmongo exporter.
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		metadata.Type,
		createDefaultConfig,
		exporter.WithLogs(createLogs, metadata.LogsStability),
	)
}

func createLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	c := cfg.(*Config)
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, fmt.Errorf("auditmongo: make metrics: %w", err)
	}
	return auditexport.New(ctx, set, cfg, auditexport.Settings{
		Delivery: c.Delivery,
		Identity: c.Database.Identity(),
		Open: func(ctx context.Context, opts storage.Options) (storage.Store, error) {
			return mongodb.Open(ctx, c.Database, opts)
		},
		Instruments: auditexport.Instruments{
			CommitDuration:     telemetry.ExporterAuditmongoCommitDuration,
			WriteEvents:        telemetry.ExporterAuditmongoWriteEvents,
			PendingEvents:      telemetry.ExporterAuditmongoPendingEvents,
			WrittenEvents:      telemetry.ExporterAuditmongoWrittenEvents,
			DuplicateEvents:    telemetry.ExporterAuditmongoDuplicateEvents,
			ConflictEvents:     telemetry.ExporterAuditmongoConflictEvents,
			DeadLetterEvents:   telemetry.ExporterAuditmongoDeadLetterEvents,
			DeadLettersExpired: telemetry.ExporterAuditmongoDeadLettersExpired,
		},
		Shutdown: telemetry.Shutdown,
	})
}
