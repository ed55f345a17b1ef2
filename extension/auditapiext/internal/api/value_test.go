package api

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func cellOf(v value) string { return v.cell() }

func TestValuesAreOneTextInJSONAndCSV(t *testing.T) {
	day := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC).UnixNano()
	for _, c := range []struct {
		value      value
		json, cell string
	}{
		{value{}, "null", ""},
		{textValue(""), "null", ""},
		{textValue("a <b>"), `"a \u003cb\u003e"`, "a <b>"},
		{textValue("=1+1"), `"=1+1"`, "'=1+1"},
		{intValue(-12), "-12", "-12"},
		{intValue(0), "0", "0"},
		{boolValue(true), "true", "true"},
		{timeValue(0), "null", ""},
		{timeValue(day), `"2026-01-02T03:04:05.006Z"`, "2026-01-02T03:04:05.006Z"},
		{bytesValue(nil), "null", ""},
		{bytesValue([]byte{0, 0xff}), `"00ff"`, "00ff"},
		{jsonValue("{\"a\":\n1}"), `{"a":1}`, `{"a":1}`},
	} {
		assert.Equal(t, c.json, string(c.value.appendJSON(nil)))
		assert.Equal(t, c.cell, c.value.cell())
	}
}

func TestEveryByteIsAStringOfItsOwn(t *testing.T) {
	for c := range 0x80 {
		text := "x" + string(rune(c))
		var back string
		quoted := appendString(nil, text)
		require.NoError(t, json.Unmarshal(quoted, &back), "%q", quoted)
		want, err := json.Marshal(text)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(quoted))
		assert.Equal(t, text, back)
	}
}
