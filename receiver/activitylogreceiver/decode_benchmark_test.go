package activitylogreceiver

import (
	"strings"
	"testing"
)

const typicalEvent = `{"id":"018f4c3e-7b00-7000-8000-000000000001","kind":"request","datetime":"2026-05-06T07:08:09.123456789Z",` +
	`"tenant_id":"acme","service":"shop","user_id":"1234","username":"ada","remote_ip":"192.0.2.7",` +
	`"user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",` +
	`"method":"GET","url":"/orders/1234","query_string":"page=2&size=50","route":"/orders/{id}","response_status":200,` +
	`"response_time_ms":12.345,"response_body_size":5120,"extra_data":{"release":"2026.5.1","canary":false}}`

// BenchmarkDecode is one event of about 500 bytes, text to Event.
func BenchmarkDecode(b *testing.B) {
	d := newTestDecoder()
	raw := []byte(typicalEvent)
	work := make([]byte, len(raw))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, raw) // the tokenizer may write into what it reads
		if _, _, refused := d.decode(work, 0); refused != nil {
			b.Fatal(refused)
		}
	}
}

// BenchmarkReadBatch is a body of 1,000 events, bytes to plog.Logs; ns/event
// is the cost of one.
func BenchmarkReadBatch(b *testing.B) {
	const events = 1000
	for name, body := range map[string]string{
		"application/json":     `[` + strings.Repeat(typicalEvent+",", events-1) + typicalEvent + `]`,
		"application/x-ndjson": strings.Repeat(typicalEvent+"\n", events),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				got, p := readBatch([]byte(body), formats[name], newTestDecoder(), newTestLease())
				if p != nil || len(got.ids) != events {
					b.Fatal(p)
				}
				got.events.Logs()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}
