package auditsqlexporter

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exportertest"

	"github.com/activitylog/otelcol-activitylog/exporter/auditsqlexporter/internal/metadata"
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
	return errors.Join(c.Validate(), c.Database.Validate(), c.DeadLetter.Validate())
}

func TestConfigAccepted(t *testing.T) {
	cfg := load(t, map[string]any{"sqlite": map[string]any{"directory": "/x"}, "auditapi": "auditapi"})
	require.NoError(t, validate(cfg))
	assert.Equal(t, "/x/dead-letters", cfg.DeadLetter.Directory)
	assert.False(t, cfg.Queue.HasValue())
	assert.Equal(t, 3*time.Second, cfg.Retry.MaxElapsedTime)

	cfg = load(t, map[string]any{"sending_queue": map[string]any{"storage": "file_storage"}})
	require.NoError(t, validate(cfg))
	assert.Zero(t, cfg.Retry.MaxElapsedTime, "a spooled exporter never gives up")
	assert.EqualValues(t, 1000, cfg.Queue.Get().QueueSize)
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

// sharer is an auditapi extension with one database.
type sharer struct {
	component.StartFunc
	component.ShutdownFunc
	database string
	store    storage.Store
}

func (s *sharer) SharedStore(database string) (storage.Store, bool) {
	return s.store, database == s.database
}

type host struct {
	extensions map[component.ID]component.Component
}

func (h host) GetExtensions() map[component.ID]component.Component { return h.extensions }

func TestStartTakesTheStoreOfTheExtension(t *testing.T) {
	id := component.MustNewID("auditapi")
	cfg := load(t, map[string]any{"sqlite": map[string]any{"directory": t.TempDir()}, "auditapi": "auditapi"})
	owner := &faults{}
	f := func(problem string, extension component.Component) *sqlExporter {
		t.Helper()
		e, err := newExporter(cfg, exportertest.NewNopSettings(metadata.Type))
		require.NoError(t, err)
		h := host{extensions: map[component.ID]component.Component{}}
		if extension != nil {
			h.extensions[id] = extension
		}
		err = e.start(t.Context(), h)
		if problem == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, problem)
		}
		require.NoError(t, e.shutdown(context.Background()), "the extension's store is not closed")
		return e
	}
	f("there is no extension", nil)
	f("no store to share", struct {
		component.StartFunc
		component.ShutdownFunc
	}{})
	f("another database", &sharer{database: "sqlite:/else/activity.db"})
	e := f("", &sharer{database: cfg.Database.Identity(), store: owner})
	assert.Same(t, owner, e.store)
}

func TestLifecycleOfTheFactory(t *testing.T) {
	cfg := load(t, map[string]any{"sqlite": map[string]any{"directory": t.TempDir()}})
	logs, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	require.NoError(t, logs.ConsumeLogs(t.Context(), logsOf(events(5))))
	require.NoError(t, logs.Shutdown(t.Context()))
}
