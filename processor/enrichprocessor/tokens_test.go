package enrichprocessor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadata"
)

const (
	auth0Issuer = "https://acme.eu.auth0.com/"
	entraIssuer = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"
)

// fixtures is what testdata/tokens/make.py wrote.
type fixtures struct {
	MadeAt     int64           `json:"made_at"`
	Issuer     string          `json:"issuer"`
	Secret     string          `json:"secret"`
	RSAPublic  string          `json:"rsa_public"`
	JWKS       json.RawMessage `json:"jwks"`
	AllauthJWK json.RawMessage `json:"allauth_jwk"`
	Tokens     map[string]struct {
		Library string `json:"library"`
		Token   string `json:"token"`
	} `json:"tokens"`
}

func loadFixtures(tb testing.TB) *fixtures {
	tb.Helper()
	raw, err := os.ReadFile("testdata/tokens/tokens.json")
	require.NoError(tb, err)
	f := &fixtures{}
	require.NoError(tb, json.Unmarshal(raw, f))
	return f
}

// started gives an enricher that lives when the tokens were made.
func (f *fixtures) started(tb testing.TB, change func(*Config)) *enricher {
	tb.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.GeoIP.DataDir = tb.TempDir()
	change(cfg)
	require.NoError(tb, cfg.Validate())
	e, err := newEnricher(cfg, processortest.NewNopSettings(metadata.Type), func() time.Time { return time.Unix(f.MadeAt, 0).Add(time.Minute) })
	require.NoError(tb, err)
	require.NoError(tb, e.start(context.Background(), componenttest.NewNopHost()))
	tb.Cleanup(func() { require.NoError(tb, e.shutdown(context.Background())) })
	return e
}

func (f *fixtures) event() *activity.Event {
	ev := request1()
	ev.Datetime = time.Unix(f.MadeAt, 0).Add(59 * time.Second).UnixNano()
	return ev
}

// keys are those of a service that takes tokens of everybody in the fixtures.
func (f *fixtures) keys(tb testing.TB) []KeyConfig {
	tb.Helper()
	set := fileOf(tb, string(f.JWKS))
	return []KeyConfig{
		{Secret: configopaque.String(f.Secret), Algorithms: []string{"HS256", "HS512"}},
		{JWKSFile: set, Issuer: f.Issuer, Audience: "shop"},
		{JWKSFile: set, Issuer: auth0Issuer, Audience: "shop"},
		{JWKSFile: set, Issuer: entraIssuer, Audience: "shop"},
	}
}

// What the tokens of real libraries and providers give, with the default claims.
func TestTokensOfRealLibraries(t *testing.T) {
	f := loadFixtures(t)
	e := f.started(t, func(c *Config) {
		c.JWT.Keys = append(f.keys(t), KeyConfig{JWKSFile: fileOf(t, `{"keys":[`+string(f.AllauthJWK)+`]}`)})
	})
	type want struct{ user, username, email, roles, actor, behalf, session string }
	for name, w := range map[string]want{
		"simplejwt":        {user: "42", session: "jti"},
		"simplejwt-custom": {user: "42", username: "ann", email: "ann@example.org", session: "jti"},
		"simplejwt-rs256":  {user: "42", username: "ann", email: "ann@example.org", session: "jti"},
		"drf-jwt":          {user: "42", username: "ann", session: "jti"},
		"allauth-hs256":    {user: "42", session: "sid"},
		"allauth-rs256":    {user: "42", email: "ann@example.org", session: "sid"},
		"authlib-user":     {user: "auth0|abc", session: "jti"},
		"authlib-client":   {user: "report-job", actor: "service", session: "jti"},
		"keycloak-user": {
			user: "f3a7c2de-6f0a-4d0c-9f6e-0d1b2c3d4e5f", username: "ann", email: "ann@example.org",
			roles: `["offline_access","clerk"]`, session: "sid",
		},
		"keycloak-service": {
			user: "0b5d9c1e-0000-4d0c-9f6e-0d1b2c3d4e5f", username: "service-account-report-job",
			roles: `["offline_access","clerk"]`, actor: "service", session: "jti",
		},
		"auth0-user":    {user: "auth0|5f7c8ec7c33c6c004bbafe82"},
		"auth0-service": {user: "AbCdEf123@clients", actor: "service"},
		"entra-user":    {user: "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", username: "ann@example.org", roles: `["Clerk"]`, session: "sid"},
		"entra-service": {user: "11111111-ff1a-4d56-abd1-7e4f7d38e474", roles: `["Orders.Read.All"]`, actor: "service"},
		"delegated":     {user: "support-7", email: "support@example.org", behalf: "ann"},
		"pyjwt-hs512":   {user: "42"},
		"pyjwt-es256":   {user: "42"},
		"pyjwt-eddsa":   {user: "42"},
		"pyjwt-no-kid":  {user: "42"},
	} {
		t.Run(name, func(t *testing.T) {
			tok := f.Tokens[name].Token
			require.NotEmpty(t, tok)
			got := one(t, e, logsOf(f.event(), authorization("Bearer "+tok)))
			if w.actor == "" {
				w.actor = activity.ActorUser
			}
			if w.session != "" {
				w.session = hashed(claimsOf(t, tok)[w.session].(string))
			}
			assert.Equal(t, activity.AuthVerified, got.AuthVerified, got.ExtraData)
			found := want{got.UserID, got.Username, got.UserEmail, got.UserRoles, got.ActorType, got.OnBehalfOf, got.SessionKey}
			assert.Equal(t, w, found)
			if name == "delegated" {
				assert.JSONEq(t, `{"_earlier_actors":["gateway",""]}`, got.ExtraData)
			} else {
				assert.Empty(t, got.ExtraData)
			}
		})
	}
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func claimsOf(tb testing.TB, tok string) jwt.MapClaims {
	tb.Helper()
	c := jwt.MapClaims{}
	_, _, err := jwt.NewParser().ParseUnverified(tok, c)
	require.NoError(tb, err)
	return c
}

// Claims by path, as the providers' own customers configure them.
func TestClaimPathsOfProviders(t *testing.T) {
	f := loadFixtures(t)
	for _, tt := range []struct {
		name, token, tenantClaim, tenant string
		claims                           ClaimsConfig
		user, email, roles               string
	}{
		{
			"keycloak", "keycloak-user", "tenant.id", "acme",
			ClaimsConfig{UserID: []string{"preferred_username"}, Email: []string{"none", "email"}, Roles: []string{"resource_access.my.shop.roles"}},
			"ann", "ann@example.org", `["refund"]`,
		},
		{
			"auth0", "auth0-user", "https://shop.example.org/tenant", "acme",
			ClaimsConfig{UserID: []string{"sub"}, Email: []string{"https://shop.example.org/email"}, Roles: []string{"https://shop.example.org/roles"}},
			"auth0|5f7c8ec7c33c6c004bbafe82", "ann@example.org", `["clerk"]`,
		},
		{
			"entra", "entra-user", "tid", "72f988bf-86f1-41af-91ab-2d7cd011db47",
			ClaimsConfig{UserID: []string{"oid"}, Roles: []string{"scp"}},
			"690222be-ff1a-4d56-abd1-7e4f7d38e474", "", `["Orders.Read"]`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := f.started(t, func(c *Config) {
				c.JWT.Keys, c.JWT.Claims, c.Tenant = f.keys(t), tt.claims, TenantConfig{Claim: tt.tenantClaim}
			})
			got := one(t, e, logsOf(f.event(), authorization("Bearer "+f.Tokens[tt.token].Token)))
			assert.Equal(t, []string{tt.user, tt.email, tt.roles, tt.tenant}, []string{got.UserID, got.UserEmail, got.UserRoles, got.TenantID})
		})
	}
}

// Nothing an attacker sends names an actor, and each event says why.
func TestAttacks(t *testing.T) {
	f := loadFixtures(t)
	all := f.started(t, func(c *Config) { c.JWT.Keys = f.keys(t) })
	public := f.started(t, func(c *Config) {
		c.JWT.Keys = []KeyConfig{{PublicKey: f.RSAPublic, Issuer: f.Issuer, Audience: "shop"}}
	})
	for name, want := range map[string]struct{ all, public string }{
		"expired":        {"expired", "expired"},
		"not-yet-valid":  {"not_yet_valid", "not_yet_valid"},
		"forged":         {"forged", "forged"},
		"unknown-key":    {"unknown_key", "forged"},
		"encryption-key": {"unknown_key", "forged"},
		"own-key-set":    {"unknown_key", "forged"},
		"wrong-audience": {"wrong_audience", "wrong_audience"},
		"wrong-issuer":   {"wrong_issuer", "wrong_issuer"},
		"not-accepted":   {"algorithm_not_accepted", "algorithm_not_accepted"},
		"none":           {"alg_none", "alg_none"},
		"malformed":      {"malformed", "malformed"},
		"key-confusion":  {"key_confusion", "key_confusion"},
		"pyjwt-hs512":    {"", "wrong_issuer"},
		"pyjwt-es256":    {"", "algorithm_not_accepted"},
		"entra-user":     {"", "wrong_issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			for e, reason := range map[*enricher]string{all: want.all, public: want.public} {
				if reason == "" {
					continue
				}
				ev := f.event()
				ev.Reason = "the event's own"
				for range 2 { // the second time from the cache
					got := one(t, e, logsOf(ev, authorization("Bearer "+f.Tokens[name].Token)))
					assert.Equal(t, activity.AuthFailed, got.AuthVerified)
					assert.Empty(t, got.UserID+got.Username+got.SessionKey+got.AuthIssuer+got.AuthKeyID)
					assert.Equal(t, map[string]any{noteAuthFailure: reason}, extraOf(t, &got))
					assert.Equal(t, "the event's own", got.Reason)
				}
			}
		})
	}
	require.Len(t, f.Tokens, 31, "each token of the fixtures is looked at")
}

// Each way in which issuers say that a program got the token for itself.
func TestServices(t *testing.T) {
	for name, tt := range map[string]struct {
		claims  map[string]any
		service bool
	}{
		"RFC 9068":              {map[string]any{"sub": "job", "client_id": "job"}, true},
		"Okta":                  {map[string]any{"sub": "0oa1", "cid": "0oa1"}, true},
		"Auth0 by grant":        {map[string]any{"sub": "x", "gty": "client-credentials"}, true},
		"Auth0 by subject":      {map[string]any{"sub": "AbC@clients", "azp": "AbC"}, true},
		"Auth0, another client": {map[string]any{"sub": "AbC@clients", "azp": "XyZ"}, false},
		"Auth0, by password":    {map[string]any{"sub": "auth0|1", "azp": "AbC", "gty": "password"}, false},
		"Entra by idtyp":        {map[string]any{"sub": "s", "oid": "o", "idtyp": "app"}, true},
		"Entra v1":              {map[string]any{"sub": "o", "oid": "o", "appid": "a"}, true},
		"Entra, a person":       {map[string]any{"sub": "s", "oid": "o", "azp": "a", "scp": "x"}, false},
		"Entra, by scope":       {map[string]any{"sub": "o", "oid": "o", "azp": "a", "scp": "x"}, false},
		"Keycloak":              {map[string]any{"sub": "u", "azp": "Job", "preferred_username": "service-account-job"}, true},
		"Keycloak, a person":    {map[string]any{"sub": "u", "azp": "shop", "preferred_username": "service-account-job"}, false},
		"no client, no subject": {map[string]any{}, false},
		"a client, no subject":  {map[string]any{"azp": "shop"}, false},
	} {
		assert.Equal(t, tt.service, isService(tt.claims), name)
	}
}
