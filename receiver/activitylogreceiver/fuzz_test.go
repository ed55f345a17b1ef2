package activitylogreceiver

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

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

// FuzzReadBatch: whatever a body is, it is refused as a whole or every event of
// it is accounted for, within the memory of one request.
func FuzzReadBatch(f *testing.F) {
	for _, raw := range acceptedExamples(f) {
		f.Add(raw, "application/json")
	}
	f.Add([]byte(`[{"kind":"request"} , 7,[{}],"]" ]`), "application/json")
	f.Add([]byte("{\"kind\":\"request\"}\r\n\n{\n[1"), "application/x-ndjson")
	f.Add([]byte(`[{"specversion":"1.0","id":"1","source":"/s","type":"activity.system","time":"2026-01-01T00:00:00Z","data":{}}]`), "application/cloudevents-batch+json")
	f.Fuzz(func(t *testing.T, body []byte, media string) {
		form, ok := formats[media]
		if !ok {
			return
		}
		l := newTestLease()
		b, p := readBatch(bytes.Clone(body), form, newTestDecoder(), l)
		if l.used > l.granted || l.granted > l.budget.perRequest {
			t.Fatalf("used %d of %d", l.used, l.granted)
		}
		if p != nil {
			if p.Status < 400 || p.Status >= 500 || p.Code == "" || !utf8.ValidString(p.Detail) {
				t.Fatalf("not a clear answer: %+v", p)
			}
			return
		}
		n := len(b.ids) + len(b.rejected)
		if n == 0 || n > maxEvents || len(b.ids) != len(b.indexes) || b.events.Logs().LogRecordCount() != len(b.ids) {
			t.Fatalf("%d ids, %d places, %d rejected", len(b.ids), len(b.indexes), len(b.rejected))
		}
		seen := make([]bool, n)
		for _, index := range b.indexes {
			seen[index] = true
		}
		for _, r := range b.rejected {
			if seen[r.Index] {
				t.Fatalf("event %d is both taken and rejected", r.Index)
			}
			seen[r.Index] = true
		}
		if slices.Contains(seen, false) {
			t.Fatal("an event is neither taken nor rejected")
		}
		if media == "application/json" && !jsontext.Value(body).IsValid(lenient...) {
			t.Fatal("a body that is not JSON was taken")
		}
	})
}
