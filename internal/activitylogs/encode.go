package activitylogs

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Encode writes e as the record: event name, times, severity, trace context,
// body and all attributes are replaced. Service and producer belong to the
// resource (EncodeResource).
//
// A response time is exact below 2^50 microseconds (35 years), where the double
// in milliseconds still tells neighbours apart.
func Encode(e *activity.Event, lr plog.LogRecord) {
	encode(e, nil, lr, nil)
}

// EncodeResource replaces the resource's attributes by service and producer.
func EncodeResource(e *activity.Event, resource pcommon.Resource) {
	attrs := resource.Attributes()
	attrs.Clear()
	if e.Service != "" {
		attrs.PutStr(KeyService, e.Service)
	}
	if e.Producer != "" {
		attrs.PutStr(KeyProducer, e.Producer)
	}
}

// EncodeSeal writes only the attributes of the seal.
func EncodeSeal(e *activity.Event, lr plog.LogRecord) {
	attrs := lr.Attributes()
	for _, f := range [...]struct {
		key   string
		value []byte
	}{
		{KeyIntegrityHash, e.IntegrityHash},
		{KeyIntegritySalts, e.IntegritySalts},
		{KeyIntegrityCommitments, e.IntegrityCommitments},
	} {
		if len(f.value) == 0 {
			attrs.Remove(f.key)
			continue
		}
		attrs.PutEmptyBytes(f.key).FromRaw(f.value)
	}
	if e.SchemaVersion == 0 {
		attrs.Remove(KeyIntegritySchemaVersion)
		return
	}
	attrs.PutInt(KeyIntegritySchemaVersion, e.SchemaVersion)
}

// sealRows is how many attributes a seal adds to a record.
const sealRows = 4

// encode writes the event and moves the held values that still say the same.
func encode(e *activity.Event, in *Inputs, lr plog.LogRecord, held *[rowCount]pcommon.Value) {
	lr.SetEventName(eventName(e.Kind))
	lr.SetTimestamp(pcommon.Timestamp(e.Datetime))              //nolint:gosec // the same 64 bits
	lr.SetObservedTimestamp(pcommon.Timestamp(e.ReceivedAt))    //nolint:gosec // as above
	lr.SetSeverityNumber(plog.SeverityNumber(e.SeverityNumber)) //nolint:gosec // 0..24 once normalised
	lr.SetSeverityText("")
	lr.SetFlags(0)
	lr.SetDroppedAttributesCount(0)
	lr.SetTraceID(e.TraceID)
	lr.SetSpanID(e.SpanID)
	encodeBody(e.Message, lr.Body())
	var present [rowCount]uint8
	n := 0
	for i := range rows {
		if r := &rows[i]; r.kinds.has(e.Kind) && !r.absent(e) {
			present[n] = uint8(i)
			n++
		}
	}
	var b xpdata.MapBuilder
	b.EnsureCapacity(n + in.len() + sealRows) // EncodeSeal then finds room
	for _, i := range present[:n] {
		r := &rows[i]
		v := b.AppendEmpty(r.key)
		if held != nil && held[i] != (pcommon.Value{}) && r.holds(e, held[i]) {
			held[i].MoveTo(v)
			continue
		}
		r.put(e, v)
	}
	in.append(&b)
	b.UnsafeIntoMap(lr.Attributes())
}

func encodeBody(message string, body pcommon.Value) {
	switch t := body.Type(); {
	case message == "" && t != pcommon.ValueTypeEmpty:
		pcommon.NewValueEmpty().CopyTo(body)
	case message != "" && (t != pcommon.ValueTypeStr || body.Str() != message):
		body.SetStr(message)
	}
}

func (r *row) absent(e *activity.Event) bool {
	switch r.form {
	case formText, formRoles, formWords:
		return *e.Text(r.field) == ""
	case formInt, formAllowed:
		return *e.Int(r.field) == 0
	case formOpt, formDegrees, formMillis:
		return !e.Opt(r.field).Valid
	case formBytes:
		return len(e.Bytes(r.field)) == 0
	case formID:
		return e.ID.IsZero()
	}
	return true
}

// put writes a field that is not absent.
func (r *row) put(e *activity.Event, v pcommon.Value) {
	switch r.form {
	case formText:
		v.SetStr(*e.Text(r.field))
	case formInt:
		v.SetInt(*e.Int(r.field))
	case formOpt:
		v.SetInt(e.Opt(r.field).Value)
	case formDegrees:
		v.SetDouble(float64(e.Opt(r.field).Value) / e7PerDegree)
	case formMillis:
		v.SetDouble(float64(e.Opt(r.field).Value) / usPerMilli)
	case formAllowed:
		v.SetBool(e.Allowed == activity.AllowedYes)
	case formRoles:
		var room [16]string
		text := *e.Text(r.field)
		if list, ok := parseRoles(room[:0], text); ok {
			setStrings(v, list)
		} else {
			v.SetStr(text)
		}
	case formWords:
		setStrings(v, strings.Split(*e.Text(r.field), ","))
	case formBytes:
		v.SetEmptyBytes().FromRaw(e.Bytes(r.field))
	case formID:
		v.SetStr(e.ID.String())
	}
}

func setStrings(v pcommon.Value, list []string) {
	s := v.SetEmptySlice()
	s.EnsureCapacity(len(list))
	for _, item := range list {
		s.AppendEmpty().SetStr(item)
	}
}
