package auditsqlexporter

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"

	"github.com/activitylog/otelcol-activitylog/exporter/auditsqlexporter/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/internal/auditexport"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
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

func createLogs(ctx context.Context, set exporter.Settings, cfg component.Config) (exporter.Logs, error) {
	c := cfg.(*Config)
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, fmt.Errorf("auditsql: make metrics: %w", err)
	}
	return auditexport.New(ctx, set, cfg, auditexport.Settings{
		Delivery: c.Delivery,
		Identity: c.Database.Identity(),
		Folder:   folder(&c.Database),
		Open: func(ctx context.Context, opts storage.Options) (storage.Store, error) {
			return sqldb.Open(ctx, c.Database, opts)
		},
		Instruments: auditexport.Instruments{
			CommitDuration:     telemetry.ExporterAuditsqlCommitDuration,
			WriteEvents:        telemetry.ExporterAuditsqlWriteEvents,
			PendingEvents:      telemetry.ExporterAuditsqlPendingEvents,
			WrittenEvents:      telemetry.ExporterAuditsqlWrittenEvents,
			DuplicateEvents:    telemetry.ExporterAuditsqlDuplicateEvents,
			ConflictEvents:     telemetry.ExporterAuditsqlConflictEvents,
			DeadLetterEvents:   telemetry.ExporterAuditsqlDeadLetterEvents,
			DeadLettersExpired: telemetry.ExporterAuditsqlDeadLettersExpired,
		},
		Shutdown: telemetry.Shutdown,
	})
}
