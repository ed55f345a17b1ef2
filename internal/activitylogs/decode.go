package activitylogs

import (
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Decode fills e from a record in the form of this package, as it leaves the
// enrich processor. Attributes that are no field are not looked at, so headers,
// peer address and snapshots left by a sender never reach an event. The error
// wraps activity.ErrInvalid and names the attribute; e is then incomplete.
func Decode(resource pcommon.Resource, lr plog.LogRecord, e *activity.Event) error {
	*e = activity.Event{}
	kind, ok := activity.ParseKind(lr.EventName())
	if !ok {
		return fmt.Errorf("%w: event name %q is no activity event; the enrich processor must run before this component",
			activity.ErrInvalid, activity.CutText(lr.EventName(), 64))
	}
	e.Kind = kind
	DecodeResource(resource, e)
	DecodeRecord(lr, e)
	if body := lr.Body(); body.Type() == pcommon.ValueTypeStr {
		e.Message = body.Str()
	}
	var c cursor
	for key, v := range lr.Attributes().All() {
		i, ok := c.find(key)
		if !ok || !rows[i].kinds.has(kind) {
			continue
		}
		if !rows[i].set(e, v) {
			return wrongType(key, v)
		}
	}
	return nil
}

func wrongType(key string, v pcommon.Value) error {
	return fmt.Errorf("%w: attribute %q cannot hold a value of type %s", activity.ErrInvalid, key, v.Type())
}

// DecodeResource takes service and producer from the resource.
func DecodeResource(resource pcommon.Resource, e *activity.Event) {
	for key, v := range resource.Attributes().All() {
		switch key {
		case KeyService:
			e.Service = v.AsString()
		case KeyProducer:
			e.Producer = v.AsString()
		}
	}
}

// DecodeRecord takes the fields that are no attributes: the times, the severity
// and the trace context.
func DecodeRecord(lr plog.LogRecord, e *activity.Event) {
	e.Datetime = int64(lr.Timestamp())           //nolint:gosec // the same 64 bits; out of range is corrected by enrich
	e.ReceivedAt = int64(lr.ObservedTimestamp()) //nolint:gosec // as above
	e.SeverityNumber = int64(lr.SeverityNumber())
	e.TraceID = lr.TraceID()
	e.SpanID = lr.SpanID()
}

// Set puts one attribute into the field it stands for in an event of e.Kind,
// which must be set. known is false when the attribute is no field of that
// kind. A value of the wrong type changes nothing and gives an error that wraps
// activity.ErrInvalid.
func Set(e *activity.Event, key string, v pcommon.Value) (known bool, err error) {
	return new(Reader).Set(e, key, v)
}

func (r *row) set(e *activity.Event, v pcommon.Value) bool {
	if r.form == formText { // most of them
		s := v.Str()
		return (s != "" || v.Type() == pcommon.ValueTypeStr) && assign(e.Text(r.field), s)
	}
	t := v.Type()
	switch r.form {
	case formInt:
		return t == pcommon.ValueTypeInt && assign(e.Int(r.field), v.Int())
	case formOpt:
		return t == pcommon.ValueTypeInt && assign(e.Opt(r.field), activity.Some(v.Int()))
	case formDegrees:
		f, ok := number(v)
		limit := MaxLatitude
		if r.field == activity.FieldLongitude {
			limit = MaxLongitude
		}
		return ok && assign(e.Opt(r.field), Degrees(f, limit))
	case formMillis:
		f, ok := number(v)
		return ok && assign(e.Opt(r.field), Micros(f))
	case formAllowed:
		if t != pcommon.ValueTypeBool {
			return false
		}
		e.Allowed = activity.AllowedNo
		if v.Bool() {
			e.Allowed = activity.AllowedYes
		}
		return true
	case formRoles:
		return r.setRoles(e, v)
	case formWords:
		return r.setWords(e, v)
	case formBytes:
		return t == pcommon.ValueTypeBytes && e.SetBytes(r.field, v.Bytes().AsRaw())
	case formID:
		if t != pcommon.ValueTypeStr {
			return false
		}
		id, err := activity.ParseID(v.Str())
		e.ID = id
		return err == nil
	}
	return false
}

func assign[T any](p *T, v T) bool {
	*p = v
	return true
}

func number(v pcommon.Value) (float64, bool) {
	switch v.Type() {
	case pcommon.ValueTypeDouble:
		return v.Double(), true
	case pcommon.ValueTypeInt:
		return float64(v.Int()), true
	}
	return 0, false
}

// setRoles takes a list of strings, or the JSON text that Encode writes when
// the roles are no such list.
func (r *row) setRoles(e *activity.Event, v pcommon.Value) bool {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		*e.Text(r.field) = v.Str()
		return true
	case pcommon.ValueTypeSlice:
		var buf [256]byte
		text, ok := appendRoles(buf[:0], v.Slice())
		if ok {
			*e.Text(r.field) = string(text)
		}
		return ok
	}
	return false
}

func (r *row) setWords(e *activity.Event, v pcommon.Value) bool {
	if v.Type() != pcommon.ValueTypeSlice {
		return false
	}
	words := make([]string, 0, v.Slice().Len())
	for _, w := range v.Slice().All() {
		if w.Type() != pcommon.ValueTypeStr {
			return false
		}
		words = append(words, w.Str())
	}
	*e.Text(r.field) = strings.Join(words, ",")
	return true
}

// Events decodes every record, in order. Records that cannot be decoded are
// left out and reported by the error, which wraps activity.ErrInvalid; the
// events are valid beside it.
func Events(ld plog.Logs) ([]activity.Event, error) {
	events := make([]activity.Event, 0, ld.LogRecordCount())
	var errs []error
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				events = append(events, activity.Event{})
				if err := Decode(rl.Resource(), lr, &events[len(events)-1]); err != nil {
					events = events[:len(events)-1]
					errs = append(errs, err)
				}
			}
		}
	}
	return events, errors.Join(errs...)
}
