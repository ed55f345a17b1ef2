package activitylogs

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Scales between the units of attributes and the integers of an event.
const (
	e7PerDegree = 1e7
	usPerMilli  = 1e3
	maxExact    = 1 << 53 // largest integer that a double counts to
)

// Degrees gives degrees x 1e7, rounded half away from zero once; not valid for
// NaN, an infinity or a value beyond limit degrees either way.
func Degrees(degrees, limit float64) activity.OptInt64 {
	if math.IsNaN(degrees) || math.Abs(degrees) > limit {
		return activity.OptInt64{}
	}
	return activity.Some(int64(math.Round(degrees * e7PerDegree)))
}

// Limits of Degrees.
const (
	MaxLatitude  = 90.0
	MaxLongitude = 180.0
)

// Micros gives microseconds of ms milliseconds, rounded half away from zero
// once; not valid for NaN, an infinity or a negative value.
func Micros(ms float64) activity.OptInt64 {
	us := math.Round(ms * usPerMilli)
	if math.IsNaN(us) || ms < 0 || us > maxExact {
		return activity.OptInt64{}
	}
	return activity.Some(int64(us))
}

// rolesText gives a list of strings as a JSON list.
func rolesText(list pcommon.Slice) (string, bool) {
	var b strings.Builder
	b.WriteByte('[')
	for i := range list.Len() {
		v := list.At(i)
		if v.Type() != pcommon.ValueTypeStr {
			return "", false
		}
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writeJSONString(&b, v.Str()); err != nil {
			return "", false
		}
	}
	b.WriteByte(']')
	return b.String(), true
}

// parseRoles gives the strings of a JSON list when rolesText gives the same
// text back, so that nothing is lost between the two forms.
func parseRoles(text string) ([]string, bool) {
	var list []string
	if err := json.Unmarshal([]byte(text), &list); err != nil || list == nil {
		return nil, false
	}
	var b strings.Builder
	b.WriteByte('[')
	for i, s := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writeJSONString(&b, s); err != nil {
			return nil, false
		}
	}
	b.WriteByte(']')
	return list, b.String() == text
}

// writeJSONString writes a JSON string without HTML escapes; text that needs
// no escape, nearly all of it, takes the short way.
func writeJSONString(b *strings.Builder, s string) error {
	if plain(s) {
		b.WriteByte('"')
		b.WriteString(s)
		b.WriteByte('"')
		return nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return err
	}
	b.Write(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
	return nil
}

func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}
