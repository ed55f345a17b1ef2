package auditmongoexporter

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/activitylog/otelcol-activitylog/exporter/auditmongoexporter/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/exporter/auditmongoexporter/internal/metadatatest"
	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
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

// withDSN adds the least that the exporter needs.
func withDSN(m map[string]any) map[string]any {
	out := map[string]any{"dsn": "mongodb://127.0.0.1/activitylog"}
	maps.Copy(out, m)
	return out
}

func TestConfigAccepted(t *testing.T) {
	cfg := load(t, withDSN(map[string]any{"auditapi": "auditapi"}))
	require.NoError(t, validate(cfg))
	assert.True(t, cfg.Database.CreateSchema)
	assert.False(t, cfg.Delivery.Queue.HasValue())
	assert.Equal(t, 3*time.Second, cfg.Delivery.Retry.MaxElapsedTime)

	cfg = load(t, withDSN(map[string]any{"sending_queue": map[string]any{"storage": "file_storage"}, "ttl": "720h"}))
	require.NoError(t, validate(cfg))
	assert.Zero(t, cfg.Delivery.Retry.MaxElapsedTime, "a spooled exporter never gives up")
}

func TestConfigRefused(t *testing.T) {
	f := func(key string, m map[string]any) {
		t.Helper()
		assert.ErrorContains(t, validate(load(t, withDSN(m))), key)
	}
	f("dsn, dsn_file", map[string]any{"dsn": ""})
	f("w=1", map[string]any{"dsn": "mongodb://db/x?w=1"})
	f("journal=false", map[string]any{"dsn": "mongodb://db/x?journal=false"})
	f("database", map[string]any{"dsn": "mongodb://db/"})
	f("write_timeout", map[string]any{"write_timeout": "0s"})
	f("ttl", map[string]any{"ttl": "720h", "auditapi": "auditapi"})
	f("ttl", map[string]any{"ttl": "1s"})
	f("timeout", map[string]any{"timeout": "0s"})
	f("sending_queue::storage", map[string]any{"sending_queue": map[string]any{}})
}

// TestFilesOfTestdata: what the README and its readers start from is accepted.
func TestFilesOfTestdata(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	for _, profile := range []string{"auditmongo/committed", "auditmongo/spooled"} {
		sub, err := conf.Sub(profile)
		require.NoError(t, err)
		cfg := createDefaultConfig().(*Config)
		require.NoError(t, sub.Unmarshal(cfg), profile)
		require.NoError(t, validate(cfg), profile)
	}
}

// server is the configuration of an exporter into a database of its own, which
// goes with the test.
func server(t *testing.T, m map[string]any) *Config {
	t.Helper()
	const variable = "ACTIVITYLOG_TEST_MONGODB_DSN"
	dsn := os.Getenv(variable)
	if dsn == "" {
		t.Skipf("%s names no server; make services-up starts one", variable)
	}
	name := "activity_exporter_" + uuid.NewString()
	t.Cleanup(func() {
		client, err := mongo.Connect(options.Client().ApplyURI(dsn))
		require.NoError(t, err)
		require.NoError(t, client.Database(name).Drop(context.Background()))
		require.NoError(t, client.Disconnect(context.Background()))
	})
	all := map[string]any{
		"dsn": dsn, "database": name, "tls": map[string]any{"insecure": true}, "dead_letter": map[string]any{"directory": t.TempDir()},
	}
	maps.Copy(all, m)
	cfg := load(t, all)
	require.NoError(t, validate(cfg))
	return cfg
}

// started makes and starts the exporter behind the real exporterhelper.
func started(t *testing.T, set exporter.Settings, cfg *Config, host component.Host) exporter.Logs {
	t.Helper()
	logs, err := NewFactory().CreateLogs(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), host))
	return logs
}

// TestAwayIsRetryable: without a server the collector starts, and clients are
// told to try again.
func TestAwayIsRetryable(t *testing.T) {
	cfg := load(t, map[string]any{
		"dsn": "mongodb://127.0.0.1:1/x", "tls": map[string]any{"insecure": true}, "connect_timeout": "50ms",
		"dead_letter": map[string]any{"directory": t.TempDir()}, "retry_on_failure": map[string]any{"enabled": false},
	})
	require.NoError(t, validate(cfg))
	logs := started(t, exportertest.NewNopSettings(metadata.Type), cfg, componenttest.NewNopHost())
	err := logs.ConsumeLogs(t.Context(), oneRecord("login"))
	require.ErrorIs(t, err, storage.ErrRetryable)
	assert.False(t, consumererror.IsPermanent(err))
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
	logs := started(t, metadatatest.NewSettings(telemetry), server(t, nil), componenttest.NewNopHost())
	for _, ld := range []plog.Logs{oneRecord("login"), oneRecord("login"), oneRecord("login"), oneRecord("logout")} {
		require.NoError(t, logs.ConsumeLogs(t.Context(), ld))
	}
	point := func(n int64) []metricdata.DataPoint[int64] { return []metricdata.DataPoint[int64]{{Value: n}} }
	metadatatest.AssertEqualExporterAuditmongoWrittenEvents(t, telemetry, point(1), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditmongoDuplicateEvents(t, telemetry, point(2), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditmongoConflictEvents(t, telemetry, point(1), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditmongoPendingEvents(t, telemetry, point(0), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditmongoDeadLetterEvents(t, telemetry, []metricdata.DataPoint[int64]{
		{Value: 1, Attributes: attribute.NewSet(attribute.String("cause", "conflict"))},
		{Attributes: attribute.NewSet(attribute.String("cause", "refused"))}, // there from the start, for alerts on an increase
		{Attributes: attribute.NewSet(attribute.String("cause", "invalid"))},
	}, metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	require.NoError(t, logs.Shutdown(t.Context()))
}
