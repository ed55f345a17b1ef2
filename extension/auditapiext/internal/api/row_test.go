package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// oldKeys are the keys of the replaced package, in its order.
var oldKeys = map[activity.Kind]string{
	activity.KindCRUD: "id event_type event_type_display object_id content_type object_repr object_json_repr changed_fields user user_pk_as_string " +
		"remote_ip browser platform operating_system user_agent geo extra_data integrity_hash is_tampered datetime",
	activity.KindLogin: "id login_type login_type_display username user session_key remote_ip browser platform operating_system user_agent geo " +
		"extra_data integrity_hash is_tampered datetime",
	activity.KindRequest: "id url method query_string response_status response_time_ms request_body_size response_body_size user remote_ip browser " +
		"platform operating_system user_agent geo extra_data integrity_hash is_tampered datetime",
	activity.KindCORS: "id url method query_string origin allowed user remote_ip browser platform operating_system user_agent geo extra_data " +
		"integrity_hash is_tampered datetime",
	activity.KindSystem: "id event_name severity category message source traceback user remote_ip extra_data geo integrity_hash is_tampered datetime",
}

func keysOf(t *testing.T, row []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(row))
	var keys []string
	depth := 0
	for key := true; ; {
		tok, err := d.Token()
		if err != nil {
			return keys
		}
		switch v := tok.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
			key = depth == 1
		case string:
			if depth == 1 && key {
				keys = append(keys, v)
				key = false
				continue
			}
			key = depth == 1
		default:
			key = depth == 1
		}
	}
}

func TestRowsHaveTheKeysOfTheReplacedPackageFirst(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		for _, k := range activity.Kinds() {
			e := newEvent(k, 1)
			write(t, s, e)
			w := a.do(t, http.MethodGet, k.String()+"-events/"+e.ID.String()+"/")
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			old := strings.Fields(oldKeys[k])
			keys := keysOf(t, w.Body.Bytes())
			require.Greater(t, len(keys), len(old))
			assert.Equal(t, old, keys[:len(old)], k)
			golden(t, k.String()+".json", w.Body.Bytes())
		}
	})
}

// golden compares an answer, indented, with a file that a person has read.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, json.Indent(&b, got, "", "  "))
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String())
}

func TestAnEmptyRowIsNullWhereNothingIsKnown(t *testing.T) {
	for _, k := range activity.Kinds() {
		e := activity.Event{Kind: k, ID: activity.ID{1}, Datetime: 1, ReceivedAt: 1_500_000_000}
		row := map[string]any{}
		require.NoError(t, json.Unmarshal(appendRow(nil, columnsOf(k), &e, canonical.Unsealed), &row))
		known := map[string]any{
			"id": "01000000-0000-0000-0000-000000000000", "kind": k.String(), "datetime": "1970-01-01T00:00:00.000000001Z", "received_at": "1970-01-01T00:00:01.5Z",
			"tenant_id": "", "flags": 0.0, "truncated_fields": []any{}, "integrity": "unsealed", "is_tampered": false,
			"geo": map[string]any{"latitude": nil, "longitude": nil, "city": nil, "country": nil, "country_code": nil},
		}
		if k == activity.KindSystem {
			known["severity"] = "INFO"
		}
		for name, v := range row {
			assert.Equal(t, known[name], v, "%s %s", k, name)
		}
	}
}

func TestValues(t *testing.T) {
	asJSON := func(v value) string { return string(v.appendJSON(nil)) }
	for in, want := range map[string]string{
		"42": "42", "-7": "-7", "0": "0", "042": `"042"`, "+1": `"+1"`, "-0": `"-0"`, "9007199254740991": "9007199254740991",
		"9007199254740992": `"9007199254740992"`, "auth0|abc": `"auth0|abc"`, "": "null", "1e3": `"1e3"`, "٣": `"٣"`,
	} {
		assert.Equal(t, want, asJSON(userValue(in)), in)
	}
	for in, want := range map[int64]string{
		0: "0.0", 1: "0.001", -1: "-0.001", 1000: "1.0", 1_234_567: "1234.567", -9223372036854775808: "-9223372036854775.808",
	} {
		assert.Equal(t, want, asJSON(scaled(activity.Some(in), 3)))
	}
	for in, want := range map[string]string{
		`{"a": 18446744073709551615}`: `{"a": 18446744073709551615}`, "{\n \"a\":\r\n1.0}": `{"a":1.0}`, `{"a":`: `"{\"a\":"`, "": "null", "\n": `"\n"`,
	} {
		assert.Equal(t, want, asJSON(jsonValue(in)), in)
	}
	for in, want := range map[string]string{
		"plain": `"plain"`, "a\"b": `"a\"b"`, "</script>": `"\u003c/script\u003e"`, "é": `"é"`, "\u2028": `"\u2028"`, "bad\xff": `"bad\ufffd"`,
	} {
		assert.Equal(t, want, asJSON(textValue(in)), in)
	}
	for in, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "\nx": "'\nx", "x=1": "x=1", "": "",
	} {
		assert.Equal(t, want, cellOf(textValue(in)), in)
	}
	assert.Equal(t, "-7", cellOf(userValue("-7")), "a number is not a formula")
}
