package activitylogreceiver

import (
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// value is the text of one JSON value, without space around it.
type value string

func (v value) isNull() bool   { return v[0] == 'n' }
func (v value) isText() bool   { return v[0] == '"' }
func (v value) isObject() bool { return v[0] == '{' }
func (v value) isList() bool   { return v[0] == '[' }
func (v value) isNumber() bool { return v[0] == '-' || '0' <= v[0] && v[0] <= '9' }

// word names the JSON type for people.
func (v value) word() string {
	switch v[0] {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "text"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	if v.isInteger() {
		return "an integer"
	}
	return "a number"
}

// text gives the string that a JSON string stands for. Lone surrogates become
// U+FFFD; U+0000 stays for the normalisation, which replaces it.
func (v value) text() string {
	inner := string(v[1 : len(v)-1])
	if strings.IndexByte(inner, '\\') < 0 {
		return inner
	}
	// The error only tells that surrogates were replaced: the tokenizer has read v.
	b, _ := jsontext.AppendUnquote(nil, v)
	return string(b)
}

// isInteger reports whether v is written as an integer: no fraction, no exponent.
func (v value) isInteger() bool { return v.isNumber() && !strings.ContainsAny(string(v), ".eE") }

// integer gives a whole number within int64.
func (v value) integer() (int64, bool) {
	if !v.isInteger() {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}

// maxScaled bounds what scaled can give; the limits of a field are tighter.
const maxScaled = 1 << 62

// scaled gives v x 10^shift rounded half away from zero, computed on the
// decimal digits so that it is rounded once. It reports false when the result
// does not fit.
func (v value) scaled(shift int) (int64, bool) {
	s, negative := strings.CutPrefix(string(v), "-")
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		switch {
		case err != nil && strings.Contains(s[i+1:], "-"):
			n = math.MinInt32
		case err != nil:
			n = math.MaxInt32
		}
		mantissa, exponent = s[:i], max(min(n, math.MaxInt32), math.MinInt32)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	point := len(whole) + exponent + shift // digits before the decimal point of the result
	var n int64
	roundUp := false
	for i, c := range []byte(whole + fraction) {
		if i >= point {
			roundUp = i == point && c >= '5'
			break
		}
		if n = n*10 + int64(c-'0'); n > maxScaled/10 {
			return 0, false
		}
	}
	for i := len(whole) + len(fraction); i < point && n != 0; i++ {
		if n *= 10; n > maxScaled/10 {
			return 0, false
		}
	}
	if roundUp {
		n++
	}
	if negative {
		n = -n
	}
	return n, true
}

// depth gives the nesting of v: 0 for a scalar, 1 for a flat list or object.
func (v value) depth() int {
	if !v.isObject() && !v.isList() {
		return 0
	}
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// mostShown bounds what of a client's text is repeated, in bytes.
const mostShown = 24

// shown is client text in a reason: a word that may be mistyped, or next to
// nothing. Anything else may be a secret in the wrong place, and reasons end up
// in logs.
func shown(s string) string {
	if len(s) <= 3 || len(s) <= mostShown && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-./ ") == "" {
		return strconv.Quote(s)
	}
	return "a text of " + strconv.Itoa(len(s)) + " bytes"
}
