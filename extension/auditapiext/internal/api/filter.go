package api

import (
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// filterParam makes a condition of a parameter's value.
type filterParam struct {
	field activity.Field
	op    activity.Op
	parse parser
}

// parser turns one value as written into the value that is compared.
type parser func(s string) (text string, number int64, err error)

// Suffixes of parameter names, as Django spells them.
const (
	suffixIn       = "__in"
	suffixContains = "__icontains"
	suffixAtLeast  = "__gte"
	suffixAtMost   = "__lte"
	suffixNull     = "__isnull"
)

// filterParams lists the filters of a kind: every column that its rows have, and
// the names of the replaced package.
func filterParams(k activity.Kind, columns []column) map[string]filterParam {
	out := map[string]filterParam{}
	shown := map[string]bool{"city": true, "country": true, "country_code": true}
	for i := range columns {
		shown[columns[i].name] = true
	}
	text := func(name string, f activity.Field, p parser) {
		out[name] = filterParam{f, activity.OpEqual, p}
		out[name+suffixIn] = filterParam{f, activity.OpIn, p}
		out[name+suffixContains] = filterParam{f, activity.OpContains, asText}
		out[name+suffixNull] = filterParam{field: f}
	}
	number := func(name string, f activity.Field, p parser) {
		out[name] = filterParam{f, activity.OpEqual, p}
		out[name+suffixIn] = filterParam{f, activity.OpIn, p}
		out[name+suffixAtLeast] = filterParam{f, activity.OpAtLeast, p}
		out[name+suffixAtMost] = filterParam{f, activity.OpAtMost, p}
		out[name+suffixNull] = filterParam{field: f}
	}
	for _, f := range activity.Fields() {
		info := f.Info()
		switch {
		case !shown[info.Name] || f == activity.FieldTenantID || f == activity.FieldKind || f == activity.FieldAllowed ||
			f == activity.FieldFlags || f == activity.FieldSchemaVersion || f == activity.FieldTruncatedFields:
		case info.Type == activity.TypeText:
			text(info.Name, f, asText)
		case info.Type == activity.TypeJSON:
			out[info.Name+suffixContains] = filterParam{f, activity.OpContains, asText}
		case info.Type == activity.TypeInt || info.Type == activity.TypeOpt:
			number(info.Name, f, asInteger)
		}
	}
	out["id"] = filterParam{activity.FieldID, activity.OpEqual, asID}
	out["trace_id"] = filterParam{activity.FieldTraceID, activity.OpEqual, asHex(len(activity.Event{}.TraceID))}
	out["span_id"] = filterParam{activity.FieldSpanID, activity.OpEqual, asHex(len(activity.Event{}.SpanID))}
	text("remote_ip", activity.FieldRemoteIP, asAddress)
	text("user", activity.FieldUserID, asText)
	typed := func(s string) (string, int64, error) {
		word, ok := activity.ParseType(k, s)
		if !ok {
			return "", 0, fmt.Errorf("%q is no type; want a code or one of %s", s, strings.Join(activity.TypeWords(k), ", "))
		}
		return word, 0, nil
	}
	switch k {
	case activity.KindCRUD:
		out["event_type"] = filterParam{activity.FieldType, activity.OpEqual, typed}
		out["event_type"+suffixIn] = filterParam{activity.FieldType, activity.OpIn, typed}
	case activity.KindLogin:
		out["login_type"] = filterParam{activity.FieldType, activity.OpEqual, typed}
		out["login_type"+suffixIn] = filterParam{activity.FieldType, activity.OpIn, typed}
	case activity.KindRequest:
		number("response_time_ms", activity.FieldResponseTimeUS, asMilliseconds)
	case activity.KindCORS:
		out["allowed"] = filterParam{activity.FieldAllowed, activity.OpEqual, asAllowed}
		out["allowed"+suffixNull] = filterParam{field: activity.FieldAllowed}
	case activity.KindSystem:
		text("event_name", activity.FieldType, asText)
		out["severity"] = filterParam{activity.FieldSeverityNumber, activity.OpEqual, nil}
		out["severity"+suffixIn] = filterParam{activity.FieldSeverityNumber, activity.OpIn, nil}
	}
	return out
}

// filter makes the condition of one parameter.
func (p *filterParam) filter(name, value string) (activity.Filter, error) {
	f := activity.Filter{Fields: []activity.Field{p.field}, Op: p.op}
	if value == "" {
		return f, fmt.Errorf("%w: %s is empty; leave it out, or ask for %s=true", activity.ErrInvalid, name, p.field.String()+suffixNull)
	}
	if p.op == 0 {
		null, err := strconv.ParseBool(value)
		if err != nil {
			return f, fmt.Errorf("%w: %s: want true or false, got %q", activity.ErrInvalid, name, value)
		}
		f.Op = activity.OpNotNull
		if null {
			f.Op = activity.OpIsNull
		}
		return f, nil
	}
	values := []string{value}
	if p.op == activity.OpIn {
		values = strings.Split(value, ",")
		if len(values) > activity.MaxIn {
			return f, fmt.Errorf("%w: %s: %d values, at most %d are taken", activity.ErrInvalid, name, len(values), activity.MaxIn)
		}
	}
	if p.parse == nil {
		return severities(name, values)
	}
	isText := p.field.Info().Type == activity.TypeText || p.field.Info().Type == activity.TypeJSON || p.field.Info().Type == activity.TypeBytes
	for _, v := range values {
		if v == "" {
			return f, fmt.Errorf("%w: %s: a value between commas is empty", activity.ErrInvalid, name)
		}
		text, number, err := p.parse(v)
		if err != nil {
			return f, fmt.Errorf("%w: %s: %w", activity.ErrInvalid, name, err)
		}
		if isText {
			f.Text = append(f.Text, text)
		} else {
			f.Int = append(f.Int, number)
		}
	}
	return f, nil
}

// severities turns words into the numbers they stand for.
func severities(name string, words []string) (activity.Filter, error) {
	f := activity.Filter{Fields: []activity.Field{activity.FieldSeverityNumber}, Op: activity.OpIn}
	for _, w := range words {
		low, high, ok := activity.SeverityRange(w)
		if !ok {
			return f, fmt.Errorf("%w: %s: want INFO, WARNING, ERROR or CRITICAL, got %q", activity.ErrInvalid, name, w)
		}
		f.Int = append(f.Int, numbers(low, high)...)
	}
	return f, nil
}

func asText(s string) (string, int64, error) { return activity.CleanText(s), 0, nil }

func asID(s string) (string, int64, error) {
	id, err := activity.ParseID(s)
	if err != nil {
		return "", 0, fmt.Errorf("want a UUID, got %q", s)
	}
	return id.String(), 0, nil
}

func asHex(size int) parser {
	return func(s string) (string, int64, error) {
		if raw, err := hex.DecodeString(s); err != nil || len(raw) != size {
			return "", 0, fmt.Errorf("want %d hex digits, got %q", hex.EncodedLen(size), s)
		}
		return strings.ToLower(s), 0, nil
	}
}

// asAddress spells an address as it is stored; other text is stored as it came.
func asAddress(s string) (string, int64, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Unmap().String(), 0, nil
	}
	return asText(s)
}

func asInteger(s string) (string, int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return "", 0, fmt.Errorf("want an integer, got %q", s)
	}
	return "", n, nil
}

func asMilliseconds(s string) (string, int64, error) {
	ms, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(ms) || math.Abs(ms) > 1<<40 {
		return "", 0, fmt.Errorf("want milliseconds, got %q", s)
	}
	return "", int64(math.Round(ms * 1000)), nil
}

func asAllowed(s string) (string, int64, error) {
	allowed, err := strconv.ParseBool(s)
	if err != nil {
		return "", 0, fmt.Errorf("want true or false, got %q", s)
	}
	if allowed {
		return "", int64(activity.AllowedYes), nil
	}
	return "", int64(activity.AllowedNo), nil
}

// searched lists the fields a search looks into.
func searched(k activity.Kind) []activity.Field {
	switch k {
	case activity.KindCRUD:
		return []activity.Field{activity.FieldObjectID, activity.FieldObjectJSONRepr, activity.FieldObjectRepr, activity.FieldUsername}
	case activity.KindLogin:
		return []activity.Field{activity.FieldUsername, activity.FieldRemoteIP}
	case activity.KindRequest:
		return []activity.Field{activity.FieldURL, activity.FieldRemoteIP, activity.FieldUsername, activity.FieldQueryString}
	case activity.KindCORS:
		return []activity.Field{activity.FieldURL, activity.FieldOrigin, activity.FieldRemoteIP}
	case activity.KindSystem:
		return []activity.Field{activity.FieldType, activity.FieldMessage, activity.FieldSource}
	}
	return nil
}
