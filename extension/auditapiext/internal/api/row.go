package api

import (
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
)

// column is one key of a row and one column of a CSV file.
type column struct {
	name string
	key  string // the name as JSON, and a colon
	of   func(e *activity.Event, v canonical.Verdict) value
}

// columnsOf gives the columns of a kind: those of the replaced package in its
// order, then the newer ones.
func columnsOf(k activity.Kind) []column {
	var names []string
	switch k {
	case activity.KindCRUD:
		names = []string{
			"event_type", "event_type_display", "object_id", "content_type", "object_repr", "object_json_repr",
			"changed_fields", "user", "user_pk_as_string",
		}
	case activity.KindLogin:
		names = []string{"login_type", "login_type_display", "username", "user", "session_key"}
	case activity.KindRequest:
		names = []string{
			"url", "method", "query_string", "response_status", "response_time_ms", "request_body_size",
			"response_body_size", "user",
		}
	case activity.KindCORS:
		names = []string{"url", "method", "query_string", "origin", "allowed", "user"}
	case activity.KindSystem:
		names = []string{"event_name", "severity", "category", "message", "source", "traceback", "user"}
	}
	client := []string{"remote_ip", "browser", "platform", "operating_system", "user_agent", "geo", "extra_data"}
	if k == activity.KindSystem {
		client = []string{"remote_ip", "extra_data", "geo"}
	}
	old := append([]string{"id"}, names...)
	old = append(append(old, client...), "integrity_hash", "is_tampered", "datetime")
	return named(append(old, newer(old)...))
}

var newColumns = []string{
	"kind", "received_at", "tenant_id", "service", "producer", "producer_seq", "trace_id", "span_id", "action",
	"outcome", "reason", "severity_number", "user_id", "username", "user_email", "user_roles", "actor_type",
	"on_behalf_of", "auth_method", "auth_verified", "auth_issuer", "auth_key_id", "session_key", "region_code",
	"user_agent", "browser", "platform", "operating_system", "object_id", "content_type", "object_repr",
	"object_json_repr", "changed_fields", "route", "flags", "truncated_fields", "schema_version", "integrity",
	"integrity_salts", "integrity_commitments",
}

func newer(old []string) []string {
	seen := make(map[string]bool, len(old))
	for _, name := range old {
		seen[name] = true
	}
	var out []string
	for _, name := range newColumns {
		if !seen[name] {
			out = append(out, name)
		}
	}
	return out
}

func named(names []string) []column {
	out := make([]column, len(names))
	for i, name := range names {
		out[i] = column{name: name, key: strconv.Quote(name) + ":", of: valueOf(name)}
	}
	return out
}

// valueOf finds how a column is shown: by one of the shapes the replaced
// package gave it, else by the type of the field with that name.
func valueOf(name string) func(*activity.Event, canonical.Verdict) value {
	switch name {
	case "event_type", "login_type":
		return func(e *activity.Event, _ canonical.Verdict) value {
			if code, ok := activity.TypeCode(e.Kind, e.Type); ok {
				return intValue(int64(code))
			}
			return textValue(e.Type)
		}
	case "event_type_display", "login_type_display", "event_name":
		return func(e *activity.Event, _ canonical.Verdict) value { return textValue(e.Type) }
	case "user":
		return func(e *activity.Event, _ canonical.Verdict) value { return userValue(e.UserID) }
	case "user_pk_as_string":
		return func(e *activity.Event, _ canonical.Verdict) value { return textValue(e.UserID) }
	case "severity":
		return func(e *activity.Event, _ canonical.Verdict) value {
			return textValue(activity.SeverityWord(e.SeverityNumber))
		}
	case "response_time_ms":
		return func(e *activity.Event, _ canonical.Verdict) value { return scaled(e.ResponseTimeUS, 3) }
	case "allowed":
		return func(e *activity.Event, _ canonical.Verdict) value {
			if e.Allowed == activity.AllowedUnknown {
				return value{}
			}
			return boolValue(e.Allowed == activity.AllowedYes)
		}
	case "geo":
		return func(e *activity.Event, _ canonical.Verdict) value { return geoValue(e) }
	case "is_tampered":
		return func(_ *activity.Event, v canonical.Verdict) value { return boolValue(v == canonical.Tampered) }
	case "integrity":
		return func(_ *activity.Event, v canonical.Verdict) value { return textValue(v.String()) }
	case "id":
		return func(e *activity.Event, _ canonical.Verdict) value { return textValue(e.ID.String()) }
	case "datetime":
		return func(e *activity.Event, _ canonical.Verdict) value { return timeValue(e.Datetime) }
	case "received_at":
		return func(e *activity.Event, _ canonical.Verdict) value { return timeValue(e.ReceivedAt) }
	case "kind":
		return func(e *activity.Event, _ canonical.Verdict) value { return textValue(e.Kind.String()) }
	case "tenant_id":
		return func(e *activity.Event, _ canonical.Verdict) value { return value{text: e.TenantID, form: formText} }
	case "flags":
		return func(e *activity.Event, _ canonical.Verdict) value { return intValue(int64(e.Flags)) }
	case "truncated_fields":
		return func(e *activity.Event, _ canonical.Verdict) value { return listValue(e.TruncatedFields) }
	}
	f, _ := activity.FieldByName(name)
	switch {
	case f == activity.FieldExtraData || f == activity.FieldUserRoles:
		return func(e *activity.Event, _ canonical.Verdict) value { return jsonValue(*e.Text(f)) }
	case f.Info().Type == activity.TypeInt:
		return func(e *activity.Event, _ canonical.Verdict) value {
			if n := *e.Int(f); n != 0 {
				return intValue(n)
			}
			return value{}
		}
	case f.Info().Type == activity.TypeOpt:
		return func(e *activity.Event, _ canonical.Verdict) value {
			if o := *e.Opt(f); o.Valid {
				return intValue(o.Value)
			}
			return value{}
		}
	case f.Info().Type == activity.TypeBytes:
		return func(e *activity.Event, _ canonical.Verdict) value { return bytesValue(e.Bytes(f)) }
	}
	return func(e *activity.Event, _ canonical.Verdict) value { return textValue(*e.Text(f)) }
}

func listValue(joined string) value {
	b := []byte{'['}
	if joined != "" {
		for i, name := range strings.Split(joined, ",") {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, name)
		}
	}
	return value{text: string(append(b, ']')), form: formRaw}
}

const degreeDigits = 7

func geoValue(e *activity.Event) value {
	var b []byte
	for _, member := range []struct {
		key string
		of  value
	}{
		{`{"latitude":`, scaled(e.Latitude, degreeDigits)},
		{`,"longitude":`, scaled(e.Longitude, degreeDigits)},
		{`,"city":`, textValue(e.City)},
		{`,"country":`, textValue(e.Country)},
		{`,"country_code":`, textValue(e.CountryCode)},
	} {
		b = member.of.appendJSON(append(b, member.key...))
	}
	return value{text: string(append(b, '}')), form: formRaw}
}

// appendRow appends an event as one JSON object.
func appendRow(b []byte, columns []column, e *activity.Event, v canonical.Verdict) []byte {
	b = append(b, '{')
	for i := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, columns[i].key...)
		cell := columns[i].of(e, v)
		b = cell.appendJSON(b)
	}
	return append(b, '}')
}
