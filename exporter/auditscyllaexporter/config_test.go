package auditscyllaexporter

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/activitylog/otelcol-activitylog/exporter/auditscyllaexporter/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/exporter/auditscyllaexporter/internal/metadatatest"
	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/scylla"
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
	out := map[string]any{"dsn": "scylla://127.0.0.1/activitylog"}
	maps.Copy(out, m)
	return out
}

func TestConfigAccepted(t *testing.T) {
	cfg := load(t, withDSN(map[string]any{"auditapi": "auditapi"}))
	require.NoError(t, validate(cfg))
	assert.True(t, cfg.Database.CreateSchema)
	assert.False(t, cfg.Delivery.Queue.HasValue())
	assert.Equal(t, 3*time.Second, cfg.Delivery.Retry.MaxElapsedTime)

	cfg = load(t, withDSN(map[string]any{"sending_queue": map[string]any{"storage": "file_storage"}}))
	require.NoError(t, validate(cfg))
	assert.Zero(t, cfg.Delivery.Retry.MaxElapsedTime, "a spooled exporter never gives up")
}

func TestConfigRefused(t *testing.T) {
	f := func(key string, m map[string]any) {
		t.Helper()
		assert.ErrorContains(t, validate(load(t, withDSN(m))), key)
	}
	f("dsn", map[string]any{"dsn": ""})
	f("LOCAL_QUORUM", map[string]any{"dsn": "scylla://db/x?consistency=one"})
	f("keyspace", map[string]any{"dsn": "scylla://db"})
	f("request_timeout", map[string]any{"request_timeout": "0s"})
	f("shards", map[string]any{"shards": 1000})
	f("timeout", map[string]any{"timeout": "0s"})
	f("sending_queue::storage", map[string]any{"sending_queue": map[string]any{}})
}

// TestFilesOfTestdata: what the README and its readers start from is accepted.
func TestFilesOfTestdata(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(secret, []byte("x"), 0o600))
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	for _, profile := range []string{"auditscylla/committed", "auditscylla/spooled"} {
		sub, err := conf.Sub(profile)
		require.NoError(t, err)
		cfg := createDefaultConfig().(*Config)
		require.NoError(t, sub.Unmarshal(cfg), profile)
		if cfg.Database.PasswordFile != "" {
			cfg.Database.PasswordFile = secret // that of the example is on the reader's machine
		}
		require.NoError(t, validate(cfg), profile)
	}
}

// server is the configuration of an exporter into a keyspace of its own, which
// goes with the test.
func server(t *testing.T, keyspace string, m map[string]any) *Config {
	t.Helper()
	const variable = "ACTIVITYLOG_TEST_CASSANDRA_DSN"
	hosts := os.Getenv(variable)
	if hosts == "" {
		t.Skipf("%s names no server; make services-up starts one", variable)
	}
	all := map[string]any{
		"dsn": "scylla://" + hosts + "/" + keyspace, "tls": map[string]any{"insecure": true}, "replication_factor": 1, "request_timeout": "20s",
		"dead_letter": map[string]any{"directory": t.TempDir()},
	}
	maps.Copy(all, m)
	cfg := load(t, all)
	require.NoError(t, validate(cfg))
	drop := func() {
		at := strings.LastIndexByte(hosts, '@')
		cluster := gocql.NewCluster(hosts[at+1:])
		if at >= 0 {
			user, password, _ := strings.Cut(hosts[:at], ":")
			cluster.Authenticator = gocql.PasswordAuthenticator{Username: user, Password: password}
		}
		session, err := cluster.CreateSession()
		require.NoError(t, err)
		defer session.Close()
		require.NoError(t, session.Query("DROP KEYSPACE IF EXISTS "+keyspace).Exec())
	}
	drop()
	t.Cleanup(drop)
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
		"dsn": "scylla://127.0.0.1:1/x", "tls": map[string]any{"insecure": true}, "connect_timeout": "50ms",
		"dead_letter": map[string]any{"directory": t.TempDir()}, "retry_on_failure": map[string]any{"enabled": false},
	})
	require.NoError(t, validate(cfg))
	logs := started(t, exportertest.NewNopSettings(metadata.Type), cfg, componenttest.NewNopHost())
	err := logs.ConsumeLogs(t.Context(), oneRecord("login"))
	require.ErrorIs(t, err, storage.ErrRetryable)
	assert.False(t, consumererror.IsPermanent(err))
	require.NoError(t, logs.Shutdown(t.Context()))
}

var recordID = activity.ID{1, 6: 0x70, 8: 0x80}

func oneRecord(what string) plog.Logs {
	event := activity.Event{ID: recordID, Kind: activity.KindLogin, Type: what, Datetime: 1, ReceivedAt: 2}
	ld := plog.NewLogs()
	activitylogs.Encode(&event, ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
	return ld
}

// TestCommitted: an event that is new, one that is there, one that is another
// under the same key. The database cannot tell them apart: each counts as
// written, one row is there, the first.
func TestCommitted(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	cfg := server(t, "activitylog_exporter_committed", nil)
	logs := started(t, metadatatest.NewSettings(telemetry), cfg, componenttest.NewNopHost())
	for _, ld := range []plog.Logs{oneRecord("login"), oneRecord("login"), oneRecord("logout")} {
		require.NoError(t, logs.ConsumeLogs(t.Context(), ld))
	}
	point := func(n int64) []metricdata.DataPoint[int64] { return []metricdata.DataPoint[int64]{{Value: n}} }
	metadatatest.AssertEqualExporterAuditscyllaWrittenEvents(t, telemetry, point(3), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditscyllaDuplicateEvents(t, telemetry, point(0), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	metadatatest.AssertEqualExporterAuditscyllaPendingEvents(t, telemetry, point(0), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
	require.NoError(t, logs.Shutdown(t.Context()))

	st, err := scylla.Open(t.Context(), cfg.Database, storage.Options{ReadOnly: true})
	require.NoError(t, err)
	page, err := st.Page(t.Context(), activity.AllTenants(), activity.Query{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Events, 1)
	assert.Equal(t, "login", page.Events[0].Type)
	require.NoError(t, st.Close())
}
