package activitylogreceiver

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// FuzzDecode: whatever comes, an event is either refused with a code and a
// reason or complete; its JSON texts are JSON and no server-owned field is set.
func FuzzDecode(f *testing.F) {
	for _, raw := range acceptedExamples(f) {
		f.Add(raw, "", false)
	}
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"activity.system","time":"2026-01-01T00:00:00Z","data":{"message":"x"}}`), "k", true)
	f.Fuzz(func(t *testing.T, raw []byte, key string, cloudEvent bool) {
		d := newTestDecoder()
		d.key = key
		decode := d.decode
		if cloudEvent {
			decode = d.decodeCloudEvent
		}
		out, _, refused := decode(append([]byte(nil), raw...), 0)
		if refused != nil {
			if refused.code == "" || refused.reason == "" || !utf8.ValidString(refused.reason) {
				t.Fatalf("refused without a clear reason: %+v", refused)
			}
			return
		}
		e := &out.event
		if e.ID.IsZero() || !e.Kind.Valid() || e.Datetime < 0 {
			t.Fatalf("incomplete: %+v", e)
		}
		for _, field := range activity.Fields() {
			info := field.Info()
			if info.Type == activity.TypeJSON {
				if s := *e.Text(field); s != "" && !json.Valid([]byte(s)) {
					t.Fatalf("%s is not JSON: %q", field, s)
				}
			}
			if info.Ours && (info.Type == activity.TypeText && *e.Text(field) != "" || info.Type == activity.TypeInt && *e.Int(field) != 0) {
				t.Fatalf("%s was taken from the client", field)
			}
		}
	})
}
