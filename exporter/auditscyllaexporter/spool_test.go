package auditscyllaexporter

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter/exportertest"
	spool "go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/activitylog/otelcol-activitylog/exporter/auditscyllaexporter/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/scylla"
)

// memorySpool is a storage extension for the queue.
type memorySpool struct {
	component.StartFunc
	component.ShutdownFunc
	mu   sync.Mutex
	data map[string][]byte
}

func (m *memorySpool) GetClient(context.Context, component.Kind, component.ID, string) (spool.Client, error) {
	return m, nil
}

func (m *memorySpool) Get(ctx context.Context, key string) ([]byte, error) {
	op := spool.GetOperation(key)
	err := m.Batch(ctx, op)
	return op.Value, err
}

func (m *memorySpool) Set(ctx context.Context, key string, value []byte) error {
	return m.Batch(ctx, spool.SetOperation(key, value))
}

func (m *memorySpool) Delete(ctx context.Context, key string) error {
	return m.Batch(ctx, spool.DeleteOperation(key))
}

func (m *memorySpool) Batch(_ context.Context, ops ...*spool.Operation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, op := range ops {
		switch op.Type {
		case spool.Get:
			op.Value = m.data[op.Key]
		case spool.Set:
			m.data[op.Key] = op.Value
		case spool.Delete:
			delete(m.data, op.Key)
		}
	}
	return nil
}

func (m *memorySpool) Close(context.Context) error { return nil }

type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

// TestSpooledArrives: what the queue took is in the database after a while.
func TestSpooledArrives(t *testing.T) {
	cfg := server(t, "activitylog_exporter_spooled", map[string]any{"sending_queue": map[string]any{"storage": "file_storage"}})
	queue := host{component.MustNewID("file_storage"): &memorySpool{data: map[string][]byte{}}}
	logs := started(t, exportertest.NewNopSettings(metadata.Type), cfg, queue)
	require.NoError(t, logs.ConsumeLogs(t.Context(), oneRecord("login")))
	require.Eventually(t, func() bool {
		st, err := scylla.Open(t.Context(), cfg.Database, storage.Options{ReadOnly: true})
		if err != nil {
			return false
		}
		_, found := st.Get(t.Context(), activity.AllTenants(), recordID)
		return st.Close() == nil && found == nil
	}, 30*time.Second, 100*time.Millisecond)
	require.NoError(t, logs.Shutdown(t.Context()))
}
