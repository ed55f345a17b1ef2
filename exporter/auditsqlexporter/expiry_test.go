package auditsqlexporter

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/activitylog/otelcol-activitylog/exporter/auditsqlexporter/internal/metadatatest"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
)

func TestExpiredDeadLettersAreCountedAndLogged(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	assert.Zero(t, cfg.DeadLetter.MaxAge, "nothing acknowledged goes by itself")
	cfg.Database.SQLite.Directory = t.TempDir()
	cfg.DeadLetter.Directory = filepath.Join(cfg.Database.SQLite.Directory, "dead-letters")
	old, err := deadletter.Open(cfg.DeadLetter, func() time.Time { return time.Now().Add(-10 * time.Hour) })
	require.NoError(t, err)
	require.NoError(t, old.Append([]deadletter.Entry{{Cause: deadletter.CauseInvalid}, {Cause: deadletter.CauseConflict}}))
	require.NoError(t, old.Close())

	cfg.DeadLetter.MaxAge = 8 * time.Hour
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, telemetry.Shutdown(context.Background())) })
	set := metadatatest.NewSettings(telemetry)
	core, logged := observer.New(zap.WarnLevel)
	set.Logger = zap.New(core)
	e, err := newExporter(cfg, set)
	require.NoError(t, err)
	require.NoError(t, e.start(t.Context(), componenttest.NewNopHost()))
	require.Eventually(t, func() bool { return logged.FilterField(zap.Int("events", 2)).Len() == 1 }, 5*time.Second, 5*time.Millisecond)
	assert.Empty(t, letters(t, e))
	metadatatest.AssertEqualExporterAuditsqlDeadLettersExpired(t, telemetry,
		[]metricdata.DataPoint[int64]{{Value: 2}}, metricdatatest.IgnoreTimestamp())
	require.NoError(t, e.shutdown(t.Context()))
}
