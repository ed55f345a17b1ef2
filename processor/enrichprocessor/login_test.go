package enrichprocessor

import (
	"encoding/base64"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// A failed login names the name that was tried, whoever it is and whatever else
// is known of the sender.
func TestFailedLoginsKeepTheNameThatWasTried(t *testing.T) {
	signed := "Bearer " + token(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"sub": "7", "username": "ada"})
	forged := "Bearer " + token(t, jwt.SigningMethodHS256, []byte("another secret of 32 characters!"), jwt.MapClaims{"sub": "7"})
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, tt := range []struct {
		name, verify, header, kind, tried string
		username, user, actor             string
	}{
		{name: "unknown name", tried: "nobody", username: "nobody", actor: "unknown"},
		{name: "verified tokens only", verify: verifyRequired, tried: "nobody", username: "nobody", actor: "unknown"},
		{name: "second factor", verify: verifyRequired, kind: "mfa_failed", tried: "bob", username: "bob", actor: "unknown"},
		{name: "somebody else's token", header: signed, tried: "bob", username: "bob", user: "7", actor: "user"},
		{name: "a forged token", header: forged, verify: verifyRequired, tried: "bob", username: "bob", actor: "unknown"},
		{name: "no name but a token", header: signed, username: "ada", user: "7", actor: "user"},
		{name: "basic credentials", header: basic("eve:hush"), username: "eve", actor: "unknown"},
		{name: "the sender before basic credentials", header: basic("eve:hush"), tried: "bob", username: "bob", actor: "unknown"},
		{name: "no credentials", header: basic("hush"), actor: "unknown"},
		{name: "a login that succeeded names its actor", kind: "login", verify: verifyRequired, tried: "bob", actor: "unknown"},
		{name: "and never the name in a header", kind: "login", header: basic("eve:hush"), actor: "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) {
				withSecret(c)
				c.JWT.Verify = tt.verify
				if tt.verify == "" {
					c.JWT.Verify = verifyOptional
				}
			})
			ev := &activity.Event{
				Kind: activity.KindLogin, Type: "login_failed", Datetime: testNow.UnixNano(), Username: tt.tried,
				Reason: "unknown_user", SessionKey: "s",
			}
			if tt.kind != "" {
				ev.Type = tt.kind
			}
			got := one(t, e, logsOf(ev, authorization(tt.header)))
			assert.Equal(t, tt.username, got.Username)
			assert.Equal(t, tt.user, got.UserID)
			assert.Equal(t, tt.actor, got.ActorType)
			assert.Equal(t, "unknown_user", got.Reason)
			assert.Len(t, got.SessionKey, 64)
			assert.NotEmpty(t, got.AuthMethod)
			assert.NotContains(t, got.ExtraData, "hush")
			if ev.Type != "login" {
				assert.Equal(t, activity.OutcomeFailure, got.Outcome)
				assert.NotContains(t, got.ExtraData, "_claimed_username")
			}
		})
	}
}

// A name that was tried may be anything that a form takes.
func TestHostileNamesOfFailedLogins(t *testing.T) {
	e := started(t, nil)
	ev := &activity.Event{Kind: activity.KindLogin, Type: "login_failed", Datetime: testNow.UnixNano(), Username: "a\x00\xff' OR 1=1 --"}
	assert.Equal(t, "a�\ufffd' OR 1=1 --", one(t, e, logsOf(ev, nil)).Username)
}
