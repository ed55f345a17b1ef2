package enrichprocessor

import (
	"encoding/binary"
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// appendTyped writes a value with its type and length, so that different values
// never give the same bytes.
func appendTyped(dst []byte, v pcommon.Value, depth int) []byte {
	dst = append(dst, byte(v.Type())) //nolint:gosec // eight types
	if depth > activity.MaxJSONDepth {
		return dst
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		dst = binary.AppendUvarint(dst, uint64(len(v.Str())))
		return append(dst, v.Str()...)
	case pcommon.ValueTypeInt:
		return binary.BigEndian.AppendUint64(dst, uint64(v.Int())) //nolint:gosec // the same 64 bits
	case pcommon.ValueTypeDouble:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Double()))
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return append(dst, 1)
		}
		return append(dst, 0)
	case pcommon.ValueTypeBytes:
		return appendHashed(dst, v.Bytes().AsRaw())
	case pcommon.ValueTypeMap:
		return appendTypedMap(dst, v.Map(), depth+1)
	case pcommon.ValueTypeSlice:
		dst = binary.AppendUvarint(dst, uint64(v.Slice().Len())) //nolint:gosec // a length
		for _, item := range v.Slice().All() {
			dst = appendTyped(dst, item, depth+1)
		}
	}
	return dst
}

func appendTypedMap(dst []byte, m pcommon.Map, depth int) []byte {
	dst = binary.AppendUvarint(dst, uint64(m.Len())) //nolint:gosec // a length
	for key, v := range m.All() {
		dst = binary.AppendUvarint(dst, uint64(len(key)))
		dst = append(dst, key...)
		dst = appendTyped(dst, v, depth)
	}
	return dst
}
