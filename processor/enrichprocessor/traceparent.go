package enrichprocessor

import (
	"encoding/hex"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Places in a traceparent of version 00 (W3C Trace Context section 3.2.2):
// version "-" trace-id "-" parent-id "-" trace-flags.
const (
	traceIDAt      = 3
	parentIDAt     = 36
	traceFlagsAt   = 53
	traceparentLen = 55
)

// parseTraceparent reads trace-id and parent-id. Later versions may be longer
// (section 3.2.3); ff is no version, and zeros are no id.
func parseTraceparent(s string) (trace pcommon.TraceID, span pcommon.SpanID, ok bool) {
	if len(s) < traceparentLen || s[traceIDAt-1] != '-' || s[parentIDAt-1] != '-' || s[traceFlagsAt-1] != '-' {
		return trace, span, false
	}
	version := s[:traceIDAt-1]
	if !lowerHex(version) || !lowerHex(s[traceIDAt:parentIDAt-1]) || !lowerHex(s[parentIDAt:traceFlagsAt-1]) ||
		!lowerHex(s[traceFlagsAt:traceparentLen]) || version == "ff" {
		return trace, span, false
	}
	if len(s) > traceparentLen && (version == "00" || s[traceparentLen] != '-') {
		return trace, span, false
	}
	var text [2 * len(trace)]byte
	copy(text[:], s[traceIDAt:])
	_, _ = hex.Decode(trace[:], text[:]) // it is all hex digits
	copy(text[:2*len(span)], s[parentIDAt:])
	_, _ = hex.Decode(span[:], text[:2*len(span)]) // as above
	return trace, span, !trace.IsEmpty() && !span.IsEmpty()
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
