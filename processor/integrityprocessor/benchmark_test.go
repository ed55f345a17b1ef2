package integrityprocessor

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/activitylog/otelcol-activitylog/processor/integrityprocessor/internal/metadata"
)

// BenchmarkProcessor is the whole way from plog to plog. Making the input, which
// the processor changes, is not measured; it is made as enrich makes it. events/s is the figure of the goal;
// run with -cpu 1 for one core.
func BenchmarkProcessor(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			factory := NewFactory()
			proc, err := factory.CreateLogs(b.Context(), processortest.NewNopSettings(metadata.Type),
				factory.CreateDefaultConfig(), consumertest.NewNop())
			require.NoError(b, err)
			require.NoError(b, proc.Start(b.Context(), componenttest.NewNopHost()))
			list := events(n)
			inputs := make([]plog.Logs, max(1, 1000/n)) // few, so that they stay in the cache as in a pipeline
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				next := i % len(inputs)
				if next == 0 {
					b.StopTimer()
					for c := range inputs {
						inputs[c] = logsOf(b, list...)
					}
					b.StartTimer()
				}
				if err := proc.ConsumeLogs(b.Context(), inputs[next]); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
			require.NoError(b, proc.Shutdown(b.Context()))
		})
	}
}
