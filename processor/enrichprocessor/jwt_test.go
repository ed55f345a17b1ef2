package enrichprocessor

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func signed(tb testing.TB, c jwt.MapClaims) string {
	tb.Helper()
	return token(tb, jwt.SigningMethodHS256, []byte(testSecret), c)
}

// unsigned makes a token of any header and payload.
func unsigned(header, payload, signature string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(header)) + "." + b64([]byte(payload)) + "." + b64([]byte(signature))
}

// extraOf parses an event's extra_data.
func extraOf(tb testing.TB, ev *activity.Event) map[string]any {
	tb.Helper()
	extra := map[string]any{}
	if ev.ExtraData != "" {
		require.NoError(tb, json.Unmarshal([]byte(ev.ExtraData), &extra))
	}
	return extra
}

func TestTokensThatAlwaysFail(t *testing.T) {
	withKey, without := started(t, withSecret), started(t, nil)
	for name, tok := range map[string]string{
		"none":               unsigned(`{"alg":"none"}`, `{"sub":"eve"}`, ""),
		"none, signed":       unsigned(`{"alg":"none"}`, `{"sub":"eve"}`, "x"),
		"None":               unsigned(`{"alg":"None"}`, `{"sub":"eve"}`, ""),
		"NONE":               unsigned(`{"alg":"NONE"}`, `{"sub":"eve"}`, ""),
		"no algorithm":       unsigned(`{}`, `{"sub":"eve"}`, ""),
		"algorithm, a list":  unsigned(`{"alg":["HS256"]}`, `{"sub":"eve"}`, ""),
		"ES256K":             unsigned(`{"alg":"ES256K"}`, `{"sub":"eve"}`, "x"),
		"critical extension": unsigned(`{"alg":"HS256","crit":["b64"],"b64":false}`, `{"sub":"eve"}`, "x"),
		"payload, a list":    unsigned(`{"alg":"HS256"}`, `["eve"]`, "x"),
		"payload, no JSON":   unsigned(`{"alg":"HS256"}`, `eve`, "x"),
		"exp, a text":        unsigned(`{"alg":"HS256"}`, `{"sub":"eve","exp":"never"}`, "x"),
		"nbf, an object":     unsigned(`{"alg":"HS256"}`, `{"sub":"eve","nbf":{}}`, "x"),
		"exp beyond numbers": unsigned(`{"alg":"HS256"}`, `{"sub":"eve","exp":1e999}`, "x"),
		"no base64":          "!.!.!",
		"empty parts":        "..",
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, activity.AuthFailed, tokenState(t, withKey, tok))
			assert.Equal(t, activity.AuthFailed, tokenState(t, without, tok), "without keys too")
		})
	}
}

// A queued event keeps its actor: the token's times are judged at the event's,
// as long as the event is no older than max_event_age.
func TestTokenTimesAreTheEvents(t *testing.T) {
	e := started(t, withSecret)
	at := func(d time.Duration) float64 { return float64(testNow.Add(d).UnixMilli()) / 1000 }
	for _, tt := range []struct {
		name   string
		event  time.Duration // relative to received_at
		claims jwt.MapClaims
		want   string
	}{
		{"expired after the event", -10 * time.Minute, jwt.MapClaims{"exp": at(-9 * time.Minute)}, "verified"},
		{"expired before the event", -10 * time.Minute, jwt.MapClaims{"exp": at(-11 * time.Minute)}, "failed"},
		{"expired at the event", -10 * time.Minute, jwt.MapClaims{"exp": at(-10 * time.Minute)}, "failed"},
		{"fractions of a second", -10 * time.Minute, jwt.MapClaims{"exp": at(-10*time.Minute + 500*time.Millisecond)}, "verified"},
		{"as old as can be", -15 * time.Minute, jwt.MapClaims{"exp": at(-14 * time.Minute)}, "verified"},
		{"too old", -15*time.Minute - time.Nanosecond, jwt.MapClaims{"exp": at(-14 * time.Minute)}, "failed"},
		{"too old, but valid on arrival", -time.Hour, jwt.MapClaims{"exp": at(time.Minute)}, "verified"},
		{"not valid yet at the event", -10 * time.Minute, jwt.MapClaims{"nbf": at(-9 * time.Minute)}, "failed"},
		{"valid from the event on", -10 * time.Minute, jwt.MapClaims{"nbf": at(-10 * time.Minute)}, "verified"},
		{"an event ahead of us", time.Minute, jwt.MapClaims{"exp": at(30 * time.Second)}, "verified"},
		{"an event ahead of us opens nothing early", time.Minute, jwt.MapClaims{"nbf": at(30 * time.Second)}, "failed"},
		{"expired in 1970", 0, jwt.MapClaims{"exp": 0}, "failed"},
		{"expired before 1970", 0, jwt.MapClaims{"exp": -5}, "failed"},
		{"no times", -time.Hour, jwt.MapClaims{}, "verified"},
		{"null times", 0, jwt.MapClaims{"exp": nil, "nbf": nil}, "verified"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.claims["sub"] = "7"
			ev := request1()
			ev.Datetime = testNow.Add(tt.event).UnixNano()
			got := one(t, e, logsOf(ev, authorization("Bearer "+signed(t, tt.claims))))
			assert.Equal(t, tt.want, got.AuthVerified)
		})
	}
}

// The cache remembers the signature, never the times.
func TestCachedTokenIsJudgedForEachEvent(t *testing.T) {
	e := started(t, withSecret)
	tok := signed(t, jwt.MapClaims{"sub": "7", "exp": testNow.Add(-time.Minute).Unix()})
	for _, tt := range []struct {
		age  time.Duration
		want string
	}{{2 * time.Minute, "verified"}, {0, "failed"}, {2 * time.Minute, "verified"}, {time.Hour, "failed"}} {
		ev := request1()
		ev.Datetime = testNow.Add(-tt.age).UnixNano()
		assert.Equal(t, tt.want, one(t, e, logsOf(ev, authorization("Bearer "+tok))).AuthVerified)
	}
	assert.Equal(t, 1, e.tokens.keys.ring.Load().accepted.Len())
}

func TestClaims(t *testing.T) {
	n := func(s string) json.Number { return json.Number(s) }
	e := started(t, withSecret)
	for _, tt := range []struct {
		name   string
		claims jwt.MapClaims
		want   string
	}{
		{"user_id first", jwt.MapClaims{"user_id": 1, "sub": "2", "pk": 3, "id": 4}, "1"},
		{"then sub", jwt.MapClaims{"sub": "2", "pk": 3, "id": 4}, "2"},
		{"then pk", jwt.MapClaims{"pk": 3, "id": 4}, "3"},
		{"then id", jwt.MapClaims{"id": 4}, "4"},
		{"an empty one is passed over", jwt.MapClaims{"user_id": "", "sub": "2"}, "2"},
		{"so is null", jwt.MapClaims{"user_id": nil, "sub": "2"}, "2"},
		{"so is what names nobody", jwt.MapClaims{"user_id": true, "sub": []string{"2"}, "pk": map[string]any{"id": 3}, "id": 4}, "4"},
		{"zero is an id", jwt.MapClaims{"user_id": 0, "sub": "2"}, "0"},
		{"text is kept", jwt.MapClaims{"sub": "007 "}, "007 "},
		{"negative", jwt.MapClaims{"user_id": -7}, "-7"},
		{"2^53", jwt.MapClaims{"user_id": n("9007199254740992")}, "9007199254740992"},
		{"2^53+1", jwt.MapClaims{"user_id": n("9007199254740993")}, "9007199254740993"},
		{"2^63-1", jwt.MapClaims{"user_id": n("9223372036854775807")}, "9223372036854775807"},
		{"2^64-1", jwt.MapClaims{"user_id": n("18446744073709551615")}, "18446744073709551615"},
		{"2^64", jwt.MapClaims{"user_id": n("18446744073709551616")}, "18446744073709551616"},
		{"a whole float", jwt.MapClaims{"user_id": n("42.0")}, "42"},
		{"an exponent", jwt.MapClaims{"user_id": n("4.2e1")}, "42"},
		{"a fraction", jwt.MapClaims{"user_id": n("1.5")}, "1.5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := one(t, e, logsOf(request1(), authorization("Bearer "+signed(t, tt.claims))))
			assert.Equal(t, tt.want, got.UserID)
			assert.Equal(t, activity.AuthVerified, got.AuthVerified)
			assert.Equal(t, activity.ActorUser, got.ActorType)
		})
	}
}

func TestPersonOfAToken(t *testing.T) {
	e := started(t, withSecret)
	ev := request1()
	ev.UserID, ev.Username, ev.UserEmail, ev.UserRoles = "8", "eve", "eve@example.org", `["root"]`
	c := jwt.MapClaims{"sub": "7", "preferred_username": "ann", "roles": []any{"a\"b", 2}}
	got := one(t, e, logsOf(ev, authorization("Bearer "+signed(t, c))))
	assert.Equal(t, "ann", got.Username)
	assert.Empty(t, got.UserEmail, "of another person")
	assert.JSONEq(t, `["a\"b","2"]`, got.UserRoles)

	ev.UserID = "7" // the same person: what the token does not say stays
	got = one(t, e, logsOf(ev, authorization("Bearer "+signed(t, jwt.MapClaims{"sub": "7", "email": "ann@example.org"}))))
	assert.Equal(t, []string{"eve", "ann@example.org", `["root"]`}, []string{got.Username, got.UserEmail, got.UserRoles})
}

func TestAuthorizationHeader(t *testing.T) {
	e := started(t, withSecret)
	tok := signed(t, jwt.MapClaims{"sub": "7"})
	for _, tt := range []struct{ value, user, method string }{
		{"Bearer " + tok, "7", "jwt"},
		{"bearer " + tok, "7", "jwt"},
		{"BEARER   " + tok + " ", "7", "jwt"},
		{"  JWT " + tok, "7", "jwt"},
		{"jwt " + tok, "7", "jwt"},
		{"Token " + tok, "", "other"},
		{"Bearer" + tok, "", "other"},
		{tok, "", "other"},
		{"Bearer", "", "other"},
		{"Bearer opaque", "", "other"},
		{"Bearer a.b.c.d.e", "", "other"},
		{"Basic dTpw", "", "basic"},
		{"BASIC dTpw", "", "basic"},
		{"Basicx dTpw", "", "other"},
		{"", "", ""},
	} {
		t.Run(tt.value[:min(12, len(tt.value))], func(t *testing.T) {
			got := one(t, e, logsOf(request1(), authorization(tt.value)))
			assert.Equal(t, tt.user, got.UserID)
			assert.Equal(t, tt.method, got.AuthMethod)
		})
	}
}

func TestVerifyModes(t *testing.T) {
	good, forged := signed(t, jwt.MapClaims{"sub": "7"}), token(t, jwt.SigningMethodHS256, []byte("x"), jwt.MapClaims{"sub": "eve"})
	expired := signed(t, jwt.MapClaims{"sub": "7", "exp": testNow.Add(-time.Hour).Unix()})
	for _, tt := range []struct {
		name, verify, value, said  string
		noKey                      bool
		user, verified, setAside   string
		username, method, behalfOf string
	}{
		{name: "required, verified", verify: verifyRequired, value: good, said: "7", user: "7", verified: "verified", username: "ann", method: "jwt"},
		{name: "required, other user", verify: verifyRequired, value: good, said: "8", user: "7", verified: "verified", setAside: "8", method: "jwt"},
		{name: "required, no token", verify: verifyRequired, said: "8", verified: "not_checked", setAside: "8"},
		{name: "required, forged", verify: verifyRequired, value: forged, said: "8", verified: "failed", setAside: "8", method: "jwt"},
		{name: "required, expired", verify: verifyRequired, value: expired, said: "7", verified: "failed", setAside: "7", method: "jwt"},
		{name: "required, names nobody", verify: verifyRequired, value: signed(t, jwt.MapClaims{"scope": "x"}), said: "8", verified: "not_checked", setAside: "8", method: "jwt"},
		{name: "optional, no token", verify: verifyOptional, said: "8", user: "8", verified: "not_checked", username: "ann"},
		{name: "optional, unverified", verify: verifyOptional, noKey: true, value: good, user: "7", verified: "unverified", username: "ann", method: "jwt"},
		{name: "off", verify: verifyOff, value: good, said: "8", user: "8", verified: "not_checked", username: "ann", method: "other"},
		{name: "off, forged", verify: verifyOff, value: forged, said: "8", user: "8", verified: "not_checked", username: "ann", method: "other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) {
				if c.JWT.Verify = tt.verify; !tt.noKey {
					withSecret(c)
				}
			})
			ev := request1()
			ev.UserID, ev.Username = tt.said, "ann"
			value := ""
			if tt.value != "" {
				value = "Bearer " + tt.value
			}
			got := one(t, e, logsOf(ev, authorization(value)))
			assert.Equal(t, tt.user, got.UserID)
			assert.Equal(t, tt.username, got.Username)
			assert.Equal(t, tt.verified, got.AuthVerified)
			assert.Equal(t, tt.method, got.AuthMethod)
			if tt.setAside == "" {
				assert.Empty(t, got.ExtraData)
			} else {
				extra := extraOf(t, &got)
				delete(extra, noteAuthFailure)
				assert.Equal(t, map[string]any{"_claimed_user_id": tt.setAside, "_claimed_username": "ann"}, extra)
			}
		})
	}
}

// Each field that names an actor is set aside by itself: none of them stands
// because another is absent.
func TestRequiredLeavesNoWordOfTheActor(t *testing.T) {
	e := started(t, func(c *Config) { withSecret(c); c.JWT.Verify = verifyRequired })
	for _, f := range []activity.Field{
		activity.FieldUserID, activity.FieldUsername, activity.FieldUserEmail, activity.FieldUserRoles,
		activity.FieldOnBehalfOf, activity.FieldActorType,
	} {
		t.Run(f.String(), func(t *testing.T) {
			ev := request1()
			said := activity.ActorUser
			if f == activity.FieldUserRoles {
				said = `["admin"]`
			}
			*ev.Text(f) = said
			got := one(t, e, logsOf(ev, nil))
			assert.Empty(t, got.UserID+got.Username+got.UserEmail+got.UserRoles+got.OnBehalfOf)
			assert.Equal(t, activity.ActorAnonymous, got.ActorType)
			var extra map[string]string
			require.NoError(t, json.Unmarshal([]byte(got.ExtraData), &extra))
			assert.Equal(t, map[string]string{"_claimed_" + f.String(): said}, extra)
		})
	}
}

func TestDelegation(t *testing.T) {
	e := started(t, withSecret)
	for _, tt := range []struct {
		name, said   string
		act          any
		user, behalf string
		conflict     bool
	}{
		{"the actor acts", "", map[string]any{"sub": "admin"}, "admin", "7", false},
		{"said by the subject", "7", map[string]any{"sub": "admin"}, "admin", "7", false},
		{"said by the actor", "admin", map[string]any{"sub": "admin"}, "admin", "7", false},
		{"said by a third", "8", map[string]any{"sub": "admin"}, "admin", "7", true},
		{"the outermost of a chain", "", map[string]any{"sub": "admin", "act": map[string]any{"sub": "root"}}, "admin", "7", false},
		{"a number", "", map[string]any{"user_id": 9}, "9", "7", false},
		{"oneself", "", map[string]any{"sub": "7"}, "7", "", false},
		{"nobody", "", map[string]any{"client": "x"}, "7", "", false},
		{"no object", "", "admin", "7", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := request1()
			ev.UserID = tt.said
			got := one(t, e, logsOf(ev, authorization("Bearer "+signed(t, jwt.MapClaims{"sub": "7", "username": "ann", "act": tt.act}))))
			assert.Equal(t, tt.user, got.UserID)
			assert.Equal(t, tt.behalf, got.OnBehalfOf)
			assert.Equal(t, tt.conflict, got.Flags&activity.FlagActorConflict != 0)
			if tt.behalf != "" {
				assert.Empty(t, got.Username, "the name is the subject's, not the actor's")
			}
		})
	}
}

func TestTokenSize(t *testing.T) {
	tok := signed(t, jwt.MapClaims{"sub": "7", "pad": strings.Repeat("x", 500)})
	for _, tt := range []struct {
		max  int
		want string
	}{{len(tok), "verified"}, {len(tok) - 1, "failed"}} {
		e := started(t, func(c *Config) { withSecret(c); c.JWT.MaxTokenSize = tt.max })
		assert.Equal(t, tt.want, tokenState(t, e, tok))
		require.Equal(t, tt.want == activity.AuthVerified, e.tokens.keys.ring.Load().accepted.Len() == 1, "an oversized token takes no place")
	}
}
