package enrichprocessor

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// Beside the user of a verified token stands no word of the sender that the
// token does not say too, unless the sender named that user.
func TestSendersWordBesideAVerifiedToken(t *testing.T) {
	e := started(t, withSecret)
	type person struct{ id, name, email, roles, behalf, actor string }
	ann := jwt.MapClaims{"sub": "7", "username": "ann", "email": "ann@x", "roles": []any{"clerk"}}
	for _, tt := range []struct {
		name   string
		said   person
		claims jwt.MapClaims
		want   person
		extra  map[string]any
	}{
		{"nothing said", person{}, ann, person{"7", "ann", "ann@x", `["clerk"]`, "", "user"}, map[string]any{}},
		{
			"no id, other words",
			person{"", "root", "r@x", `["admin"]`, "boss", "system"},
			jwt.MapClaims{"sub": "7"},
			person{"7", "", "", "", "", "user"},
			map[string]any{
				"_claimed_username": "root", "_claimed_user_email": "r@x", "_claimed_user_roles": `["admin"]`,
				"_claimed_on_behalf_of": "boss", "_claimed_actor_type": "system",
			},
		},
		{
			"no id, the token's words",
			person{"", "ann", "ann@x", `["clerk"]`, "", ""},
			ann,
			person{"7", "ann", "ann@x", `["clerk"]`, "", "user"},
			map[string]any{},
		},
		{
			"no id, one word differs",
			person{"", "ann", "", `["admin"]`, "", ""},
			ann,
			person{"7", "ann", "ann@x", `["clerk"]`, "", "user"},
			map[string]any{"_claimed_user_roles": `["admin"]`},
		},
		{
			"another id",
			person{"8", "eve", "", `["admin"]`, "", ""},
			jwt.MapClaims{"sub": "7"},
			person{"7", "", "", "", "", "user"},
			map[string]any{"_claimed_user_id": "8", "_claimed_username": "eve", "_claimed_user_roles": `["admin"]`},
		},
		{
			"the same id, the token is silent",
			person{"7", "ann", "ann@x", `["clerk"]`, "boss", "service"},
			jwt.MapClaims{"sub": "7"},
			person{"7", "ann", "ann@x", `["clerk"]`, "boss", "service"},
			map[string]any{},
		},
		{
			"the same id, the token differs",
			person{"7", "root", "", "", "", ""},
			ann,
			person{"7", "ann", "ann@x", `["clerk"]`, "", "user"},
			map[string]any{"_claimed_username": "root"},
		},
		{
			"a service",
			person{"7", "", "", "", "", "user"},
			jwt.MapClaims{"sub": "7", "client_id": "7"},
			person{"7", "", "", "", "", "service"},
			map[string]any{"_claimed_actor_type": "user"},
		},
		{
			"a service acts",
			person{},
			jwt.MapClaims{"sub": "7", "azp": "job", "act": map[string]any{"sub": "job"}},
			person{"job", "", "", "", "7", "service"},
			map[string]any{},
		},
		{
			"the acting party's own words",
			person{},
			jwt.MapClaims{
				"sub": "7", "roles": []any{"clerk"},
				"act": map[string]any{"sub": "9", "username": "sue", "roles": "support"},
			},
			person{"9", "sue", "", `["support"]`, "7", "user"},
			map[string]any{},
		},
		{
			"the subject is no conflict",
			person{"7", "ann", "", "", "", ""},
			jwt.MapClaims{"sub": "7", "act": map[string]any{"sub": "9"}},
			person{"9", "", "", "", "7", "user"},
			map[string]any{"_claimed_username": "ann"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := request1()
			s := tt.said
			ev.UserID, ev.Username, ev.UserEmail, ev.UserRoles, ev.OnBehalfOf, ev.ActorType = s.id, s.name, s.email, s.roles, s.behalf, s.actor
			got := one(t, e, logsOf(ev, authorization("Bearer "+signed(t, tt.claims))))
			assert.Equal(t, activity.AuthVerified, got.AuthVerified)
			assert.Equal(t, tt.want, person{got.UserID, got.Username, got.UserEmail, got.UserRoles, got.OnBehalfOf, got.ActorType})
			assert.Equal(t, tt.extra, extraOf(t, &got))
		})
	}
}

func TestLongChainOfActors(t *testing.T) {
	act := map[string]any{"sub": "first"}
	for range 50 {
		act = map[string]any{"sub": "x", "act": act}
	}
	got := one(t, started(t, withSecret), logsOf(request1(), authorization("Bearer "+signed(t, jwt.MapClaims{"sub": "7", "act": act}))))
	assert.Equal(t, []string{"x", "7"}, []string{got.UserID, got.OnBehalfOf})
	assert.Len(t, extraOf(t, &got)["_earlier_actors"], maxActors)
}

func TestSessionOfAToken(t *testing.T) {
	tok := "Bearer " + signed(t, jwt.MapClaims{"sub": "7", "sid": "s-1", "jti": "j-1"})
	for _, tt := range []struct {
		name, said, mode, value, want string
	}{
		{"hashed once", "", sessionHash, tok, hashed("s-1")},
		{"as it is", "", sessionKeep, tok, "s-1"},
		{"the event's own", "mine", sessionHash, tok, hashed("mine")},
		{"jti", "", sessionKeep, "Bearer " + signed(t, jwt.MapClaims{"sub": "7", "jti": "j-1"}), "j-1"},
		{"of a token that fails", "", sessionKeep, tok[:len(tok)-4] + "AAAA", ""},
		{"of a token that names nobody", "", sessionKeep, "Bearer " + signed(t, jwt.MapClaims{"sid": "s-1"}), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) { withSecret(c); c.Redact.Session = tt.mode })
			ev := request1()
			ev.SessionKey = tt.said
			assert.Equal(t, tt.want, one(t, e, logsOf(ev, authorization(tt.value))).SessionKey)
		})
	}
}

func TestTokenInACookie(t *testing.T) {
	e := started(t, func(c *Config) { withSecret(c); c.JWT.Cookie = "access" })
	good, other := signed(t, jwt.MapClaims{"sub": "7"}), signed(t, jwt.MapClaims{"sub": "8"})
	for _, tt := range []struct {
		name          string
		authorization string
		cookies       []string
		user, method  string
	}{
		{"alone", "", []string{"access=" + good}, "7", "jwt"},
		{"among others", "", []string{`a=1;  access="` + good + `" ; b=2`}, "7", "jwt"},
		{"in another line", "", []string{"a=1", "access=" + good}, "7", "jwt"},
		{"the first counts", "", []string{"access=" + good + "; access=" + other}, "7", "jwt"},
		{"the header goes first", "Bearer " + other, []string{"access=" + good}, "8", "jwt"},
		{"beside basic", "Basic dTpw", []string{"access=" + good}, "7", "jwt"},
		{"names are exact", "", []string{"Access=" + good, "xaccess=" + good}, "", ""},
		{"opaque", "", []string{"access=opaque"}, "", ""},
		{"forged", "", []string{"access=" + good[:len(good)-4] + "AAAA"}, "", "jwt"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &activitylogs.Inputs{Headers: map[string][]string{"cookie": tt.cookies}}
			if tt.authorization != "" {
				in.Headers["authorization"] = []string{tt.authorization}
			}
			got := one(t, e, logsOf(request1(), in))
			assert.Equal(t, []string{tt.user, tt.method}, []string{got.UserID, got.AuthMethod})
		})
	}
	got := one(t, started(t, withSecret), logsOf(request1(), &activitylogs.Inputs{Headers: map[string][]string{"cookie": {"access=" + good}}}))
	assert.Empty(t, got.UserID, "no cookie is read unless configured")
}

func TestHeaderPrefixes(t *testing.T) {
	e := started(t, func(c *Config) { withSecret(c); c.JWT.HeaderPrefixes = []string{"Token"} })
	tok := signed(t, jwt.MapClaims{"sub": "7"})
	for value, user := range map[string]string{"Token " + tok: "7", "token  " + tok: "7", "Bearer " + tok: "", "JWT " + tok: "", tok: ""} {
		assert.Equal(t, user, one(t, e, logsOf(request1(), authorization(value))).UserID, value[:7])
	}
}

func TestWhatWantsToBeAToken(t *testing.T) {
	e := started(t, withSecret)
	tok := signed(t, jwt.MapClaims{"sub": "7"})
	for value, want := range map[string]string{
		tok[:20]:                            "malformed",
		tok + ".x.y":                        "malformed", // as encrypted tokens look
		tok + ", Bearer " + tok:             "malformed",
		"opaque-token":                      "",
		"a.b.c":                             "malformed",
		tok[:strings.LastIndex(tok, ".")+1]: "forged",
	} {
		got := one(t, e, logsOf(request1(), authorization("Bearer "+value)))
		assert.Empty(t, got.UserID)
		reason, _ := extraOf(t, &got)[noteAuthFailure].(string)
		assert.Equal(t, want, reason)
		assert.Equal(t, want != "", got.AuthVerified == activity.AuthFailed)
	}
}

func TestLeeway(t *testing.T) {
	e := started(t, func(c *Config) { withSecret(c); c.JWT.Leeway = 30 * time.Second })
	for want, c := range map[string]jwt.MapClaims{
		"":              {"sub": "7", "exp": testNow.Unix() - 30, "nbf": testNow.Unix() + 29},
		"expired":       {"sub": "7", "exp": testNow.Unix() - 31},
		"not_yet_valid": {"sub": "7", "nbf": testNow.Unix() + 30},
	} {
		assert.Equal(t, want, reasonOf(t, e, signed(t, c)))
	}
}

// A token in a flood of invented ones stays remembered.
func TestInventedTokensDisplaceNone(t *testing.T) {
	e := started(t, func(c *Config) { withSecret(c); c.JWT.CacheSize = 2 })
	good := signed(t, jwt.MapClaims{"sub": "7"})
	require.Empty(t, reasonOf(t, e, good))
	for _, tail := range []string{"A", "B", "C", "D", "E"} {
		require.Equal(t, "forged", reasonOf(t, e, good+tail+"AAA"))
	}
	ring := e.tokens.keys.ring.Load()
	assert.Equal(t, []int{1, 2}, []int{ring.accepted.Len(), ring.refused.Len()})
}

// FuzzCookie compares the reading of a cookie with that of net/http, which
// reads whole headers and refuses more.
func FuzzCookie(f *testing.F) {
	f.Add("a=1; access=x.y.z", "access")
	f.Add(`access="x"; access=`, "access")
	f.Add(";;=;a", "a")
	f.Fuzz(func(t *testing.T, line, name string) {
		got := cookieOf(line, name)
		cookies, err := http.ParseCookie(line)
		if err != nil {
			return
		}
		for _, c := range cookies {
			if c.Name == name {
				require.Equal(t, strings.Trim(c.Value, " \t"), got)
				return
			}
		}
		require.Empty(t, got)
	})
}
