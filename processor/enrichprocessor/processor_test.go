package enrichprocessor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadata"
)

var testNow = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const testSecret = "a secret of thirty-two characters"

func started(tb testing.TB, change func(*Config)) *enricher {
	tb.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.GeoIP.DataDir = tb.TempDir()
	if change != nil {
		change(cfg)
	}
	require.NoError(tb, cfg.Validate())
	e, err := newEnricher(cfg, processortest.NewNopSettings(metadata.Type), func() time.Time { return testNow })
	require.NoError(tb, err)
	require.NoError(tb, e.start(context.Background(), componenttest.NewNopHost()))
	tb.Cleanup(func() { require.NoError(tb, e.shutdown(context.Background())) })
	return e
}

func withSecret(c *Config) { c.JWT.Keys = []KeyConfig{{Secret: configopaque.String(testSecret)}} }

func request1() *activity.Event {
	return &activity.Event{
		Kind: activity.KindRequest, ID: activity.ID{6: 0x40, 8: 0x80, 15: 1}, Datetime: testNow.Add(-time.Second).UnixNano(),
		Service: "shop", Method: "GET", URL: "/orders/17", ResponseStatus: 200, ResponseTimeUS: activity.Some(1500),
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
	}
}

func logsOf(ev *activity.Event, in *activitylogs.Inputs) plog.Logs {
	var b activitylogs.Builder
	b.Add(ev, in)
	return b.Logs()
}

func one(tb testing.TB, e *enricher, ld plog.Logs) activity.Event {
	tb.Helper()
	out, err := e.process(tb.Context(), ld)
	require.NoError(tb, err)
	events, err := activitylogs.Events(out)
	require.NoError(tb, err)
	require.Len(tb, events, 1)
	return events[0]
}

func token(tb testing.TB, method jwt.SigningMethod, key any, c jwt.MapClaims) string {
	tb.Helper()
	s, err := jwt.NewWithClaims(method, c).SignedString(key)
	require.NoError(tb, err)
	return s
}

func authorization(value string) *activitylogs.Inputs {
	return &activitylogs.Inputs{Headers: map[string][]string{"authorization": {value}}}
}

func TestActor(t *testing.T) {
	sign := func(c jwt.MapClaims) string {
		return "Bearer " + token(t, jwt.SigningMethodHS256, []byte(testSecret), c)
	}
	forged := "Bearer " + token(t, jwt.SigningMethodHS256, []byte("another secret"), jwt.MapClaims{"sub": "eve"})
	none := "Bearer " + token(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"sub": "eve"})
	for _, tt := range []struct {
		name, header, said string
		verify             string
		noKey              bool
		user, verified     string
		behalf             string
		conflict           bool
	}{
		{name: "verified number", header: sign(jwt.MapClaims{"user_id": 42, "sub": "x"}), user: "42", verified: "verified"},
		{name: "text subject", header: sign(jwt.MapClaims{"sub": "auth0|abc"}), user: "auth0|abc", verified: "verified"},
		{name: "conflict", header: sign(jwt.MapClaims{"sub": "7"}), said: "8", user: "7", verified: "verified", conflict: true},
		{name: "delegation", header: sign(jwt.MapClaims{"sub": "7", "act": map[string]any{"sub": "admin"}}), said: "7", user: "admin", behalf: "7", verified: "verified"},
		{name: "forged", header: forged, verified: "failed"},
		{name: "forged keeps the client's word", header: forged, said: "8", user: "8", verified: "failed"},
		{name: "none", header: none, verified: "failed"},
		{name: "none without keys", header: none, noKey: true, verified: "failed"},
		{name: "unverified", header: forged, noKey: true, user: "eve", verified: "unverified"},
		{name: "the client before an unverified token", header: forged, noKey: true, said: "8", user: "8", verified: "not_checked", conflict: true},
		{name: "expired", header: sign(jwt.MapClaims{"sub": "7", "exp": testNow.Unix() - 2}), verified: "failed"},
		{name: "expired since the event", header: sign(jwt.MapClaims{"sub": "7", "exp": testNow.Unix()}), user: "7", verified: "verified"},
		{name: "not yet valid", header: sign(jwt.MapClaims{"sub": "7", "nbf": testNow.Unix() + 60}), verified: "failed"},
		{name: "names nobody", header: sign(jwt.MapClaims{"scope": "x"}), said: "8", user: "8", verified: "not_checked"},
		{name: "basic", header: "Basic dTpw", said: "8", user: "8", verified: "not_checked"},
		{name: "wrong prefix", header: strings.Replace(sign(jwt.MapClaims{"sub": "7"}), "Bearer", "Token", 1), verified: "not_checked"},
		{name: "required without token", verify: verifyRequired, said: "8", verified: "not_checked"},
		{name: "off", header: sign(jwt.MapClaims{"sub": "7"}), verify: verifyOff, said: "8", user: "8", verified: "not_checked"},
		{name: "oversized", header: sign(jwt.MapClaims{"sub": strings.Repeat("x", 20<<10)}), verified: "failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) {
				if !tt.noKey {
					withSecret(c)
				}
				if tt.verify != "" {
					c.JWT.Verify = tt.verify
				}
			})
			ev := request1()
			ev.UserID = tt.said
			got := one(t, e, logsOf(ev, authorization(tt.header)))
			assert.Equal(t, tt.user, got.UserID)
			assert.Equal(t, tt.verified, got.AuthVerified)
			assert.Equal(t, tt.behalf, got.OnBehalfOf)
			assert.Equal(t, tt.conflict, got.Flags&activity.FlagActorConflict != 0)
		})
	}
}

func TestClientAddress(t *testing.T) {
	for _, tt := range []struct{ name, peer, said, header, value, want string }{
		{"peer alone", "203.0.113.9", "", "x-forwarded-for", "1.2.3.4", "203.0.113.9"},
		{"trusted peer", "10.0.0.1", "", "x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7"},
		{"ports and brackets", "[::ffff:10.0.0.1]:443", "", "forwarded", `for="[2001:db8::1]:4711";proto=https`, "2001:db8::1"},
		{"real ip", "10.0.0.1", "", "x-real-ip", "198.51.100.7", "198.51.100.7"},
		{"unreadable hop", "10.0.0.1", "", "x-forwarded-for", "198.51.100.7, unknown", "10.0.0.1"},
		{"the client's word", "", "::ffff:198.51.100.7", "x-forwarded-for", "1.2.3.4", "198.51.100.7"},
		{"headers alone", "", "", "x-forwarded-for", "1.2.3.4", ""},
		{"no address", "", "host-7", "x-forwarded-for", "1.2.3.4", "host-7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) { c.ClientAddress.TrustedProxies = []string{"10.0.0.0/8"} })
			ev := request1()
			ev.RemoteIP = tt.said
			in := &activitylogs.Inputs{PeerAddress: tt.peer, Headers: map[string][]string{tt.header: {tt.value}}}
			got := one(t, e, logsOf(ev, in))
			assert.Equal(t, tt.want, got.RemoteIP)
		})
	}
}

func TestNothingClientOnlyLeaves(t *testing.T) {
	e := started(t, nil)
	in := authorization("Bearer hush.hush.hush")
	in.Headers["cookie"] = []string{"sessionid=hush"}
	in.PeerAddress, in.Before, in.After = "192.0.2.1", `{"a":1,"password":"hush1"}`, `{"a":2,"password":"hush2"}`
	ev := request1()
	ev.QueryString, ev.SessionKey = "q=1&access%5Ftoken=hush&x=2", "hush"
	ev.ExtraData = `{ "n": 1.0, "deep": [{"API-Key":"hush"}] }`
	ev.AuthVerified, ev.IntegrityHash, ev.Flags, ev.SchemaVersion = "verified", []byte("spoofed"), 15, 9
	ld := logsOf(ev, in)
	got := one(t, e, ld)
	raw, err := (&plog.JSONMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	assert.NotContains(t, string(raw), "hush")
	assert.NotContains(t, string(raw), activitylogs.KeyHeaderPrefix)
	assert.Equal(t, "q=1&access%5Ftoken=***&x=2", got.QueryString)
	assert.Equal(t, `{"a":[1,2],"password":["***","***"]}`, got.ChangedFields)                              //nolint:testifylint // byte for byte
	assert.Equal(t, `{ "n": 1.0, "deep": [{"API-Key":"***"}] ,"_auth_failure":"malformed"}`, got.ExtraData) //nolint:testifylint // byte for byte
	assert.Empty(t, got.IntegrityHash)
	assert.Zero(t, got.Flags)
	assert.Zero(t, got.SchemaVersion)
	assert.Equal(t, "failed", got.AuthVerified)
	assert.Equal(t, testNow.UnixNano(), got.ReceivedAt)
	assert.Equal(t, "Chrome", got.Browser)
	assert.Equal(t, activity.OutcomeSuccess, got.Outcome)
}

func otlp(n int) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	rl.Resource().Attributes().PutStr("host.name", "a")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("lib")
	for range n {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(1772600000000000000)
		lr.Attributes().PutStr("http.method", "GET")
		lr.Attributes().PutStr("http.status_code", "404")
		lr.Attributes().PutStr("http.target", "/x?y=1")
		lr.Attributes().PutBool("odd", true)
	}
	return ld
}

func TestOTLP(t *testing.T) {
	e := started(t, nil)
	first, err := e.process(t.Context(), otlp(2))
	require.NoError(t, err)
	retry, err := e.process(t.Context(), otlp(2))
	require.NoError(t, err)
	a, err := activitylogs.Events(first)
	require.NoError(t, err)
	b, err := activitylogs.Events(retry)
	require.NoError(t, err)
	assert.Equal(t, a, b, "a retry gives the same events")
	assert.NotEqual(t, a[0].ID, a[1].ID, "equal siblings are two events")
	assert.Equal(t, byte(8), a[0].ID[6]>>4)
	assert.Equal(t, activity.KindRequest, a[0].Kind)
	assert.Equal(t, int64(404), a[0].ResponseStatus)
	assert.Equal(t, "/x", a[0].URL)
	assert.Equal(t, "y=1", a[0].QueryString)
	assert.Equal(t, `{"_attributes":{"odd":true},"_resource":{"host.name":"a"},"_scope":{"name":"lib"}}`, a[0].ExtraData) //nolint:testifylint // byte for byte
}

func TestTenant(t *testing.T) {
	for _, tt := range []struct {
		name, said, want string
		fromEvent, ok    bool
	}{
		{"from the event", "acme", "acme", true, true},
		{"default", "default", "", true, true},
		{"not allowed", "acme", "", false, false},
		{"nothing said", "", "", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) { c.Tenant.FromEvent = tt.fromEvent })
			ev := request1()
			ev.TenantID = tt.said
			ctx, rec := receipt.NewContext(t.Context())
			out, err := e.process(ctx, logsOf(ev, nil))
			rejected, _ := rec.Processed()
			if !tt.ok {
				require.Error(t, err, "nothing is left to pass on")
				require.Len(t, rejected, 1)
				assert.Equal(t, codeTenantNotAllowed, rejected[0].Code)
				return
			}
			require.NoError(t, err)
			events, err := activitylogs.Events(out)
			require.NoError(t, err)
			assert.Equal(t, tt.want, events[0].TenantID)
		})
	}
}

func TestDropped(t *testing.T) {
	e := started(t, nil)
	ev := request1()
	ev.URL = "/static/logo.png"
	ctx, rec := receipt.NewContext(t.Context())
	out, err := e.process(ctx, logsOf(ev, nil))
	require.Error(t, err)
	assert.Zero(t, out.LogRecordCount())
	_, filtered := rec.Processed()
	assert.Equal(t, 1, filtered)

	foreign := plog.NewLogs()
	foreign.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("debug")
	out, err = e.process(t.Context(), foreign)
	require.Error(t, err)
	assert.Zero(t, out.LogRecordCount())
}

func TestTimes(t *testing.T) {
	e := started(t, nil)
	ev := request1()
	ev.Datetime = testNow.Add(time.Hour).UnixNano()
	got := one(t, e, logsOf(ev, nil))
	assert.Equal(t, got.ReceivedAt, got.Datetime)
	assert.NotZero(t, got.Flags&activity.FlagDatetimeCorrected)
	assert.JSONEq(t, `{"_datetime":"2026-03-04T06:06:07Z"}`, got.ExtraData)
}

func TestShutdown(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Foreign = foreignKeep // its records are no activity
	cfg.GeoIP.DataDir = t.TempDir()
	processortest.VerifyShutdown(t, NewFactory(), cfg)
}

func BenchmarkRequest(b *testing.B) {
	e := started(b, withSecret)
	ev := request1()
	in := authorization("Bearer " + token(b, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"sub": "7"}))
	in.Headers["user-agent"] = []string{ev.UserAgent}
	in.PeerAddress = "198.51.100.7"
	const batch = 1000
	var build activitylogs.Builder
	for range batch {
		build.Add(ev, in)
	}
	src := build.Logs()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		ld := plog.NewLogs()
		src.CopyTo(ld)
		b.StartTimer()
		if _, err := e.process(context.Background(), ld); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/event")
}
