package auditsqlexporter

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/activitylog/otelcol-activitylog/exporter/auditsqlexporter/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/exporter/auditsqlexporter/internal/metadatatest"
	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

func load(t *testing.T, m map[string]any) *Config {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, confmap.NewFromStringMap(m).Unmarshal(cfg))
	return cfg
}

// validate asks the parts too, as the collector does.
func validate(c *Config) error {
	return confmap.Validate(c)
}

func TestConfigAccepted(t *testing.T) {
	cfg := load(t, map[string]any{"sqlite": map[string]any{"directory": "/x"}, "auditapi": "auditapi"})
	require.NoError(t, validate(cfg))
	assert.Equal(t, "/x", folder(&cfg.Database), "the dead letters lie beside the database")
	assert.False(t, cfg.Delivery.Queue.HasValue())
	assert.Equal(t, 3*time.Second, cfg.Delivery.Retry.MaxElapsedTime)

	cfg = load(t, map[string]any{"sending_queue": map[string]any{"storage": "file_storage"}})
	require.NoError(t, validate(cfg))
	assert.Zero(t, cfg.Delivery.Retry.MaxElapsedTime, "a spooled exporter never gives up")
	assert.EqualValues(t, 1000, cfg.Delivery.Queue.Get().QueueSize)
}

func TestConfigRefused(t *testing.T) {
	f := func(key string, m map[string]any) {
		t.Helper()
		assert.ErrorContains(t, validate(load(t, m)), key)
	}
	spool := map[string]any{"storage": "file_storage"}
	f("timeout", map[string]any{"timeout": "0s"})
	f("retry_on_failure::max_elapsed_time", map[string]any{"retry_on_failure": map[string]any{"max_elapsed_time": 0}})
	f("max_elapsed_time: 3s and timeout: 5s", map[string]any{"timeout": "8s"})
	f("within which", map[string]any{"timeout": "11s", "retry_on_failure": map[string]any{"enabled": false}})
	f("sending_queue::storage", map[string]any{"sending_queue": map[string]any{}})
	f("write max_elapsed_time: 0", map[string]any{"sending_queue": spool, "retry_on_failure": map[string]any{"max_elapsed_time": "5m"}})
	f("retry_on_failure::enabled", map[string]any{"sending_queue": spool, "retry_on_failure": map[string]any{"enabled": false}})
	f("sqlite::directory", map[string]any{"sqlite": map[string]any{"directory": ""}})
}

func TestLifecycleOfTheFactory(t *testing.T) {
	cfg := load(t, map[string]any{"sqlite": map[string]any{"directory": t.TempDir()}})
	logs, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	require.NoError(t, logs.ConsumeLogs(t.Context(), oneRecord("login")))
	assert.FileExists(t, filepath.Join(cfg.Database.SQLite.Directory, "activity.db"))
	assert.DirExists(t, filepath.Join(cfg.Database.SQLite.Directory, "dead-letters"))
	require.NoError(t, logs.Shutdown(t.Context()))
}

func oneRecord(what string) plog.Logs {
	event := activity.Event{ID: activity.ID{1, 6: 0x70, 8: 0x80}, Kind: activity.KindLogin, Type: what, Datetime: 1, ReceivedAt: 2}
	ld := plog.NewLogs()
	activitylogs.Encode(&event, ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
	return ld
}

// TestMetricsAreTheComponentsOwn: an event that is new, one that is there, one that is another under the same key.
func TestMetricsAreTheComponentsOwn(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	cfg := load(t, map[string]any{"sqlite": map[string]any{"directory": t.TempDir()}})
	logs, err := NewFactory().CreateLogs(t.Context(), metadatatest.NewSettings(telemetry), cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	for _, ld := range []plog.Logs{oneRecord("login"), oneRecord("login"), oneRecord("login"), oneRecord("logout")} {
		require.NoError(t, logs.ConsumeLogs(t.Context(), ld))
	}
	point := func(n int64) []metricdata.DataPoint[int64] { return []metricdata.DataPoint[int64]{{Value: n}} }
	metadatatest.AssertEqualExporterAuditsqlWrittenEvents(t, telemetry, point(1), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditsqlDuplicateEvents(t, telemetry, point(2), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditsqlConflictEvents(t, telemetry, point(1), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditsqlPendingEvents(t, telemetry, point(0), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditsqlDeadLetterEvents(t, telemetry, []metricdata.DataPoint[int64]{
		{Value: 1, Attributes: attribute.NewSet(attribute.String("cause", "conflict"))},
		{Attributes: attribute.NewSet(attribute.String("cause", "refused"))}, // there from the start, for alerts on an increase
		{Attributes: attribute.NewSet(attribute.String("cause", "invalid"))},
	}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	require.NoError(t, logs.Shutdown(t.Context()))
}
