package configguard

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

func check(t *testing.T, file string) []Finding {
	t.Helper()
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", file))
	require.NoError(t, err)
	return Check(conf.ToStringMap())
}

func TestCheckAccepts(t *testing.T) {
	assert.Empty(t, check(t, "good.yaml"))
	assert.Empty(t, check(t, "stranger.yaml"), "pipelines of others are left alone")
	assert.Empty(t, Check(nil))
}

func TestCheckRefuses(t *testing.T) {
	findings := check(t, "bad.yaml")
	where := make([]string, len(findings))
	for i, f := range findings {
		where[i] = f.Where
		assert.NotEmpty(t, f.Why, f.Where)
		assert.NotEmpty(t, f.Instead, f.Where)
	}
	assert.ElementsMatch(t, []string{
		"service::pipelines::logs/order::processors::batch",
		"service::pipelines::logs/order::processors::transform",
		"service::pipelines::logs/order::exporters",
		"exporters::auditsql",
		"exporters::auditsql/forever::retry_on_failure::max_elapsed_time",
		"receivers::kafka::message_marking::after",
		"receivers::kafka::message_marking::on_error",
		"receivers::kafka::message_marking::on_permanent_error",
		"receivers::kafka::error_backoff::enabled",
		"receivers::kafka::initial_offset",
		"receivers::kafka/spins::error_backoff",
		"receivers::kafka/spins::error_backoff::max_elapsed_time",
		"receivers::kafka/spins::initial_offset",
		"service::pipelines::logs/agent::processors::transform",
		"exporters::kafka/agent::producer::required_acks",
		"exporters::kafka/agent::producer::max_message_bytes",
		"exporters::kafka/agent::retry_on_failure::max_elapsed_time",
		"exporters::kafka/agent::sending_queue::batch",
		"exporters::kafka/waits",
		"service::pipelines::logs/queues::processors",
		"exporters::auditsql/memory::sending_queue",
		"extensions::file_storage::fsync",
		"service::extensions",
		"exporters::auditsql/gives_up::retry_on_failure::enabled",
		"exporters::auditsql/gives_up::retry_on_failure::max_elapsed_time",
		"extensions::redis_storage",
		"service::pipelines::logs/relay::exporters::kafka",
		"exporters::kafka::producer::required_acks",
		"exporters::kafka::producer::max_message_bytes",
		"exporters::kafka::sending_queue",
		"exporters::kafka::retry_on_failure::max_elapsed_time",
		"exporters::kafka::sending_queue::batch",
		"receivers::otlp::protocols::grpc::endpoint",
	}, where)
}

// TestAnUnsealedAgent: what travels through Kafka without a seal may change unseen.
func TestAnUnsealedAgent(t *testing.T) {
	conf := map[string]any{"service": map[string]any{"pipelines": map[string]any{"logs": map[string]any{
		"receivers": []any{"otlp"}, "processors": []any{"enrich"}, "exporters": []any{"kafka"},
	}}}}
	findings := Check(conf)
	require.NotEmpty(t, findings)
	assert.Contains(t, findings[0].Why, "without a seal")
}

// TestEveryExporterIsHeldToItsProfile: committed or spooled, whatever the database.
func TestEveryExporterIsHeldToItsProfile(t *testing.T) {
	f := func(want string, exporters map[string]any) {
		t.Helper()
		names := []any{}
		for _, name := range sortedKeys(exporters) {
			names = append(names, name)
		}
		findings := Check(map[string]any{
			"exporters":  exporters,
			"extensions": map[string]any{"file_storage": map[string]any{"fsync": true}},
			"service": map[string]any{
				"extensions": []any{"file_storage"},
				"pipelines":  map[string]any{"logs": map[string]any{"processors": []any{"enrich", "integrity"}, "exporters": names}},
			},
		})
		if want == "" {
			assert.Empty(t, findings)
			return
		}
		if assert.Len(t, findings, 1) {
			assert.Equal(t, want, findings[0].Where)
		}
	}
	spooled := map[string]any{"sending_queue": map[string]any{"storage": "file_storage"}, "retry_on_failure": map[string]any{"max_elapsed_time": 0}}
	for _, name := range []string{"auditsql", "auditclickhouse", "auditmongo", "auditscylla"} {
		f("", map[string]any{name: nil})
		f("", map[string]any{name + "/eu": spooled})
		f("", map[string]any{name: nil, "auditsql/second": spooled})
		f("exporters::"+name, map[string]any{name: map[string]any{"timeout": "9s"}})
		f("exporters::"+name+"::sending_queue", map[string]any{name: map[string]any{
			"sending_queue": map[string]any{"queue_size": 9}, "retry_on_failure": map[string]any{"max_elapsed_time": 0},
		}})
		f("exporters::"+name+"::retry_on_failure::max_elapsed_time", map[string]any{name: map[string]any{
			"sending_queue": map[string]any{"storage": "file_storage"}, "retry_on_failure": map[string]any{"max_elapsed_time": "5m"},
		}})
		f("service::pipelines::logs::exporters", map[string]any{name: nil, "auditsql/second": nil})
	}
	f("", map[string]any{"auditclickhouse": map[string]any{"async_insert": true}}) // the driver always waits
	kafka := func(queue map[string]any) map[string]any {
		return map[string]any{
			"producer": map[string]any{"required_acks": "all", "max_message_bytes": 4194304}, "sending_queue": queue,
			"retry_on_failure": map[string]any{"max_elapsed_time": 0},
		}
	}
	batch := map[string]any{"sizer": "bytes", "max_size": 2097152}
	f("", map[string]any{"auditsql": nil, "kafka": kafka(map[string]any{"storage": "file_storage", "batch": batch})})
	committed := kafka(map[string]any{"enabled": false})
	committed["retry_on_failure"] = map[string]any{"max_elapsed_time": "3s"}
	f("service::pipelines::logs::exporters", map[string]any{"auditsql": nil, "kafka": committed})
}

func TestExpiryBesideAuditAPI(t *testing.T) {
	f := func(want int, exporter, storage map[string]any) {
		t.Helper()
		assert.Len(t, Check(map[string]any{
			"exporters":  map[string]any{"auditmongo": exporter},
			"extensions": map[string]any{"auditapi": map[string]any{"storage": storage}},
			"service": map[string]any{"pipelines": map[string]any{"logs": map[string]any{
				"processors": []any{"enrich", "integrity"}, "exporters": []any{"auditmongo"},
			}}},
		}), want)
	}
	mongo := func(database string) map[string]any {
		return map[string]any{"driver": "mongodb", "mongodb": map[string]any{"database": database}}
	}
	f(0, map[string]any{"database": "a"}, mongo("a"))
	f(0, map[string]any{"database": "a", "ttl": "0s"}, mongo("a"))
	f(1, map[string]any{"database": "a", "ttl": "720h"}, mongo("a"))
	f(1, map[string]any{"database": "a", "ttl": 720 * time.Hour}, mongo("a"))
	f(0, map[string]any{"database": "a", "ttl": "720h"}, mongo("b"))
	f(0, map[string]any{"database": "a", "ttl": "720h"}, map[string]any{"driver": "sqlite"})
}

func TestOpenListenersNeedAuth(t *testing.T) {
	f := func(listener, extension map[string]any, want int) {
		t.Helper()
		conf := map[string]any{
			"receivers":  map[string]any{"otlp/in": map[string]any{"protocols": map[string]any{"http": listener}}},
			"extensions": map[string]any{"auditapi": extension},
			"service": map[string]any{"pipelines": map[string]any{"logs": map[string]any{
				"receivers": []any{"otlp/in"}, "processors": []any{"enrich", "integrity"}, "exporters": []any{"auditsql"},
			}}},
		}
		assert.Len(t, Check(conf), want)
	}
	open := map[string]any{"endpoint": "0.0.0.0:4318"}
	f(open, nil, 1)
	f(open, map[string]any{"allow_unauthenticated": true}, 0)
	f(nil, nil, 0)
	f(map[string]any{"endpoint": "[::1]:4318"}, nil, 0)
	f(map[string]any{"endpoint": "0.0.0.0:4318", "auth": map[string]any{"authenticator": "bearertokenauth"}}, nil, 0)
	f(map[string]any{"endpoint": "0.0.0.0:4318", "tls": map[string]any{"client_ca_file": "ca.pem"}}, nil, 0)
	f(map[string]any{"endpoint": "0.0.0.0:4318", "tls": map[string]any{"cert_file": "cert.pem"}}, nil, 1)
}

func TestDurationReadsEveryForm(t *testing.T) {
	f := func(v any, want time.Duration) {
		t.Helper()
		got, ok := duration(map[string]any{"k": v}, "k", time.Hour)
		assert.True(t, ok)
		assert.Equal(t, want, got)
	}
	f(nil, time.Hour)
	f("5s", 5*time.Second)
	f("0", 0)
	f(0, 0)
	f(3*time.Second, 3*time.Second)
	f(int64(3), 3)
	_, ok := duration(map[string]any{"k": "soon"}, "k", 0)
	assert.False(t, ok)
}
