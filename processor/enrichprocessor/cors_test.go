package enrichprocessor

import (
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
)

// leaving gives what leaves the processor, in order, and the receipt.
func leaving(tb testing.TB, e *enricher, add ...func(*activitylogs.Builder)) ([]activity.Event, *receipt.Receipt) {
	tb.Helper()
	var b activitylogs.Builder
	for _, a := range add {
		a(&b)
	}
	ctx, rec := receipt.NewContext(tb.Context())
	out, err := e.process(ctx, b.Logs())
	if out.LogRecordCount() > 0 {
		require.NoError(tb, err)
	}
	events, err := activitylogs.Events(out)
	require.NoError(tb, err)
	return events, rec
}

func sent(ev *activity.Event, headers map[string]string, change ...func(*activitylogs.Inputs)) func(*activitylogs.Builder) {
	in := &activitylogs.Inputs{PeerAddress: "198.51.100.7", Headers: map[string][]string{}}
	for k, v := range headers {
		in.Headers[k] = []string{v}
	}
	for _, c := range change {
		c(in)
	}
	return func(b *activitylogs.Builder) { b.Add(ev, in) }
}

// corsOf gives the cors event among what leaves, or nil.
func corsOf(tb testing.TB, e *enricher, add func(*activitylogs.Builder)) *activity.Event {
	tb.Helper()
	events, _ := leaving(tb, e, add)
	for i := range events {
		if events[i].Kind == activity.KindCORS {
			return &events[i]
		}
	}
	return nil
}

func TestWhichRequestsComeFromAnotherOrigin(t *testing.T) {
	e := started(t, func(c *Config) { c.ClientAddress.TrustedProxies = []string{"10.0.0.0/8"} })
	behindProxy := func(in *activitylogs.Inputs) { in.PeerAddress = "10.0.0.1" }
	type h map[string]string
	for _, tt := range []struct {
		name    string
		headers h
		method  string
		proxy   bool
		url     string
		origin  string
		none    bool
	}{
		{name: "nothing", headers: h{"host": "api.example.com"}, none: true},
		{name: "frontend", headers: h{"x-frontend-url": "https://app.example.com/a?b=c"}, url: "https://app.example.com/a?b=c", origin: "https://app.example.com"},
		{name: "frontend and origin", headers: h{"x-frontend-url": "https://a.example/", "origin": "https://b.example"}, url: "https://a.example/", origin: "https://b.example"},
		{name: "frontend of the same origin", headers: h{"x-frontend-url": "https://a.example/", "origin": "https://a.example", "host": "a.example"}, url: "https://a.example/", origin: "https://a.example"},
		{name: "frontend that is no URL", headers: h{"x-frontend-url": "orders"}, url: "orders"},
		{name: "another host", headers: h{"origin": "https://app.example.com", "host": "api.example.com"}, origin: "https://app.example.com"},
		{name: "the same host", headers: h{"origin": "https://api.example.com", "host": "API.example.com"}, none: true},
		{name: "the same host, its default port", headers: h{"origin": "https://api.example.com", "host": "api.example.com:443"}, none: true},
		{name: "another port", headers: h{"origin": "https://api.example.com:8443", "host": "api.example.com"}, origin: "https://api.example.com:8443"},
		{name: "a host that only begins the same", headers: h{"origin": "https://api.example.com.evil.io", "host": "api.example.com"}, origin: "https://api.example.com.evil.io"},
		{name: "IPv6", headers: h{"origin": "http://[::1]:3000", "host": "[::1]:8000"}, origin: "http://[::1]:3000"},
		{name: "the same IPv6", headers: h{"origin": "http://[::1]:8000", "host": "[::1]:8000"}, none: true},
		{name: "opaque", headers: h{"origin": "null", "host": "api.example.com"}, origin: "null"},
		{name: "hostile", headers: h{"origin": "<script>", "host": "api.example.com"}, origin: "<script>"},
		{name: "nobody says the host", headers: h{"origin": "https://app.example.com"}, none: true},
		{name: "the browser says it", headers: h{"origin": "https://app.example.com", "sec-fetch-site": "cross-site"}, origin: "https://app.example.com"},
		{name: "the browser says another port", headers: h{"origin": "https://a.example:1", "host": "a.example:1", "sec-fetch-site": "same-site"}, origin: "https://a.example:1"},
		{name: "the browser denies it", headers: h{"origin": "https://a.example", "host": "internal:8000", "sec-fetch-site": "same-origin"}, none: true},
		{name: "preflight", method: "OPTIONS", headers: h{"origin": "https://a.example", "access-control-request-method": "PUT"}, origin: "https://a.example"},
		{name: "options", method: "OPTIONS", headers: h{"origin": "https://a.example"}, none: true},
		{name: "no preflight without origin", method: "OPTIONS", headers: h{"access-control-request-method": "PUT"}, none: true},
		{name: "a trusted proxy's host", proxy: true, headers: h{"origin": "https://a.example", "host": "internal:8000", "x-forwarded-host": "a.example"}, none: true},
		{name: "nobody else's", headers: h{"origin": "https://a.example", "host": "internal:8000", "x-forwarded-host": "a.example"}, origin: "https://a.example"},
		{name: "a trusted proxy's other host", proxy: true, headers: h{"origin": "https://a.example", "host": "internal", "x-forwarded-host": "b.example"}, origin: "https://a.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := request1()
			if tt.method != "" {
				ev.Method = tt.method
			}
			add := sent(ev, tt.headers)
			if tt.proxy {
				add = sent(ev, tt.headers, behindProxy)
			}
			got := corsOf(t, e, add)
			if tt.none {
				assert.Nil(t, got)
				return
			}
			require.NotNil(t, got)
			assert.Equal(t, tt.url, got.URL)
			assert.Equal(t, tt.origin, got.Origin)
			assert.Equal(t, ev.Method, got.Method)
		})
	}
}

// An instrumentation that reports no Host header says the host in attributes.
func TestServerAddressIsTheHost(t *testing.T) {
	e := started(t, nil)
	for _, tt := range []struct {
		host string
		port int64
		want int
	}{{"api.example.com", 0, 2}, {"app.example.com", 443, 1}, {"app.example.com", 8443, 2}, {"::1", 0, 2}} {
		ld := logsOf(request1(), withHeaders(map[string][]string{"origin": {"https://app.example.com"}}))
		record(ld).Attributes().PutStr("server.address", tt.host)
		if tt.port != 0 {
			record(ld).Attributes().PutInt("server.port", tt.port)
		}
		out, err := e.process(t.Context(), ld)
		require.NoError(t, err)
		assert.Equal(t, tt.want, out.LogRecordCount(), tt)
	}
}

func TestTheDerivedEventIsThatOfItsRequest(t *testing.T) {
	e := started(t, func(c *Config) {
		withSecret(c)
		c.CORS.AllowedOrigins = []string{"https://*.example.com"}
		c.Correlation.SessionCookie = "sid"
	})
	signed := "Bearer " + token(t, jwt.SigningMethodHS256, []byte(testSecret),
		jwt.MapClaims{"sub": "7", "username": "ada", "roles": []string{"admin"}, "email": "ada@example.com", "iss": "https://id.example.org", "act": map[string]any{"sub": "9"}})
	ev := request1()
	ev.TenantID, ev.QueryString, ev.Producer, ev.ProducerSeq = "acme", "token=hush&page=2", "web-1", 17
	ev.ObjectID, ev.ExtraData, ev.ResponseStatus = "17", `{"cart":3}`, 500
	events, rec := leaving(t, e, sent(ev, map[string]string{
		"authorization": signed, "origin": "https://app.example.com", "host": "api.example.com", "traceparent": traceparent,
		"x-frontend-url": "https://u:hush@app.example.com/cart?api_key=hush&tab=1", "x-request-id": "r-1", "cookie": "sid=hush",
	}))
	require.Len(t, events, 2)
	from, got := events[0], events[1]
	require.Equal(t, activity.KindRequest, from.Kind)

	assert.Equal(t, uuid.NewSHA1(uuid.MustParse("f138f6a3-1aad-54a7-b6e0-d7172d1e9db9"), []byte(from.ID.String())).String(), got.ID.String())
	assert.Equal(t, got.ID, rec.Derived()[0])
	_, filtered := rec.Processed()
	assert.Zero(t, filtered)

	// What the request and its cors event share is all but what follows.
	want := from
	want.Kind, want.ID = activity.KindCORS, got.ID
	want.URL, want.Origin, want.Allowed = "https://u:***@app.example.com/cart?api_key=***&tab=1", "https://app.example.com", activity.AllowedYes
	want.Outcome, want.SeverityNumber, want.Action = activity.OutcomeSuccess, severityInfo, "GET"
	want.ProducerSeq, want.ResponseStatus, want.ResponseTimeUS, want.ObjectID = 0, 0, activity.OptInt64{}, ""
	want.ExtraData = `{"_derived_from":"` + from.ID.String() + `","_request_id":"r-1"}`
	assert.Equal(t, want, got)
	assert.Equal(t, "acme", got.TenantID)
	assert.Equal(t, "9", got.UserID)
	assert.Equal(t, "7", got.OnBehalfOf)
	assert.Equal(t, "198.51.100.7", got.RemoteIP)
	assert.NotEmpty(t, got.SessionKey)
	assert.NotZero(t, got.TraceID)
	assert.Equal(t, "Chrome", got.Browser)
	assert.NotContains(t, got.QueryString+got.URL+got.ExtraData, "hush")
}

// Behind our own collector the headers are gone, so that an event made a second
// time would be another one under the same id.
func TestARequestThatPassedACollectorIsOneCORSEvent(t *testing.T) {
	agent := started(t, nil)
	gateway := started(t, func(c *Config) { c.TrustUpstream = true })
	first, _ := leaving(t, agent, sent(request1(), map[string]string{"origin": "null", "x-request-id": "r-1", "host": "b.example"}))
	require.Len(t, first, 2)
	var upstream activitylogs.Builder
	for i := range first {
		upstream.Add(&first[i], nil)
	}
	out, err := gateway.process(t.Context(), upstream.Logs())
	require.NoError(t, err)
	second, err := activitylogs.Events(out)
	require.NoError(t, err)
	assert.Equal(t, first, second)
}

func TestARequestSentAgainIsOneCORSEvent(t *testing.T) {
	e := started(t, nil)
	h := map[string]string{"origin": "https://a.example", "host": "b.example"}
	first, second := corsOf(t, e, sent(request1(), h)), corsOf(t, e, sent(request1(), h))
	assert.Equal(t, first.ID, second.ID)
	assert.Equal(t, first.Datetime, second.Datetime)
	assert.True(t, activity.SameContent(first, second))
	other := request1()
	other.ID[15]++
	assert.NotEqual(t, first.ID, corsOf(t, e, sent(other, h)).ID)

	nameless := request1() // as an SDK sends it
	nameless.ID = activity.ID{}
	first, second = corsOf(t, e, sent(nameless, h)), corsOf(t, e, sent(nameless, h))
	assert.Equal(t, first.ID, second.ID)
}

func TestADerivedEventSaysWhatWasCut(t *testing.T) {
	e := started(t, nil)
	ev := request1()
	ev.UserAgent, ev.ObjectRepr = strings.Repeat("u", 3000), strings.Repeat("o", 3000)
	got := corsOf(t, e, sent(ev, map[string]string{"x-frontend-url": "https://a.example/" + strings.Repeat("x", 3000)}))
	assert.Equal(t, "url,user_agent", got.TruncatedFields)
	assert.Equal(t, activity.FlagTruncated, got.Flags)
	assert.Len(t, got.URL, 2048)
	assert.Equal(t, "https://a.example", got.Origin)
}

func TestAllowed(t *testing.T) {
	listed := started(t, func(c *Config) { c.CORS.AllowedOrigins = []string{"https://app.example.com"} })
	plain := started(t, nil)
	h := func(origin string) map[string]string { return map[string]string{"origin": origin, "host": "b.example"} }
	got := corsOf(t, listed, sent(request1(), h("https://app.example.com")))
	assert.Equal(t, activity.AllowedYes, got.Allowed)
	assert.Equal(t, activity.OutcomeSuccess, got.Outcome)
	got = corsOf(t, listed, sent(request1(), h("https://evil.example")))
	assert.Equal(t, activity.AllowedNo, got.Allowed)
	assert.Equal(t, activity.OutcomeDenied, got.Outcome)
	assert.Equal(t, int64(severityWarn), got.SeverityNumber)
	got = corsOf(t, plain, sent(request1(), h("https://evil.example")))
	assert.Equal(t, activity.AllowedUnknown, got.Allowed)
	assert.Equal(t, activity.OutcomeUnknown, got.Outcome)

	own := &activity.Event{Kind: activity.KindCORS, Datetime: testNow.UnixNano(), URL: "https://app.example.com/x", Method: "GET"}
	assert.Equal(t, activity.AllowedYes, corsOf(t, listed, sent(own, nil)).Allowed, "the client's own cors event, too")
	own.Allowed = activity.AllowedNo
	got = corsOf(t, listed, sent(own, nil))
	assert.Equal(t, activity.AllowedNo, got.Allowed, "the client's word stays")
	own.Allowed, own.Origin = activity.AllowedUnknown, "https://evil.example"
	assert.Equal(t, activity.AllowedNo, corsOf(t, listed, sent(own, nil)).Allowed)
	assert.Equal(t, "https://app.example.com", corsOf(t, plain, sent(&activity.Event{Kind: activity.KindCORS, Datetime: testNow.UnixNano()},
		map[string]string{"origin": "https://app.example.com", "host": "app.example.com"})).Origin)
}

// The answer to a client is about its own events, whatever becomes of the others.
func TestFiltersAndDerivedEvents(t *testing.T) {
	h := map[string]string{"origin": "https://a.example", "host": "b.example", "x-frontend-url": "https://a.example/"}
	static := request1()
	static.URL = "/static/a.woff2"
	for _, tt := range []struct {
		name     string
		change   func(*Config)
		event    *activity.Event
		kinds    string
		filtered int
	}{
		{"both", nil, request1(), "request cors", 0},
		{"off", func(c *Config) { c.CORS.Derive = false }, request1(), "request", 0},
		{"cors is not watched", func(c *Config) { c.Filter.WatchKinds = []string{"request"} }, request1(), "request", 0},
		{"only cors is watched", func(c *Config) { c.Filter.WatchKinds = []string{"cors"} }, request1(), "cors", 1},
		{"excluded path", nil, static, "", 1},
		{"excluded path, kept", func(c *Config) { c.Filter.Keep = []string{`event_name == "activity.cors"`} }, static, "cors", 1},
		{"condition for requests", func(c *Config) { c.Filter.Drop = []string{`event_name == "activity.request"`} }, request1(), "cors", 1},
		{"condition for cors", func(c *Config) { c.Filter.Drop = []string{`attributes["url.full"] != nil`} }, request1(), "request", 0},
		{"condition for both", func(c *Config) { c.Filter.Drop = []string{"true"} }, request1(), "", 1},
		{"dry run", func(c *Config) { c.Filter.Drop, c.Filter.DryRun = []string{"true"}, true }, static, "request cors", 0},
		{"dry run without kinds", func(c *Config) { c.Filter.WatchKinds, c.Filter.DryRun = []string{"crud", "cors"}, true }, request1(), "request cors", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, tt.change)
			events, rec := leaving(t, e, sent(tt.event, h))
			kinds := make([]string, 0, 2)
			for i := range events {
				kinds = append(kinds, events[i].Kind.String())
			}
			assert.Equal(t, tt.kinds, strings.Join(kinds, " "))
			rejected, filtered := rec.Processed()
			assert.Empty(t, rejected)
			assert.Equal(t, tt.filtered, filtered)
			assert.Len(t, rec.Derived(), strings.Count(tt.kinds, "cors"))
		})
	}
}

func TestNoDerivedEventOfWhatIsRefusedOrSealed(t *testing.T) {
	h := map[string]string{"x-frontend-url": "https://a.example/"}
	refused := request1()
	refused.TenantID = "acme"
	events, rec := leaving(t, started(t, func(c *Config) { c.Tenant.FromEvent = false }), sent(refused, h))
	assert.Empty(t, events)
	assert.Empty(t, rec.Derived())

	sealed := request1()
	var enc canonical.Encoder
	enc.Seal(sealed, &testSalts)
	events, _ = leaving(t, started(t, func(c *Config) { c.TrustUpstream = true }), sent(sealed, h))
	require.Len(t, events, 1)
	assert.True(t, events[0].Sealed())
}

// Whatever the order in which a request and an event under the derived id come,
// the derived one stands last, so that the store keeps the client's.
func TestDerivedEventsComeLast(t *testing.T) {
	e := started(t, nil)
	h := map[string]string{"x-frontend-url": "https://a.example/"}
	id := corsOf(t, e, sent(request1(), h)).ID
	mine := &activity.Event{Kind: activity.KindCORS, ID: id, Datetime: request1().Datetime, Service: "another", URL: "https://mine.example/"}
	events, rec := leaving(t, e, sent(request1(), h), sent(mine, nil))
	require.Len(t, events, 3)
	assert.Equal(t, "https://mine.example/", events[1].URL)
	assert.Equal(t, "https://a.example/", events[2].URL)
	assert.Equal(t, "shop", events[2].Service)
	assert.Equal(t, []activity.ID{id}, rec.Derived())
}

func BenchmarkCORS(b *testing.B) {
	for name, headers := range map[string]map[string][]string{
		"same origin":  {"origin": {"https://a.example"}, "host": {"a.example"}},
		"other origin": {"origin": {"https://a.example"}, "host": {"b.example"}},
	} {
		b.Run(name, func(b *testing.B) {
			e := started(b, func(c *Config) { c.CORS.AllowedOrigins = []string{"https://*.example"} })
			lr := record(logsOf(request1(), withHeaders(headers)))
			b.ReportAllocs()
			r := &request{ctx: b.Context(), secrets: redaction{masker: e.mask}}
			in := intake{event: *request1(), secrets: &r.secrets}
			in.read(lr, false)
			s := &scope{origin: &origin{}}
			for b.Loop() {
				if x, ok := e.crossing(&in); ok {
					r.derived = nil
					e.deriveCORS(r, s, &in, x, nil)
				}
			}
		})
	}
}
