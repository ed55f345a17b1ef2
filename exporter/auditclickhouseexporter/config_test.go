package auditclickhouseexporter

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/activitylog/otelcol-activitylog/exporter/auditclickhouseexporter/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/exporter/auditclickhouseexporter/internal/metadatatest"
	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/clickhouse"
)

// load fills a configuration in, with the least that the exporter needs.
func load(t *testing.T, m map[string]any) *Config {
	t.Helper()
	all := map[string]any{"dsn": "http://127.0.0.1:1/audit"}
	maps.Copy(all, m)
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, confmap.NewFromStringMap(all).Unmarshal(cfg))
	return cfg
}

// validate asks the parts too, as the collector does.
func validate(c *Config) error { return confmap.Validate(c) }

func TestConfigAccepted(t *testing.T) {
	cfg := load(t, map[string]any{"auditapi": "auditapi"})
	require.NoError(t, validate(cfg))
	assert.True(t, cfg.Database.CreateSchema)
	assert.False(t, cfg.Database.AsyncInsert)
	assert.False(t, cfg.Delivery.Queue.HasValue())
	assert.Equal(t, 3*time.Second, cfg.Delivery.Retry.MaxElapsedTime)

	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	for profile, spooled := range map[string]bool{"auditclickhouse/committed": false, "auditclickhouse/spooled": true} {
		sub, err := conf.Sub(profile)
		require.NoError(t, err)
		cfg := createDefaultConfig().(*Config)
		require.NoError(t, sub.Unmarshal(cfg), profile)
		require.NoError(t, validate(cfg), profile)
		assert.Equal(t, spooled, cfg.Delivery.Queue.HasValue())
		assert.Equal(t, spooled, cfg.Delivery.Retry.MaxElapsedTime == 0, "a spooled exporter never gives up")
		assert.NotContains(t, fmt.Sprintf("%+v", cfg), "secret")
	}
}

func TestConfigRefused(t *testing.T) {
	f := func(key string, m map[string]any) {
		t.Helper()
		assert.ErrorContains(t, validate(load(t, m)), key)
	}
	f("dsn", map[string]any{"dsn": ""})
	f("wait_for_async_insert", map[string]any{"dsn": "http://db/audit?wait_for_async_insert=0"})
	f("tls: {insecure: true}", map[string]any{"dsn": "http://db/audit"})
	f("tls: the scheme", map[string]any{"dsn": "http://db/audit", "tls": map[string]any{"insecure": true, "ca_file": "ca.pem"}})
	f("compression", map[string]any{"compression": "gzip"})
	f("write_timeout", map[string]any{"write_timeout": "0s"})
	f("timeout", map[string]any{"timeout": "0s"})
	f("sending_queue::storage", map[string]any{"sending_queue": map[string]any{}})
}

func started(t *testing.T, set exporter.Settings, cfg *Config) exporter.Logs {
	t.Helper()
	logs, err := NewFactory().CreateLogs(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	return logs
}

func oneRecord(what string) plog.Logs {
	event := activity.Event{ID: activity.ID{1, 6: 0x70, 8: 0x80}, Kind: activity.KindLogin, Type: what, Datetime: 1, ReceivedAt: 2}
	ld := plog.NewLogs()
	activitylogs.Encode(&event, ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
	return ld
}

// TestAwayIsRetryable: without a server the collector starts, and clients are
// told to try again.
func TestAwayIsRetryable(t *testing.T) {
	cfg := load(t, map[string]any{
		"dead_letter": map[string]any{"directory": t.TempDir()}, "retry_on_failure": map[string]any{"enabled": false},
	})
	require.NoError(t, validate(cfg))
	logs := started(t, exportertest.NewNopSettings(metadata.Type), cfg)
	err := logs.ConsumeLogs(t.Context(), oneRecord("login"))
	require.ErrorIs(t, err, storage.ErrRetryable)
	assert.False(t, consumererror.IsPermanent(err))
	require.NoError(t, logs.Shutdown(t.Context()))
}

// TestCommittedToAServer: what is acknowledged is there once, and counted.
func TestCommittedToAServer(t *testing.T) {
	const variable = "ACTIVITYLOG_TEST_CLICKHOUSE_DSN"
	dsn := os.Getenv(variable)
	if dsn == "" {
		t.Skipf("%s is not set: make services-up starts a server and says what to set", variable)
	}
	options, err := ch.ParseDSN(dsn)
	require.NoError(t, err)
	admin, err := ch.Open(options)
	require.NoError(t, err)
	name := "exporter_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	require.NoError(t, admin.Exec(t.Context(), "CREATE DATABASE "+name))
	t.Cleanup(func() {
		require.NoError(t, admin.Exec(context.Background(), "DROP DATABASE "+name+" SYNC"))
		require.NoError(t, admin.Close())
	})
	cfg := load(t, map[string]any{
		"dsn": "http://" + options.Auth.Username + "@" + options.Addr[0] + "/" + name, "password": options.Auth.Password,
		"tls":         map[string]any{"insecure": true}, // wherever the server of the tests is
		"dead_letter": map[string]any{"directory": t.TempDir()},
	})
	require.NoError(t, validate(cfg))
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	logs := started(t, metadatatest.NewSettings(telemetry), cfg)
	for _, ld := range []plog.Logs{oneRecord("login"), oneRecord("login"), oneRecord("logout")} {
		require.NoError(t, logs.ConsumeLogs(t.Context(), ld))
	}
	point := func(n int64) []metricdata.DataPoint[int64] { return []metricdata.DataPoint[int64]{{Value: n}} }
	metadatatest.AssertEqualExporterAuditclickhouseWrittenEvents(t, telemetry, point(3), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditclickhousePendingEvents(t, telemetry, point(0), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	require.NoError(t, logs.Shutdown(t.Context()))

	st, err := clickhouse.Open(t.Context(), cfg.Database, storage.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	page, err := st.Page(t.Context(), activity.AllTenants(), activity.Query{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Events, 1)
	assert.Equal(t, "login", page.Events[0].Type, "the first stays")
}
