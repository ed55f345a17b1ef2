package activitylogs

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Reader reads the attributes of one record into an event, and writes the event
// back so that values which still hold are moved and not made anew: most of what
// Encode costs is their allocation. The zero value is ready; a Reader serves one
// record, whose attributes must not change between Set and Encode.
type Reader struct {
	cursor cursor
	held   [rowCount]pcommon.Value // what each field was read from
}

// Set is the function Set for attributes that the record itself holds.
func (r *Reader) Set(e *activity.Event, key string, v pcommon.Value) (known bool, err error) {
	i, ok := r.cursor.find(key)
	if !ok || !rows[i].kinds.has(e.Kind) {
		return false, nil
	}
	if !rows[i].set(e, v) {
		return true, wrongType(key, v)
	}
	r.held[i] = v
	return true, nil
}

// Encode is the function Encode for the record whose attributes were read.
func (r *Reader) Encode(e *activity.Event, lr plog.LogRecord) {
	encode(e, nil, lr, &r.held)
}

// holds reports whether v is what put would write. It may say no to a value that
// is written anew without harm.
func (r *row) holds(e *activity.Event, v pcommon.Value) bool {
	switch r.form {
	case formText:
		return v.Type() == pcommon.ValueTypeStr && v.Str() == *e.Text(r.field)
	case formInt:
		return v.Type() == pcommon.ValueTypeInt && v.Int() == *e.Int(r.field)
	case formOpt:
		return v.Type() == pcommon.ValueTypeInt && v.Int() == e.Opt(r.field).Value
	case formDegrees:
		return v.Type() == pcommon.ValueTypeDouble && v.Double() == float64(e.Opt(r.field).Value)/e7PerDegree
	case formMillis:
		return v.Type() == pcommon.ValueTypeDouble && v.Double() == float64(e.Opt(r.field).Value)/usPerMilli
	case formRoles:
		if v.Type() != pcommon.ValueTypeSlice {
			return false
		}
		var buf [256]byte
		text, ok := appendRoles(buf[:0], v.Slice())
		return ok && string(text) == *e.Text(r.field)
	case formID:
		var buf [idTextSize]byte
		return v.Type() == pcommon.ValueTypeStr && v.Str() == string(e.ID.Append(buf[:0]))
	case formAllowed, formWords, formBytes:
	}
	return false
}

// idTextSize is the length of a dashed UUID.
const idTextSize = 36
