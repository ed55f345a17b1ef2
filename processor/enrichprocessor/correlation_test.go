package enrichprocessor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

func withHeaders(h map[string][]string) *activitylogs.Inputs { return &activitylogs.Inputs{Headers: h} }

func TestTraceContextOfTheRequest(t *testing.T) {
	e := started(t, nil)
	with := withHeaders(map[string][]string{"traceparent": {traceparent}})
	got := one(t, e, logsOf(request1(), with))
	assert.Equal(t, byte(0x4b), got.TraceID[0])
	assert.Equal(t, byte(0xb7), got.SpanID[7])

	own := request1()
	own.TraceID, own.SpanID = [16]byte{1}, [8]byte{2}
	got = one(t, e, logsOf(own, with))
	assert.Equal(t, own.TraceID, got.TraceID, "the record's own trace context wins")
	assert.Equal(t, own.SpanID, got.SpanID)

	own.SpanID = [8]byte{}
	got = one(t, e, logsOf(own, with))
	assert.Equal(t, own.TraceID, got.TraceID)
	assert.Zero(t, got.SpanID, "a span of another trace is none of this one")

	for _, h := range [][]string{{"00-x"}, {traceparent, traceparent}} {
		got = one(t, e, logsOf(request1(), withHeaders(map[string][]string{"traceparent": h})))
		assert.Zero(t, got.TraceID)
		assert.Zero(t, got.SpanID)
		assert.Empty(t, got.ExtraData)
	}
}

func TestRequestID(t *testing.T) {
	plain := started(t, nil)
	own := started(t, func(c *Config) { c.Correlation.RequestIDHeaders = []string{"CF-Ray"} })
	off := started(t, func(c *Config) { c.Correlation.RequestIDHeaders = []string{} })
	long := strings.Repeat("é", 300)
	for _, tt := range []struct {
		name    string
		e       *enricher
		headers map[string][]string
		want    string
	}{
		{"first", plain, map[string][]string{"x-request-id": {"r-1"}, "x-correlation-id": {"c-1"}}, `{"_request_id":"r-1"}`},
		{"second", plain, map[string][]string{"x-correlation-id": {"c-1"}}, `{"_request_id":"c-1"}`},
		{"an empty one is none", plain, map[string][]string{"x-request-id": {" "}, "x-correlation-id": {"c-1"}}, `{"_request_id":"c-1"}`},
		{"hostile", plain, map[string][]string{"x-request-id": {"\"}\x00\xff<script>"}}, `{"_request_id":"\"}��<script>"}`},
		{"long", plain, map[string][]string{"x-request-id": {long}}, `{"_request_id":"` + strings.Repeat("é", 127) + `"}`},
		{"configured", own, map[string][]string{"x-request-id": {"r-1"}, "cf-ray": {"8f"}}, `{"_request_id":"8f"}`},
		{"off", off, map[string][]string{"x-request-id": {"r-1"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := one(t, tt.e, logsOf(request1(), withHeaders(tt.headers))).ExtraData
			if tt.want == "" {
				assert.Empty(t, got)
				return
			}
			assert.JSONEq(t, tt.want, got)
		})
	}
}

// The key of a session is the same whether the client says it or its cookie does,
// and never the cookie itself.
func TestSessionCookie(t *testing.T) {
	said := started(t, nil)
	ev := request1()
	ev.SessionKey = "abc123"
	want := one(t, said, logsOf(ev, nil)).SessionKey
	require.Len(t, want, 64)

	cookie := func(c *Config) { c.Correlation.SessionCookie = "sessionid" }
	e := started(t, cookie)
	with := func(lines ...string) *activitylogs.Inputs { return withHeaders(map[string][]string{"cookie": lines}) }
	for _, line := range []string{
		"sessionid=abc123", "a=b; sessionid=abc123; c", ` sessionid = "abc123" ;x=`, "broken;;=;sessionid=abc123", "sessionid=abc123; sessionid=second",
	} {
		got := one(t, e, logsOf(request1(), with(line)))
		assert.Equal(t, want, got.SessionKey, line)
		assert.Equal(t, "session", got.AuthMethod, line)
	}
	assert.Equal(t, want, one(t, e, logsOf(request1(), with("a=b", "sessionid=abc123"))).SessionKey, "several header lines")
	for _, line := range []string{"", "Sessionid=abc123", "xsessionid=abc123", "sessionid", "sessionid="} {
		assert.Empty(t, one(t, e, logsOf(request1(), with(line))).SessionKey, line)
	}
	assert.Empty(t, one(t, said, logsOf(request1(), with("sessionid=abc123"))).SessionKey, "no cookie is configured")

	ev.SessionKey = "mine"
	assert.NotEqual(t, want, one(t, e, logsOf(ev, with("sessionid=abc123"))).SessionKey, "the client's own word stays")

	upstream := started(t, func(c *Config) { cookie(c); c.TrustUpstream = true })
	assert.Equal(t, want, one(t, upstream, logsOf(request1(), with("sessionid=abc123"))).SessionKey, "a cookie is hashed wherever it comes in")
	kept := started(t, func(c *Config) { cookie(c); c.Redact.Session = sessionKeep })
	assert.Equal(t, "abc123", one(t, kept, logsOf(request1(), with("sessionid=abc123"))).SessionKey)
}

func TestCorrelationIsChecked(t *testing.T) {
	for key, c := range map[string]CorrelationConfig{
		`correlation::request_id_headers::0: "Authorization" holds a secret`: {RequestIDHeaders: []string{"Authorization"}},
		`correlation::request_id_headers::1: "X-Api-Key" holds a secret`:     {RequestIDHeaders: []string{"x-request-id", "X-Api-Key"}},
		`correlation::request_id_headers::0: "a b" is no name`:               {RequestIDHeaders: []string{"a b"}},
		`correlation::session_cookie: is no name`:                            {SessionCookie: "a=b"},
	} {
		cfg := createDefaultConfig().(*Config)
		cfg.Correlation = c
		assert.ErrorContains(t, cfg.Validate(), key)
	}
}

func BenchmarkCorrelation(b *testing.B) {
	e := started(b, func(c *Config) { c.Correlation.SessionCookie = "sessionid" })
	ld := logsOf(request1(), withHeaders(map[string][]string{
		"traceparent": {traceparent}, "x-request-id": {"0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"}, "cookie": {"csrftoken=x; sessionid=abc123"},
	}))
	lr := record(ld)
	in := intake{event: *request1()}
	in.read(lr, false)
	read := in.event
	b.ReportAllocs()
	for b.Loop() {
		in.event, in.notes = read, in.notes[:0]
		e.ids.correlate(&in)
	}
}
