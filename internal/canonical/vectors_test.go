package canonical

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// vector is one member of testdata/canonical.json; vectors.py says what is in it.
type vector struct {
	Name        string             `json:"name"`
	Input       map[string]any     `json:"input"`
	Units       map[string]float64 `json:"units"`
	Normalised  activity.Event     `json:"normalised"`
	Salts       hexBytes           `json:"salts"`
	Personal    hexBytes           `json:"personal"`
	Content     hexBytes           `json:"content"`
	Event       hexBytes           `json:"event"`
	Commitments hexBytes           `json:"commitments"`
	Hash        hexBytes           `json:"hash"`
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

func vectors(tb testing.TB) []vector {
	tb.Helper()
	file, err := os.Open(filepath.Join("testdata", "canonical.json"))
	require.NoError(tb, err)
	defer func() { require.NoError(tb, file.Close()) }()
	dec := json.NewDecoder(file)
	dec.UseNumber()
	var list []vector
	require.NoError(tb, dec.Decode(&list))
	require.Greater(tb, len(list), 80)
	return list
}

// given is the event before normalising.
func (v *vector) given(tb testing.TB) activity.Event {
	tb.Helper()
	raw := map[string][]byte{}
	plain := map[string]any{}
	for name, value := range v.Input {
		if m, ok := value.(map[string]any); ok {
			b, err := hex.DecodeString(m["hex"].(string))
			require.NoError(tb, err)
			raw[name] = b
			continue
		}
		plain[name] = value
	}
	text, err := json.Marshal(plain)
	require.NoError(tb, err)
	var e activity.Event
	require.NoError(tb, json.Unmarshal(text, &e))
	for name, b := range raw {
		f, ok := activity.FieldByName(name)
		require.True(tb, ok, name)
		*e.Text(f) = string(b)
	}
	for unit, value := range v.Units {
		switch unit {
		case "latitude_degrees":
			e.Latitude = activitylogs.Degrees(value, activitylogs.MaxLatitude)
		case "longitude_degrees":
			e.Longitude = activitylogs.Degrees(value, activitylogs.MaxLongitude)
		case "response_time_ms":
			e.ResponseTimeUS = activitylogs.Micros(value)
		default:
			require.Fail(tb, "unknown unit", unit)
		}
	}
	return e
}

func TestVectors(t *testing.T) {
	limits := activity.DefaultLimits()
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			e := v.given(t)
			activity.Normalise(&e, &limits)
			var enc Encoder
			enc.Seal(&e, (*[SaltsSize]byte)(v.Salts))

			want := v.Normalised
			want.IntegrityHash, want.IntegritySalts, want.IntegrityCommitments = v.Hash, v.Salts, v.Commitments
			require.Equal(t, want, e)
			require.Equal(t, Verified, enc.Verify(&e))
			for _, g := range []struct {
				group activity.Group
				bytes hexBytes
			}{{activity.GroupEvent, v.Event}, {activity.GroupPersonal, v.Personal}, {activity.GroupContent, v.Content}} {
				if len(g.bytes) == 0 {
					g.bytes = hexBytes{majorMap}
				}
				require.Equal(t, []byte(g.bytes), AppendGroup(nil, &e, g.group))
			}
			require.Equal(t, e, decodeAll(t, &e), "every column can be read back from the maps")
		})
	}
}

// TestCoreDeterministic compares with another library in the mode of RFC 8949
// section 4.2.1.
func TestCoreDeterministic(t *testing.T) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	require.NoError(t, err)
	for _, v := range vectors(t) {
		for _, b := range []hexBytes{v.Event, v.Personal, v.Content} {
			if len(b) == 0 {
				continue
			}
			var m map[uint64]any
			require.NoError(t, cbor.Unmarshal(b, &m), v.Name)
			again, err := mode.Marshal(m)
			require.NoError(t, err, v.Name)
			assert.Equal(t, []byte(b), again, v.Name)
		}
	}
}

// decodeAll reads an event back from its three maps and takes over what is in
// none of them.
func decodeAll(tb testing.TB, e *activity.Event) activity.Event {
	tb.Helper()
	out := activity.Event{
		StoredNS: e.StoredNS, IntegrityHash: e.IntegrityHash, IntegritySalts: e.IntegritySalts,
		IntegrityCommitments: make([]byte, len(e.IntegrityCommitments)),
	}
	for _, g := range []activity.Group{activity.GroupEvent, activity.GroupPersonal, activity.GroupContent} {
		unknown, err := Decode(AppendGroup(nil, e, g), g, &out)
		require.NoError(tb, err)
		require.Empty(tb, unknown)
	}
	return out
}
