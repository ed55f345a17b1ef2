package enrichprocessor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestTraceparent(t *testing.T) {
	traceID, spanID, ok := parseTraceparent(traceparent)
	require.True(t, ok)
	assert.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", traceID.String())
	assert.Equal(t, "00f067aa0ba902b7", spanID.String())
	for text, want := range map[string]bool{
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00":      true,
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":      true, // of a later version
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what": true,
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what": false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what": false,
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":      false,
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01":      false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01":      false,
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01":      false,
		"00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01":      false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0":       false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g":      false,
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\x00":  false,
		"": false,

		" " + traceparent:                false,
		traceparent + ", " + traceparent: false, // two headers are none
	} {
		_, _, ok := parseTraceparent(text)
		assert.Equal(t, want, ok, text)
	}
}

// OpenTelemetry's own propagator is the judge of what is a trace context.
func FuzzTraceparent(f *testing.F) {
	for _, s := range []string{
		traceparent, "cc" + traceparent[2:] + "-x", "ff" + traceparent[2:], "", traceparent + "-", traceparent[:54] + "9",
		"01" + traceparent[2:53] + "ff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		traceID, spanID, ok := parseTraceparent(s)
		ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": s})
		want := trace.SpanContextFromContext(ctx)
		switch {
		case ok && want.IsValid():
			require.Equal(t, want.TraceID(), trace.TraceID(traceID))
			require.Equal(t, want.SpanID(), trace.SpanID(spanID))
		case ok:
			// It refuses flags of version 00 that are not defined yet; the standard
			// asks to pass over them (section 3.2.2.5).
			require.True(t, s[:2] == "00" && s[53:55] > "02", "%q", s)
		case want.IsValid():
			// It takes a dash behind version 00, which has exactly four parts.
			require.Equal(t, byte('-'), s[traceparentLen], "%q", s)
			require.Equal(t, "00", s[:2], "%q", s)
		}
	})
}

func BenchmarkTraceparent(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := parseTraceparent(traceparent); !ok {
			b.Fatal("it is one")
		}
	}
}
