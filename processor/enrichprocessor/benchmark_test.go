package enrichprocessor

import (
	"context"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// BenchmarkProcess is the whole way from plog to plog of batches of 1,000
// request events of about 500 bytes of text, caches warm. Making the input is
// not measured; run with -cpu 1 for one core.
func BenchmarkProcess(b *testing.B) {
	ev := request1()
	ev.TenantID, ev.UserID, ev.Username, ev.UserEmail = "", "7", "ada", "ada@example.org"
	ev.URL, ev.QueryString = "/api/invoices/2026/11/4711/", "expand=lines&currency=EUR"
	ev.Route = "/api/invoices/{year}/{month}/{id}/"
	ev.RequestBodySize, ev.ResponseBodySize = activity.Some(0), activity.Some(2_048)
	ev.ExtraData = `{"request_id":"0b1c","feature":"invoice-list"}`
	city := cityDatabase(b)
	signed := "Bearer " + token(b, jwt.SigningMethodHS256, []byte(testSecret),
		jwt.MapClaims{"sub": "7", "username": "ada", "roles": []string{"admin"}, "iss": "https://id.example.org"})
	for name, in := range map[string]*activitylogs.Inputs{
		"token":   {PeerAddress: "198.51.100.7", Headers: map[string][]string{"authorization": {signed}}},
		"address": {PeerAddress: "198.51.100.7"},
		"browser behind a proxy": {PeerAddress: "10.0.0.1", Headers: map[string][]string{
			"authorization": {signed}, "x-forwarded-for": {"81.2.69.160"}, "sec-ch-ua-platform": {`"Windows"`}, "sec-ch-ua-mobile": {"?0"},
			"sec-ch-ua": {`"Not A;Brand";v="99", "Chromium";v="120", "Google Chrome";v="120"`},
		}},
	} {
		b.Run(name, func(b *testing.B) {
			const batch = 1000
			e := started(b, func(c *Config) {
				withSecret(c)
				c.GeoIP.Path, c.ClientAddress.TrustedProxies = city, []string{"10.0.0.0/8"}
			})
			var input plog.Logs
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				var build activitylogs.Builder
				for range batch {
					build.Add(ev, in)
				}
				input = build.Logs()
				b.StartTimer()
				if _, err := e.process(context.Background(), input); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/event")
		})
	}
}

// BenchmarkCachedToken is what a token costs each event once it is known: its
// digest and the judgement of its times. A token of Keycloak's size.
func BenchmarkCachedToken(b *testing.B) {
	f := loadFixtures(b)
	e := f.started(b, func(c *Config) { c.JWT.Keys = f.keys(b) })
	tok, now := f.Tokens["keycloak-user"].Token, e.now().UnixNano()
	b.SetBytes(int64(len(tok)))
	b.ReportAllocs()
	for b.Loop() {
		if v := e.tokens.read(tok, now); !v.verified() {
			b.Fatal(failureWords[v.reason])
		}
	}
}

// BenchmarkNewToken is the verification of a token that was never seen, by
// algorithm: parsing, claims and signature, without the cache.
func BenchmarkNewToken(b *testing.B) {
	f := loadFixtures(b)
	e := f.started(b, func(c *Config) { c.JWT.Keys = f.keys(b) })
	for name, tok := range map[string]string{
		"RS256": "keycloak-user", "ES256": "pyjwt-es256", "EdDSA": "pyjwt-eddsa", "HS256": "simplejwt-custom",
	} {
		b.Run(name, func(b *testing.B) {
			ring, tok := e.tokens.keys.ring.Load(), f.Tokens[tok].Token
			b.ReportAllocs()
			for b.Loop() {
				if v := e.tokens.judge(ring, tok); !v.verified() {
					b.Fatal(failureWords[v.reason])
				}
			}
		})
	}
}
