package auditexport

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
)

func TestExpiredDeadLettersAreCountedAndLogged(t *testing.T) {
	s := settings(t)
	assert.Zero(t, s.Delivery.DeadLetter.MaxAge, "nothing acknowledged goes by itself")
	s.Delivery.DeadLetter.Directory = filepath.Join(t.TempDir(), "letters")
	old, err := deadletter.Open(s.Delivery.DeadLetter, func() time.Time { return time.Now().Add(-10 * time.Hour) })
	require.NoError(t, err)
	require.NoError(t, old.Append([]deadletter.Entry{{Cause: deadletter.CauseInvalid}, {Cause: deadletter.CauseConflict}}))
	require.NoError(t, old.Close())

	s.Delivery.DeadLetter.MaxAge = 8 * time.Hour
	instruments, read := newInstruments(t)
	s.Instruments = instruments
	core, logged := observer.New(zap.WarnLevel)
	set := exportertest.NewNopSettings(testType)
	set.Logger = zap.New(core)
	logs, e, err := newLogs(t.Context(), set, &s.Delivery, s)
	require.NoError(t, err)
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	require.Eventually(t, func() bool { return logged.FilterField(zap.Int("events", 2)).Len() == 1 }, 5*time.Second, 5*time.Millisecond)
	assert.Empty(t, letters(t, e))
	assert.EqualValues(t, 2, read("DeadLettersExpired"))
	require.NoError(t, logs.Shutdown(t.Context()))
}
