package activity

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCutText(t *testing.T) {
	f := func(in string, limit int, want string) {
		t.Helper()
		assert.Equal(t, want, CutText(in, limit))
	}
	f("", 0, "")
	f("abc", 3, "abc")
	f("abc", 2, "ab")
	f("abc", 0, "")
	f("aé", 2, "a")
	f("aé", 3, "aé")
	f("€€", 5, "€")
	f("😀😀", 7, "😀")
	f("😀", 3, "")
}

func TestCleanText(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		assert.Equal(t, want, CleanText(in))
	}
	f("", "")
	f("plain é 😀", "plain é 😀")
	f("a\x00b", "a\uFFFDb")
	f("\x00\x00", "\uFFFD\uFFFD")
	f("a\xff\xfeb", "a\uFFFDb")
	f("\xed\xa0\x80", "\uFFFD")
	f("\xff\x00\xff", "\uFFFD\uFFFD\uFFFD")
}

func TestLimitOfEveryText(t *testing.T) {
	limits := DefaultLimits()
	for _, f := range TextFields() {
		limit := f.Info().Limit
		if limit == 0 {
			continue
		}
		text := func(size int) string {
			if f.Info().Type == TypeJSON {
				return `"` + strings.Repeat("x", size-2) + `"`
			}
			return strings.Repeat("x", size)
		}
		e := Event{Kind: KindCRUD}
		*e.Text(f) = text(limit)
		assert.Zero(t, Normalise(&e, &limits), f.String())
		assert.Equal(t, text(limit), *e.Text(f), f.String())
		assert.Zero(t, e.Flags, f.String())

		*e.Text(f) = text(limit + 1)
		assert.Equal(t, 1, Normalise(&e, &limits), f.String())
		assert.Equal(t, FlagTruncated, e.Flags, f.String())
		assert.Equal(t, f.String(), e.TruncatedFields)
		assert.LessOrEqual(t, len(*e.Text(f)), limit, f.String())
		if f.Info().Type == TypeJSON {
			assert.Contains(t, *e.Text(f), `"_truncated":65536`, f.String())
			assert.True(t, json.Valid([]byte(*e.Text(f))))
		} else {
			assert.Equal(t, text(limit), *e.Text(f), f.String())
		}
	}
}

func TestConfiguredLimits(t *testing.T) {
	limits := Limits{Message: 4, Traceback: 5, Snapshot: 200, Changes: 300, ExtraData: 400}
	e := Event{
		Message: "abc€", Traceback: "abc😀", ObjectJSONRepr: `"` + strings.Repeat("s", 200) + `"`,
		ChangedFields: `"` + strings.Repeat("c", 200) + `"`, ExtraData: `"` + strings.Repeat("e", 400) + `"`,
	}
	assert.Equal(t, 4, Normalise(&e, &limits))
	assert.Equal(t, "abc", e.Message)
	assert.Equal(t, "abc", e.Traceback)
	assert.Contains(t, e.ObjectJSONRepr, `"_truncated":202`)
	assert.NotContains(t, e.ChangedFields, "_truncated")
	assert.Contains(t, e.ExtraData, `"_truncated":402`)
	assert.Equal(t, "extra_data,message,object_json_repr,traceback", e.TruncatedFields, "sorted")
}

func TestNormaliseNumbers(t *testing.T) {
	limits := DefaultLimits()
	e := Event{
		Latitude: Some(maxLatitude + 1), Longitude: Some(-maxLongitude - 1), ResponseTimeUS: Some(-1),
		RequestBodySize: Some(maxOpt + 1), ResponseBodySize: OptInt64{Value: 5}, SeverityNumber: 25, Allowed: 3,
	}
	assert.Zero(t, Normalise(&e, &limits))
	assert.Equal(t, Event{}, e)
	e = Event{
		Latitude: Some(-maxLatitude), Longitude: Some(maxLongitude), ResponseTimeUS: Some(0),
		RequestBodySize: Some(maxOpt), SeverityNumber: 24, Allowed: AllowedNo,
	}
	want := e
	Normalise(&e, &limits)
	assert.Equal(t, want, e)
}

func TestNormaliseJSON(t *testing.T) {
	limits := DefaultLimits()
	f := func(in, want string) {
		t.Helper()
		e := Event{ExtraData: in}
		Normalise(&e, &limits)
		assert.Equal(t, want, e.ExtraData)
	}
	f("", "")
	f(`{"a":1.0,"a":18446744073709551615}`, `{"a":1.0,"a":18446744073709551615}`)
	f(` [1] `, ` [1] `)
	f(`{"a":`, `"{\"a\":"`)
	f(`<&>`, `"<&>"`)
	f("\x00", "\"\uFFFD\"")
	f(`"\u0000"`, `"\u0000"`)
}

func FuzzNormaliseIsIdempotent(f *testing.F) {
	f.Add("text", `{"a":1}`, int64(1))
	f.Add("a\x00\xff\xed\xa0\x80", "\xff", int64(-1))
	f.Add(strings.Repeat("é", 2000), strings.Repeat("\x01", 20000), int64(1)<<60)
	f.Fuzz(func(t *testing.T, text, jsonText string, n int64) {
		e := Event{Kind: KindRequest}
		for _, field := range Fields() {
			switch field.Info().Type {
			case TypeText:
				*e.Text(field) = text
			case TypeJSON:
				*e.Text(field) = jsonText
			case TypeInt, TypeTime:
				*e.Int(field) = n
			case TypeOpt:
				*e.Opt(field) = Some(n)
			case TypeBytes, TypeKind:
			}
		}
		limits := DefaultLimits()
		Normalise(&e, &limits)
		for _, field := range TextFields() {
			s := *e.Text(field)
			require.True(t, utf8.ValidString(s), field.String())
			require.NotContains(t, s, "\x00", field.String())
			if field.Info().Type == TypeJSON && s != "" {
				require.True(t, json.Valid([]byte(s)), field.String())
			}
		}
		again := e
		require.Zero(t, Normalise(&again, &limits))
		require.Equal(t, e, again)
	})
}
