package auditexport

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// newInstruments makes instruments named as the members of Instruments, and
// gives what reads the sum of a counter.
func newInstruments(t *testing.T) (instruments Instruments, read func(name string) int64) {
	t.Helper()
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	t.Cleanup(func() { require.NoError(t, provider.Shutdown(context.Background())) })
	meter := provider.Meter("test")
	counter := func(name string) metric.Int64Counter {
		c, err := meter.Int64Counter(name)
		require.NoError(t, err)
		return c
	}
	duration, err := meter.Float64Histogram("CommitDuration")
	require.NoError(t, err)
	write, err := meter.Int64Histogram("WriteEvents")
	require.NoError(t, err)
	pending, err := meter.Int64UpDownCounter("PendingEvents")
	require.NoError(t, err)
	return Instruments{
		CommitDuration: duration, WriteEvents: write, PendingEvents: pending, WrittenEvents: counter("WrittenEvents"),
		DuplicateEvents: counter("DuplicateEvents"), ConflictEvents: counter("ConflictEvents"),
		DeadLetterEvents: counter("DeadLetterEvents"), DeadLettersExpired: counter("DeadLettersExpired"),
	}, func(name string) int64 { return sumOf(t, reader, name) }
}

// sumOf is -1 for a count that is not there at all.
func sumOf(t *testing.T, reader sdk.Reader, name string) (sum int64) {
	t.Helper()
	sum = -1
	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(context.Background(), &got))
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			if data, isSum := m.Data.(metricdata.Sum[int64]); isSum && m.Name == name {
				sum = 0
				for _, point := range data.DataPoints {
					sum += point.Value
				}
			}
		}
	}
	return sum
}

// TestEveryEventIsCounted: each outcome has its own count, and nothing stays pending.
func TestEveryEventIsCounted(t *testing.T) {
	logs, e, f := started(t)
	instruments, read := newInstruments(t)
	assert.EqualValues(t, -1, read("WrittenEvents"))
	instruments.begin(t.Context())
	for _, name := range []string{"WrittenEvents", "DuplicateEvents", "ConflictEvents", "DeadLetterEvents", "DeadLettersExpired"} {
		assert.Zero(t, read(name), name)
	}
	e.set.Instruments = instruments
	es := events(10)
	_, err := consume(t, logs, es[:4])
	require.NoError(t, err)
	es[3].Type = "logout" // a conflict; 0 to 2 are duplicates
	f.refuse = es[9].ID
	_, err = consume(t, logs, es)
	require.NoError(t, err)
	for name, want := range map[string]int64{
		"WrittenEvents": 4 + 5, "DuplicateEvents": 3, "ConflictEvents": 1, "DeadLetterEvents": 2, "PendingEvents": 0, "DeadLettersExpired": 0,
	} {
		assert.Equal(t, want, read(name), name)
	}
}
