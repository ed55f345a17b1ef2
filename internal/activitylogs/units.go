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

// appendRoles appends a list of strings as a JSON list.
func appendRoles(dst []byte, list pcommon.Slice) ([]byte, bool) {
	dst = append(dst, '[')
	for i := range list.Len() {
		v := list.At(i)
		if v.Type() != pcommon.ValueTypeStr {
			return dst, false
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendJSONString(dst, v.Str()); err != nil {
			return dst, false
		}
	}
	return append(dst, ']'), true
}

// parseRoles gives the strings of a JSON list when appendRoles gives the same
// text back, so that nothing is lost between the two forms. A list that fits is
// made in room.
func parseRoles(room []string, text string) ([]string, bool) {
	if list, ok := plainRoles(room, text); ok {
		return list, true
	}
	var list []string
	if err := json.Unmarshal([]byte(text), &list); err != nil || list == nil {
		return nil, false
	}
	dst := make([]byte, 0, len(text))
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendJSONString(dst, s); err != nil {
			return nil, false
		}
	}
	return list, string(append(dst, ']')) == text
}

// plainRoles is parseRoles for nearly every list: plain words, no white space.
func plainRoles(list []string, text string) ([]string, bool) {
	const between = `","`
	inner, ok := strings.CutPrefix(text, `["`)
	if !ok {
		return nil, false
	}
	if inner, ok = strings.CutSuffix(inner, `"]`); !ok {
		return nil, false
	}
	for word := range strings.SplitSeq(inner, between) {
		if !plain(word) {
			return nil, false
		}
		list = append(list, word)
	}
	return list, true
}

// appendJSONString appends a JSON string without HTML escapes; text that needs
// no escape, nearly all of it, takes the short way.
func appendJSONString(dst []byte, s string) ([]byte, error) {
	if plain(s) {
		return append(append(append(dst, '"'), s...), '"'), nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return dst, err
	}
	return append(dst, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...), nil
}

func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}
