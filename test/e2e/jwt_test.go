package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// identityProvider issues tokens and serves its key set.
type identityProvider struct {
	*httptest.Server
	t        *testing.T
	set      atomic.Pointer[[]byte]
	requests atomic.Int64
}

func newIdentityProvider(t *testing.T) *identityProvider {
	t.Helper()
	p := &identityProvider{t: t}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.requests.Add(1)
		_, _ = w.Write(*p.set.Load())
	}))
	t.Cleanup(p.Close)
	return p
}

// Publish makes the keys, by their ids, the set that is served.
func (p *identityProvider) Publish(keys map[string]*rsa.PrivateKey) {
	p.t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	list := []map[string]string{}
	for kid, k := range keys {
		list = append(list, map[string]string{
			"kty": "RSA", "use": "sig", "kid": kid, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes()),
		})
	}
	raw, err := json.Marshal(map[string]any{"keys": list})
	require.NoError(p.t, err)
	p.set.Store(&raw)
}

func (p *identityProvider) Keys(extra string) string {
	return fmt.Sprintf("yaml:processors::enrich::jwt::keys: [{jwks_url: %q, issuer: %q, audience: shop}%s]", p.URL, p.URL, extra)
}

// Claims are those of a good token of the provider, with changes; nil takes one away.
func (p *identityProvider) Claims(changes jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{
		"iss": p.URL, "aud": "shop", "sub": "auth0|abc", "preferred_username": "ann", "sid": "s-1",
		"exp": time.Now().Add(time.Hour).Unix(), "realm_access": map[string]any{"roles": []string{"clerk"}},
	}
	for k, v := range changes {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func signToken(t *testing.T, method jwt.SigningMethod, kid string, key any, c jwt.MapClaims) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, c)
	if kid != "" {
		tok.Header["kid"] = kid
	}
	s, err := tok.SignedString(key)
	require.NoError(t, err)
	return s
}

func newRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return k
}

// report sends the event of a request with a header and reads it back.
func (c *collector) report(header, value string) map[string]any {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{
		"kind": "request", "method": "GET", "url": "/me", "response_status": 200, "reason": "its own",
		"headers": map[string]string{header: value},
	})
	require.NoError(c.t, err)
	code, a := c.Post("application/json", string(body))
	require.Equal(c.t, http.StatusOK, code)
	require.Len(c.t, a.IDs, 1)
	var row map[string]any
	require.Equal(c.t, http.StatusOK, c.Get("/api/activity/request-events/"+a.IDs[0]+"/", &row))
	return row
}

// why gives the reason of a token that failed.
func why(row map[string]any) any {
	extra, _ := row["extra_data"].(map[string]any)
	return extra["_auth_failure"]
}

// TestTokens sends genuine and hostile tokens to the built collector: none of
// the hostile ones names an actor, all say why, and no part of any is stored.
func TestTokens(t *testing.T) {
	idp, key := newIdentityProvider(t), newRSA(t)
	idp.Publish(map[string]*rsa.PrivateKey{"1": key})
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	c := newCollector(t, "otelcol-config.yaml")
	c.Start("--config", idp.Keys(""), "--config", "yaml:processors::enrich::jwt::cookie: access")

	sign := func(changes jwt.MapClaims) string {
		return signToken(t, jwt.SigningMethodRS256, "1", key, idp.Claims(changes))
	}
	good := sign(nil)
	for _, way := range [][2]string{{"authorization", "Bearer " + good}, {"authorization", "jwt " + good}, {"cookie", "a=1; access=" + good}} {
		row := c.report(way[0], way[1])
		assert.Equal(t, []any{"verified", "auth0|abc", "ann", "user", idp.URL, "1"},
			[]any{row["auth_verified"], row["user_id"], row["username"], row["actor_type"], row["auth_issuer"], row["auth_key_id"]})
		assert.Equal(t, []any{"clerk"}, row["user_roles"])
		assert.Len(t, row["session_key"], 64, "hashed")
	}
	delegated := c.report("authorization", "Bearer "+sign(jwt.MapClaims{"act": map[string]any{"sub": "support"}}))
	assert.Equal(t, []any{"support", "auth0|abc"}, []any{delegated["user_id"], delegated["on_behalf_of"]})
	service := c.report("authorization", "Bearer "+sign(jwt.MapClaims{"sub": "job", "azp": "job"}))
	assert.Equal(t, []any{"job", "service"}, []any{service["user_id"], service["actor_type"]})

	hour := time.Hour
	tampered := strings.Split(good, ".")
	tampered[1] = base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"eve"}`))
	hostile := map[string][]string{
		"expired":                {sign(jwt.MapClaims{"exp": time.Now().Add(-hour).Unix()}), sign(jwt.MapClaims{"exp": 0})},
		"not_yet_valid":          {sign(jwt.MapClaims{"nbf": time.Now().Add(hour).Unix()})},
		"forged":                 {signToken(t, jwt.SigningMethodRS256, "1", newRSA(t), idp.Claims(nil))},
		"unknown_key":            {signToken(t, jwt.SigningMethodRS256, "2", key, idp.Claims(nil))},
		"wrong_audience":         {sign(jwt.MapClaims{"aud": "desk"}), sign(jwt.MapClaims{"aud": nil})},
		"wrong_issuer":           {sign(jwt.MapClaims{"iss": "https://evil.example"}), sign(jwt.MapClaims{"iss": nil}), strings.Join(tampered, ".")},
		"alg_none":               {signToken(t, jwt.SigningMethodNone, "1", jwt.UnsafeAllowNoneSignatureType, idp.Claims(nil))},
		"algorithm_not_accepted": {signToken(t, jwt.SigningMethodES256, "1", curve, idp.Claims(nil))},
		"key_confusion":          {signToken(t, jwt.SigningMethodHS256, "1", public, idp.Claims(nil)), signToken(t, jwt.SigningMethodHS512, "1", der, idp.Claims(nil))},
		"oversized":              {sign(jwt.MapClaims{"pad": strings.Repeat("x", 20<<10)})},
		"malformed":              {good[:60], "eyJ", "a.b.c", "..", good + ".x", sign(jwt.MapClaims{"exp": "never"})},
	}
	for reason, list := range hostile {
		for _, tok := range list {
			row := c.report("authorization", "Bearer "+tok)
			assert.Equal(t, "failed", row["auth_verified"], reason)
			assert.Equal(t, reason, why(row))
			assert.Equal(t, "its own", row["reason"])
			assert.Equal(t, []any{nil, nil, nil}, []any{row["user_id"], row["username"], row["session_key"]}, reason)
		}
	}
	c.Stop()
	assert.NotContains(t, c.logs.String(), "eyJ", "no token in the log")
	require.NoError(t, filepath.WalkDir(c.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		assert.NotContains(t, string(raw), "eyJ", path)
		return err
	}))
}

// TestKeysRotateUnderLoad rotates the keys of a provider while services go on
// reporting: every event is taken, none waits for the provider, the new key
// counts at once and the old one no more; the provider is hardly asked.
func TestKeysRotateUnderLoad(t *testing.T) {
	idp := newIdentityProvider(t)
	keys := []*rsa.PrivateKey{newRSA(t), newRSA(t), newRSA(t)}
	kid := func(n int) string { return fmt.Sprint("key-", n) }
	idp.Publish(map[string]*rsa.PrivateKey{kid(0): keys[0]})
	tokens := make([]string, len(keys))
	for n, k := range keys {
		tokens[n] = "Bearer " + signToken(t, jwt.SigningMethodRS256, kid(n), k, idp.Claims(jwt.MapClaims{"sub": kid(n)}))
	}
	c := newCollector(t, "otelcol-config.yaml")
	c.Start("--config", idp.Keys(""))

	var issued, sent, failed atomic.Int64
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for n := int64(0); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				code, _ := c.Post("application/json", fmt.Sprintf(
					`{"kind":"request","method":"GET","url":"/load","response_status":200,"headers":{"authorization":%q}}`,
					tokens[n%(issued.Load()+1)]))
				if sent.Add(1); code != http.StatusOK {
					failed.Add(1)
				}
			}
		})
	}
	for n := 1; n < len(keys); n++ {
		idp.Publish(map[string]*rsa.PrivateKey{kid(n - 1): keys[n-1], kid(n): keys[n]})
		issued.Store(int64(n))
		require.Eventually(t, func() bool {
			return c.report("authorization", tokens[n])["auth_verified"] == "verified"
		}, 10*time.Second, 20*time.Millisecond)
	}
	assert.Equal(t, "unknown_key", why(c.report("authorization", tokens[0])), "rotated out")
	assert.Equal(t, kid(1), c.report("authorization", tokens[1])["user_id"], "still in the set")
	require.Eventually(t, func() bool { return sent.Load() >= 500 }, 30*time.Second, 10*time.Millisecond)
	close(stop)
	load.Wait()
	assert.Zero(t, failed.Load(), "of %d", sent.Load())
	assert.LessOrEqual(t, idp.requests.Load(), int64(6), "one at the start, five at once")
	t.Logf("%d events under load, %d requests for keys", sent.Load(), idp.requests.Load())
	for _, row := range c.List("request", "?page_size=200&url=/load").Results {
		if row["auth_verified"] == "verified" {
			assert.Equal(t, "key-", fmt.Sprint(row["user_id"])[:4])
		} else {
			assert.Equal(t, []any{"failed", "unknown_key", nil}, []any{row["auth_verified"], why(row), row["user_id"]})
		}
	}
}

// TestKeysWithoutTheirServer: a provider that is away does not hold up the start
// and harms no other key; a secret in a file is replaced without a restart.
func TestKeysWithoutTheirServer(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	first, second := "the first secret of thirty-two bytes", "the second secret of thirty-two bytes"
	require.NoError(t, os.WriteFile(secret, []byte(first), 0o600))
	sign := func(issuer, key string) string {
		return "Bearer " + signToken(t, jwt.SigningMethodHS256, "", []byte(key), jwt.MapClaims{"sub": "7", "iss": issuer})
	}
	c := newCollector(t, "otelcol-config.yaml")
	c.Start("--config", fmt.Sprintf("yaml:processors::enrich::jwt::keys: [{jwks_url: 'http://%s/keys', issuer: away}, {secret_file: %q, issuer: local, refresh_interval: 1s}]",
		freeAddress(t), secret))
	assert.Equal(t, "keys_unavailable", why(c.report("authorization", sign("away", first))))
	assert.Equal(t, "7", c.report("authorization", sign("local", first))["user_id"])
	assert.Contains(t, c.logs.String(), "jwt::keys::0::jwks_url")

	require.NoError(t, os.WriteFile(secret+".new", []byte(second), 0o600))
	require.NoError(t, os.Rename(secret+".new", secret))
	require.Eventually(t, func() bool {
		return c.report("authorization", sign("local", second))["auth_verified"] == "verified"
	}, 15*time.Second, 100*time.Millisecond)
	assert.Equal(t, "forged", why(c.report("authorization", sign("local", first))))

	refused := newCollector(t, "otelcol-config.yaml")
	refused.Launch("--config", "yaml:processors::enrich::jwt::keys: [{jwks_url: 'http://id.example.org/keys'}]")
	require.NotEqual(t, 0, refused.Wait(20*time.Second))
	assert.Contains(t, refused.logs.String(), "jwks_allow_http", "it says what to do")
}
