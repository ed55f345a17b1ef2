package canonical

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func TestDecodeKeepsUnknownKeys(t *testing.T) {
	// {1: 1, 36: "new", 200: -1}
	b, err := hex.DecodeString("a301011824636e657718c820")
	require.NoError(t, err)
	var e activity.Event
	unknown, err := Decode(b, activity.GroupEvent, &e)
	require.NoError(t, err)
	assert.Equal(t, activity.Event{SchemaVersion: 1}, e)
	assert.Equal(t, []Unknown{{Key: 36, Value: []byte("\x63new")}, {Key: 200, Value: []byte{0x20}}}, unknown)
}

func TestDecodeRefusesOtherForms(t *testing.T) {
	for name, input := range map[string]string{
		"nothing":                "",
		"no map":                 "01",
		"indefinite map":         "bf0101ff",
		"long map head":          "b8010101",
		"pair missing":           "a1",
		"value missing":          "a101",
		"bytes after the map":    "a000",
		"keys descending":        "a204010101",
		"key twice":              "a201010101",
		"text key":               "a1616101",
		"long integer":           "a1011801",
		"long 64-bit integer":    "a1041b00000000ffffffff",
		"beyond int64":           "a1041b8000000000000000",
		"below int64":            "a1043b8000000000000000",
		"text cut":               "a1066261",
		"text of 2^64-1 bytes":   "a1067bffffffffffffffff",
		"invalid UTF-8":          "a10661ff",
		"float":                  "a104f90000",
		"null":                   "a104f6",
		"nested map":             "a104a0",
		"zero":                   "a10400",
		"empty text":             "a10660",
		"text in an integer":     "a1046131",
		"integer in a text":      "a10601",
		"zero with bias":         "a11000",
		"no kind":                "a1036178",
		"event name as kind":     "a1036d61637469766974792e63727564",
		"id of 15 bytes":         "a1024f0102030405060708090a0b0c0d0e0f",
		"zero trace id":          "a11350" + "00000000000000000000000000000000",
		"commitment of 1 byte":   "a118214101",
		"commitment of 32 zeros": "a118215820" + "0000000000000000000000000000000000000000000000000000000000000000",
	} {
		b, err := hex.DecodeString(input)
		require.NoError(t, err, name)
		var e activity.Event
		_, err = Decode(b, activity.GroupEvent, &e)
		assert.ErrorIs(t, err, ErrMalformed, name)
	}
}

// FuzzDecode: what is accepted is canonical, so that one event has one form.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Event), uint8(activity.GroupEvent))
		f.Add([]byte(v.Personal), uint8(activity.GroupPersonal))
		f.Add([]byte(v.Content), uint8(activity.GroupContent))
	}
	f.Fuzz(func(t *testing.T, b []byte, group uint8) {
		g := activity.Group(group % 4)
		var e activity.Event
		unknown, err := Decode(b, g, &e)
		if err != nil || len(unknown) > 0 || g == activity.GroupNone {
			return
		}
		require.Equal(t, b, AppendGroup(nil, &e, g))
	})
}

// FuzzRoundTrip fills the fields of an event from the input, in the order of the
// field table, and asks for decode(encode(e)) == normalise(e).
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x02crud\x05text of a few fields, \x00, \xff and \xed\xa0\x80"), int64(-1), uint8(1))
	f.Add([]byte{}, int64(0), uint8(0))
	f.Add([]byte(`{"a": [1.0, "b"]}`), int64(1)<<53, uint8(5))
	f.Fuzz(func(t *testing.T, data []byte, number int64, kind uint8) {
		checkRoundTrip(t, fromFuzz(data, number, kind))
	})
}

// TestRoundTripOfRandomEvents is the same question on every run of the tests.
func TestRoundTripOfRandomEvents(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 4096)
	for range 2000 {
		for i := range data {
			data[i] = byte(random.Uint32() >> (random.Uint32() % 8)) // short texts as well as long ones
		}
		e := fromFuzz(data, int64(random.Uint64()), uint8(random.Uint32()))
		checkRoundTrip(t, e)
	}
}

func checkRoundTrip(t *testing.T, e activity.Event) {
	t.Helper()
	var enc Encoder
	salts := [SaltsSize]byte{0: 1, 16: 1}
	raw := e
	enc.Seal(&raw, &salts) // an event that is not normalised must not panic either

	limits := activity.DefaultLimits()
	activity.Normalise(&e, &limits)
	for _, field := range activity.TextFields() {
		require.True(t, utf8.ValidString(*e.Text(field)), field.String())
	}
	enc.Seal(&e, &salts)
	require.Equal(t, Verified, enc.Verify(&e))
	require.Equal(t, e, decodeAll(t, &e))
}

func fromFuzz(data []byte, number int64, kind uint8) activity.Event {
	e := activity.Event{ID: activity.ID{15: 1}, Kind: activity.Kind(kind%5 + 1)}
	take := func(n int) []byte {
		n = min(n, len(data))
		out := data[:n]
		data = data[n:]
		return out
	}
	for _, f := range activity.Fields() {
		switch info := f.Info(); info.Type {
		case activity.TypeText, activity.TypeJSON:
			if size := take(1); len(size) == 1 {
				*e.Text(f) = string(take(int(size[0])))
			}
		case activity.TypeInt, activity.TypeTime:
			*e.Int(f) = number
			number = number*6364136223846793005 + int64(f)
		case activity.TypeOpt:
			*e.Opt(f) = activity.OptInt64{Value: number % 2_000_000_000, Valid: number&1 == 0}
			number = number*6364136223846793005 + int64(f)
		case activity.TypeBytes:
			if info.Group == activity.GroupEvent {
				e.SetBytes(f, take(len(e.TraceID)))
			}
		case activity.TypeKind:
		}
	}
	if e.ID.IsZero() {
		e.ID[0] = 1
	}
	return e
}
