package activity

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// every has a value of its own in every field.
func every() Event {
	e := Event{ID: ID{0: 1, 6: 0x70, 15: 2}, Kind: KindSystem}
	for n, f := range Fields() {
		switch f.Info().Type {
		case TypeText:
			*e.Text(f) = "value of " + f.String()
		case TypeJSON:
			*e.Text(f) = `{"of":"` + f.String() + `"}`
		case TypeInt, TypeTime:
			*e.Int(f) = int64(n + 1)
		case TypeOpt:
			*e.Opt(f) = Some(int64(n))
		case TypeBytes:
			switch f {
			case FieldID:
			case FieldSpanID:
				e.SpanID[0] = byte(n)
			case FieldTraceID:
				e.TraceID[0] = byte(n)
			default:
				e.SetBytes(f, []byte{byte(n), 1})
			}
		case TypeKind:
		}
	}
	e.Allowed = AllowedNo
	e.SeverityNumber = 9
	return e
}

func TestEveryMemberIsAField(t *testing.T) {
	assert.Len(t, Fields(), reflect.TypeFor[Event]().NumField())
	e := every()
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		assert.False(t, v.Field(i).IsZero(), "no field reaches %s", v.Type().Field(i).Name)
	}
}

func TestEveryFieldHasOneAccessor(t *testing.T) {
	e := every()
	seen := map[any]Field{}
	for _, f := range Fields() {
		typ := f.Info().Type
		text, number, opt, raw := e.Text(f), e.Int(f), e.Opt(f), e.Bytes(f)
		assert.Equal(t, typ == TypeText || typ == TypeJSON, text != nil, f.String())
		assert.Equal(t, typ == TypeInt || typ == TypeTime, number != nil, f.String())
		assert.Equal(t, typ == TypeOpt, opt != nil, f.String())
		assert.Equal(t, typ == TypeBytes, raw != nil, f.String())
		for _, p := range []any{text, number, opt} {
			if reflect.ValueOf(p).IsNil() {
				continue
			}
			other, twice := seen[p]
			assert.False(t, twice, "%s and %s reach the same member", f, other)
			seen[p] = f
		}
	}
	for _, f := range []Field{0, fieldEnd, 255} {
		assert.Nil(t, e.Text(f))
		assert.Nil(t, e.Int(f))
		assert.Nil(t, e.Opt(f))
		assert.Nil(t, e.Bytes(f))
		assert.False(t, e.SetBytes(f, []byte{1}))
		assert.Empty(t, f.String())
	}
}

func TestFieldTable(t *testing.T) {
	names := map[string]bool{}
	keys := map[Group]map[uint64]bool{GroupEvent: {33: true, 34: true}, GroupPersonal: {}, GroupContent: {}}
	for _, f := range Fields() {
		info := f.Info()
		assert.Equal(t, f, info.Field)
		assert.NotEmpty(t, info.Name)
		assert.False(t, names[info.Name], "%s is there twice", info.Name)
		names[info.Name] = true
		found, ok := FieldByName(info.Name)
		assert.True(t, ok)
		assert.Equal(t, f, found)
		if info.Group == GroupNone {
			assert.Zero(t, info.Key, info.Name)
			continue
		}
		assert.NotZero(t, info.Key, info.Name)
		assert.False(t, keys[info.Group][info.Key], "key %d of %s is taken", info.Key, info.Name)
		keys[info.Group][info.Key] = true
		assert.Equal(t, info.Type == TypeOpt, info.Bias > 0, "%s: exactly the optional integers have a bias", info.Name)
		if info.Type == TypeText || info.Type == TypeJSON {
			assert.Equal(t, f != FieldTruncatedFields, info.Limit > 0, info.Name)
		}
	}
	assert.Len(t, keys[GroupEvent], 35)
	assert.Len(t, keys[GroupPersonal], 20)
	assert.Len(t, keys[GroupContent], 7)
	_, ok := FieldByName("no such column")
	assert.False(t, ok)
}

func TestTextFields(t *testing.T) {
	e := every()
	for _, f := range Fields() {
		assert.Equal(t, e.Text(f) != nil, slices.Contains(TextFields(), f), f.String())
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for name, e := range map[string]Event{
		"every field": every(),
		"no field":    {Kind: KindCRUD},
		"zeros that are values": {
			Kind: KindRequest, Latitude: Some(0), Longitude: Some(-1), ResponseTimeUS: Some(0), Datetime: -1,
		},
		"largest": {Kind: KindCRUD, ProducerSeq: 1<<63 - 1, Datetime: -1 << 63, ExtraData: `{"a":1.0}`},
	} {
		b, err := json.Marshal(&e)
		require.NoError(t, err, name)
		var back Event
		require.NoError(t, json.Unmarshal(b, &back), name)
		assert.Equal(t, e, back, name)
	}
}

func TestJSONRoundTripOfEachField(t *testing.T) {
	full := every()
	for _, f := range Fields() {
		one := Event{Kind: KindCRUD}
		switch f.Info().Type {
		case TypeText, TypeJSON:
			*one.Text(f) = *full.Text(f)
		case TypeInt, TypeTime:
			*one.Int(f) = *full.Int(f)
		case TypeOpt:
			*one.Opt(f) = *full.Opt(f)
		case TypeBytes:
			require.True(t, one.SetBytes(f, full.Bytes(f)))
		case TypeKind:
			one.Kind = full.Kind
		}
		b, err := json.Marshal(&one)
		require.NoError(t, err)
		assert.Contains(t, string(b), `"`+f.String()+`":`)
		var back Event
		require.NoError(t, json.Unmarshal(b, &back))
		assert.Equal(t, one, back, f.String())
	}
}

func TestJSONRefuses(t *testing.T) {
	for _, text := range []string{
		`[]`, `{"no_such_column":"x"}`, `{"action":1}`, `{"action":null}`, `{"flags":"1"}`, `{"flags":1.5}`,
		`{"flags":9223372036854775808}`, `{"kind":"other"}`, `{"id":"0102"}`, `{"trace_id":"zz"}`, `{"latitude_e7":"1"}`,
		`{"action":{"a":1}}`,
	} {
		var e Event
		assert.ErrorIs(t, e.UnmarshalJSON([]byte(text)), ErrInvalid, text)
	}
}

func TestSize(t *testing.T) {
	e := every()
	before := e.Size()
	e.Message += "12345"
	assert.Equal(t, before+5, e.Size())
}
