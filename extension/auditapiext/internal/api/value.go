package api

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// value is one cell of a row. Numbers, times and bytes become text where they
// are written, in the memory of the answer.
type value struct {
	text  string
	bytes []byte
	n     int64
	form  form
}

type form uint8

const (
	formNull form = iota
	formText
	formRaw  // text is JSON
	formInt  // n
	formTime // n in Unix nanoseconds
	formHex  // bytes
)

func textValue(s string) value {
	if s == "" {
		return value{}
	}
	return value{text: s, form: formText}
}

func intValue(n int64) value { return value{n: n, form: formInt} }

func boolValue(b bool) value { return value{text: strconv.FormatBool(b), form: formRaw} }

func timeValue(ns int64) value {
	if ns == 0 {
		return value{}
	}
	return value{n: ns, form: formTime}
}

func bytesValue(b []byte) value {
	if len(b) == 0 {
		return value{}
	}
	return value{bytes: b, form: formHex}
}

// jsonValue shows stored JSON text as JSON; text that is not JSON (a row changed
// by hand) as a string. Line breaks that a client wrote between its tokens are
// left out, or they would end a line of NDJSON.
func jsonValue(s string) value {
	if s == "" {
		return value{}
	}
	if !json.Valid([]byte(s)) {
		return textValue(s)
	}
	if strings.ContainsAny(s, "\r\n") {
		var b bytes.Buffer
		_ = json.Compact(&b, []byte(s)) // it is valid
		s = b.String()
	}
	return value{text: s, form: formRaw}
}

// scaled shows an integer divided by 10^digits as an exact decimal.
func scaled(o activity.OptInt64, digits int) value {
	if !o.Valid {
		return value{}
	}
	sign, n := "", uint64(o.Value) //nolint:gosec // negated below
	if o.Value < 0 {
		sign, n = "-", -n
	}
	s := strconv.FormatUint(n, 10)
	if len(s) <= digits {
		s = strings.Repeat("0", digits-len(s)+1) + s
	}
	whole, fraction := s[:len(s)-digits], strings.TrimRight(s[len(s)-digits:], "0")
	if fraction == "" {
		fraction = "0"
	}
	return value{text: sign + whole + "." + fraction, form: formRaw}
}

// userValue shows a user id as a number when it is a canonical integer below
// 2^53, so that both the old integers and other subjects are as clients expect.
func userValue(id string) value {
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && n > -1<<53 && n < 1<<53 && strconv.FormatInt(n, 10) == id {
		return value{text: id, form: formRaw}
	}
	return textValue(id)
}

// appendJSON appends the value as JSON.
func (v *value) appendJSON(b []byte) []byte {
	switch v.form {
	case formText:
		return appendString(b, v.text)
	case formTime, formHex:
		return append(v.appendText(append(b, '"')), '"')
	case formRaw, formInt:
		return v.appendText(b)
	case formNull:
	}
	return append(b, "null"...)
}

// appendText appends the value without quotes; null is nothing.
func (v *value) appendText(b []byte) []byte {
	switch v.form {
	case formText, formRaw:
		return append(b, v.text...)
	case formInt:
		return strconv.AppendInt(b, v.n, 10)
	case formTime:
		return time.Unix(0, v.n).UTC().AppendFormat(b, time.RFC3339Nano)
	case formHex:
		return hex.AppendEncode(b, v.bytes)
	case formNull:
	}
	return b
}

// cell is the value in CSV. What a spreadsheet would run as a formula gets an
// apostrophe in front; numbers are left alone.
func (v *value) cell() string {
	if v.form != formText {
		return string(v.appendText(nil))
	}
	if v.text != "" && strings.ContainsRune("=+-@\t\r\n", rune(v.text[0])) {
		return "'" + v.text
	}
	return v.text
}

// plain are the bytes that a JSON string holds as they are.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = !strings.ContainsRune(`"\<>&`, rune(c))
	}
	return t
}()

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if !plain[s[i]] {
			quoted, _ := json.Marshal(s) //nolint:errchkjson // a string always marshals
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
