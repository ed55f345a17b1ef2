package activitylogreceiver

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// member reads one member of the client's object into the draft. A nil read
// drops the member: it is the collector's own or derived from others.
type member struct {
	name string
	read func(d *draft, v value) error
}

// wants is the one shape of a reason about a type.
func wants(want string, v value) error { return fmt.Errorf("want %s, got %s", want, v.word()) }

// members are the names a client may use, those of the data model. Names that
// are not among them go to extra_data.
var members = indexMembers()

func indexMembers() map[string]member {
	list := []member{
		{"id", func(d *draft, v value) error { return textInto(&d.id, v) }},
		{"datetime", func(d *draft, v value) error { return textInto(&d.datetime, v) }},
		{"kind", readKind},
		{"event_type", func(d *draft, v value) error { return d.typed(activity.KindCRUD, v) }},
		{"login_type", func(d *draft, v value) error { return d.typed(activity.KindLogin, v) }},
		{"event_name", func(d *draft, v value) error { return d.typed(activity.KindSystem, v) }},
		{"user", func(d *draft, v value) error { return textOrIntegerInto(&d.user, v) }},
		{"user_id", textOrInteger(activity.FieldUserID)},
		{"object_id", textOrInteger(activity.FieldObjectID)},
		{"user_roles", readRoles},
		{"object_json_repr", jsonText(activity.FieldObjectJSONRepr)},
		{"changed_fields", jsonText(activity.FieldChangedFields)},
		{"extra_data", jsonValue(activity.FieldExtraData)},
		{"trace_id", hexBytes(activity.FieldTraceID, 16)},
		{"span_id", hexBytes(activity.FieldSpanID, 8)},
		{"traceparent", readTraceparent},
		{"severity", readSeverity},
		{"severity_number", integer(activity.FieldSeverityNumber, 0, 24)},
		{"producer_seq", integer(activity.FieldProducerSeq, 0, maxInteger)},
		{"response_status", integer(activity.FieldResponseStatus, 100, 999)},
		{"response_time_ms", decimal(activity.FieldResponseTimeUS, 3)},
		{"latitude", decimal(activity.FieldLatitude, 7)},
		{"longitude", decimal(activity.FieldLongitude, 7)},
		{"request_body_size", size(activity.FieldRequestBodySize)},
		{"response_body_size", size(activity.FieldResponseBodySize)},
		{"allowed", readAllowed},
		{"headers", readHeaders},
		{"peer_address", func(d *draft, v value) error { return textInto(&d.inputs.PeerAddress, v) }},
		{"before", func(d *draft, v value) error { return jsonInto(&d.inputs.Before, v) }},
		{"after", func(d *draft, v value) error { return jsonInto(&d.inputs.After, v) }},
	}
	index := make(map[string]member, 2*len(list))
	for _, f := range activity.Fields() {
		info := f.Info()
		switch {
		case info.Ours:
			index[info.Name] = member{name: info.Name}
		case info.Type == activity.TypeText && f != activity.FieldType:
			index[info.Name] = member{info.Name, text(f)}
		}
	}
	for _, name := range []string{"received_at", "stored_at", "event_type_display", "login_type_display"} {
		index[name] = member{name: name}
	}
	for _, m := range list {
		index[m.name] = m
	}
	return index
}

// Bounds of what REST can carry as a JSON number.
const maxInteger = 1<<53 - 1

func textInto(dst *string, v value) error {
	if !v.isText() {
		return wants("text", v)
	}
	*dst = v.text()
	return nil
}

func textOrIntegerInto(dst *string, v value) error {
	if v.isInteger() {
		*dst = string(v)
		return nil
	}
	if !v.isText() {
		return wants("text or an integer", v)
	}
	*dst = v.text()
	return nil
}

// jsonInto takes a JSON value, or a text that holds one.
func jsonInto(dst *string, v value) error {
	if v.isText() {
		s := strings.TrimSpace(v.text())
		if s == "" {
			return nil
		}
		if jsontext.Value(s).IsValid() {
			v = value(s)
		}
	}
	if v.depth() > activity.MaxJSONDepth {
		return errTooDeep
	}
	*dst = string(v)
	return nil
}

func text(f activity.Field) func(*draft, value) error {
	words := activity.Words(f)
	return func(d *draft, v value) error {
		dst := d.event.Text(f)
		if err := textInto(dst, v); err != nil {
			return err
		}
		if words != nil && *dst != "" && !slices.Contains(words, *dst) {
			return fmt.Errorf("want one of %s, got %s", strings.Join(words, ", "), shown(*dst))
		}
		return nil
	}
}

func textOrInteger(f activity.Field) func(*draft, value) error {
	return func(d *draft, v value) error { return textOrIntegerInto(d.event.Text(f), v) }
}

func jsonText(f activity.Field) func(*draft, value) error {
	return func(d *draft, v value) error { return jsonInto(d.event.Text(f), v) }
}

func jsonValue(f activity.Field) func(*draft, value) error {
	return func(d *draft, v value) error {
		*d.event.Text(f) = string(v)
		return nil
	}
}

func integer(f activity.Field, low, high int64) func(*draft, value) error {
	return func(d *draft, v value) error {
		if !v.isInteger() {
			return wants("an integer", v)
		}
		n, ok := v.integer()
		if !ok || n < low || n > high {
			return fmt.Errorf("want an integer from %d to %d, got %s", low, high, shown(string(v)))
		}
		*d.event.Int(f) = n
		return nil
	}
}

// decimal takes a number in the client's unit, which is 10^shift of ours. What
// is out of the field's range becomes "not known" when the event is normalised.
func decimal(f activity.Field, shift int) func(*draft, value) error {
	return func(d *draft, v value) error {
		if !v.isNumber() {
			return wants("a number", v)
		}
		n, ok := v.scaled(shift)
		if !ok {
			return fmt.Errorf("%s is too large", shown(string(v)))
		}
		*d.event.Opt(f) = activity.Some(n)
		return nil
	}
}

func size(f activity.Field) func(*draft, value) error {
	return func(d *draft, v value) error {
		if !v.isInteger() {
			return wants("an integer", v)
		}
		n, ok := v.integer()
		if !ok || n > maxInteger {
			return fmt.Errorf("%s is too large", shown(string(v)))
		}
		if n >= 0 {
			*d.event.Opt(f) = activity.Some(n)
		}
		return nil
	}
}

func hexBytes(f activity.Field, length int) func(*draft, value) error {
	return func(d *draft, v value) error {
		if !v.isText() {
			return wants("text", v)
		}
		s := v.text()
		if s == "" {
			return nil
		}
		b, err := hex.DecodeString(s)
		if err != nil || len(b) != length {
			return fmt.Errorf("want %d hex digits, got %s", 2*length, shown(s))
		}
		d.event.SetBytes(f, b)
		return nil
	}
}

func readKind(d *draft, v value) error {
	if !v.isText() {
		return wants("text", v)
	}
	kind, ok := activity.ParseKind(v.text())
	if !ok {
		return fmt.Errorf("want one of %s, got %s", kindWords(), shown(v.text()))
	}
	d.event.Kind = kind
	return nil
}

func kindWords() string {
	var words []string
	for _, k := range activity.Kinds() {
		words = append(words, k.String())
	}
	return strings.Join(words, ", ")
}

func readAllowed(d *draft, v value) error {
	switch v {
	case "true":
		d.event.Allowed = activity.AllowedYes
	case "false":
		d.event.Allowed = activity.AllowedNo
	default:
		return wants("a boolean", v)
	}
	return nil
}

func readSeverity(d *draft, v value) error {
	if !v.isText() {
		return wants("text", v)
	}
	low, high, ok := activity.SeverityRange(v.text())
	if !ok {
		return fmt.Errorf("want INFO, WARNING, ERROR or CRITICAL, got %s", shown(v.text()))
	}
	d.severity = [2]int64{low, high}
	return nil
}

// readTraceparent takes version-traceid-spanid-flags (W3C Trace Context,
// section 3.2).
func readTraceparent(d *draft, v value) error {
	if !v.isText() {
		return wants("text", v)
	}
	parts := strings.Split(v.text(), "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || len(parts[1]) != 32 || len(parts[2]) != 16 {
		return errors.New("want version-traceid-spanid-flags as in W3C Trace Context")
	}
	trace, errTrace := hex.DecodeString(parts[1])
	span, errSpan := hex.DecodeString(parts[2])
	if errTrace != nil || errSpan != nil {
		return errors.New("want hex digits as in W3C Trace Context")
	}
	copy(d.parentTrace[:], trace)
	copy(d.parentSpan[:], span)
	return nil
}
