package enrichprocessor

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// An event that is sent again may meet a collector with other keys, lists and
// databases, at a time at which its token is expired, or come without its token,
// which its sender no longer has. It is the same event: a conflict would send it
// to the dead letters.
func TestAnEventSentAgainIsTheSameWhateverItMeets(t *testing.T) {
	bearer := "Bearer " + token(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{
		"user_id": "7", "username": "ann", "email": "ann@example.com", "roles": []string{"clerk"}, "jti": "session 1",
		"exp": testNow.Add(time.Minute).Unix(), "act": map[string]any{"sub": "9", "act": map[string]any{"sub": "8"}},
	})
	headers := func(authorization string) map[string]string {
		return map[string]string{
			"authorization": authorization, "origin": "https://app.example.com", "host": "api.example.com", "x-request-id": "r-1",
			"user-agent": "Googlebot/2.1", "x-forwarded-for": "81.2.69.160",
		}
	}
	asn := asnDatabase(t)
	for _, said := range []string{"", "9", "5"} {
		var met []string
		var requests, cors []activity.Event
		meets := func(name, authorization string, later time.Duration, change func(*Config)) {
			e := started(t, change)
			e.now = func() time.Time { return testNow.Add(later) }
			ev := request1()
			ev.UserID = said
			events, _ := leaving(t, e, sent(ev, headers(authorization)))
			require.Len(t, events, 2, name)
			met, requests, cors = append(met, name), append(requests, events[0]), append(cors, events[1])
		}
		meets("the keys", bearer, 0, withSecret)
		meets("the keys, too late", bearer, time.Hour, withSecret)
		meets("other keys", bearer, 0, func(c *Config) { c.JWT.Keys = []KeyConfig{{Secret: "another secret of many characters"}} })
		meets("other keys, required", bearer, 0, func(c *Config) {
			c.JWT.Keys, c.JWT.Verify = []KeyConfig{{Secret: "another secret of many characters"}}, verifyRequired
		})
		meets("no keys", bearer, 0, nil)
		meets("no token", "", 0, withSecret)
		meets("databases", bearer, 0, func(c *Config) {
			c.GeoIP.ASNPath, c.ClientAddress.TrustedProxies = asn, []string{"198.51.100.0/24"}
		})
		meets("a list of origins", bearer, 0, func(c *Config) { c.CORS.AllowedOrigins = []string{"https://app.example.com"} })
		meets("another list of origins", bearer, 0, func(c *Config) { c.CORS.AllowedOrigins = []string{"null"} })
		for i := range met {
			for k := range met {
				if requests[i].AuthVerified == activity.AuthNotChecked && requests[k].AuthVerified == activity.AuthNotChecked && i != k {
					continue
				}
				assert.True(t, activity.SameContent(&requests[i], &requests[k]), "%q: %s and %s\n%+v\n%+v", said, met[i], met[k], requests[i], requests[k])
				assert.True(t, activity.SameContent(&cors[i], &cors[k]), "%q: cors event, %s and %s", said, met[i], met[k])
			}
		}
	}
}
