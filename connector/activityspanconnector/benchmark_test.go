package activityspanconnector

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/activitylog/otelcol-activitylog/connector/activityspanconnector/internal/metadata"
)

// spansPerBatch is the default batch of an SDK.
const spansPerBatch = 512

// BenchmarkConsumeTraces gives the cost of one span: of a server span that
// becomes an event, and of one in a usual batch, where most are ignored.
func BenchmarkConsumeTraces(b *testing.B) {
	for name, share := range map[string]int{"server spans": 1, "one in ten": 10} {
		b.Run(name, func(b *testing.B) {
			c, err := newConnector(defaults(), connectortest.NewNopSettings(metadata.Type), consumertest.NewNop())
			require.NoError(b, err)
			td, list := newSpans()
			for i := range spansPerBatch {
				s := addServer(b, list, nil)
				var id pcommon.SpanID
				binary.BigEndian.PutUint32(id[:], uint32(i+1))
				s.SetSpanID(id)
				if i%share != 0 {
					s.SetKind(ptrace.SpanKindInternal)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, c.ConsumeTraces(context.Background(), td))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/spansPerBatch, "ns/span")
		})
	}
}
