package enrichprocessor

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// cookie gives the first cookie of a name of the reported request (RFC 6265
// section 4.2.1), "" when there is none. Several header lines are one list (RFC
// 9113 section 8.2.3).
func (in *intake) cookie(name string) string {
	for i := range in.headers {
		if in.headers[i].name != "cookie" {
			continue
		}
		v := in.headers[i].values
		if v.Type() != pcommon.ValueTypeSlice {
			return cookieOf(v.AsString(), name)
		}
		for _, line := range v.Slice().All() {
			if s := cookieOf(line.AsString(), name); s != "" {
				return s
			}
		}
	}
	return ""
}

func cookieOf(line, name string) string {
	for line != "" {
		var pair string
		pair, line, _ = strings.Cut(line, ";")
		key, value, ok := strings.Cut(pair, "=")
		if !ok || strings.TrimSpace(key) != name {
			continue
		}
		value = strings.TrimSpace(value)
		if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		return value
	}
	return ""
}
