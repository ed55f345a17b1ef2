package enrichprocessor

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadata"
)

// issuer serves a key set that can be changed, and counts its requests.
type issuer struct {
	*httptest.Server
	answer   atomic.Value // of http.HandlerFunc
	requests atomic.Int64
}

func newIssuer(tb testing.TB, answer http.HandlerFunc) *issuer {
	tb.Helper()
	i := &issuer{}
	i.answer.Store(answer)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.requests.Add(1)
		i.answer.Load().(http.HandlerFunc)(w, r)
	}))
	tb.Cleanup(i.Close)
	return i
}

func serve(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func jwkOf(kid string, k *rsa.PrivateKey) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "RSA", "kid": kid, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
}

func keySet(keys ...map[string]any) string {
	raw, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func withKid(tb testing.TB, kid string, k *rsa.PrivateKey) string {
	tb.Helper()
	tok := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"sub": "7"})
	tok.Header["kid"] = kid
	s, err := tok.SignedString(k)
	require.NoError(tb, err)
	return s
}

// reasonOf gives why a token failed, "" when it is verified.
func reasonOf(tb testing.TB, e *enricher, tok string) string {
	tb.Helper()
	got := one(tb, e, logsOf(request1(), authorization("Bearer "+tok)))
	reason, _ := extraOf(tb, &got)[noteAuthFailure].(string)
	assert.Equal(tb, reason == "", got.AuthVerified == activity.AuthVerified)
	return reason
}

func eventually(tb testing.TB, e *enricher, tok, want string) {
	tb.Helper()
	require.Eventually(tb, func() bool { return reasonOf(tb, e, tok) == want }, 10*time.Second, 5*time.Millisecond)
}

// A rotated key is found because a token asks for it, long before the interval;
// a key taken out of the set verifies nothing any more, although its tokens had
// been verified and remembered.
func TestKeySetIsRotated(t *testing.T) {
	first, second := rsaKey(t), rsaKey(t)
	i := newIssuer(t, serve(keySet(jwkOf("1", first))))
	e := started(t, withKeys(KeyConfig{JWKSURL: i.URL}))
	require.Empty(t, reasonOf(t, e, withKid(t, "1", first)))
	require.Empty(t, reasonOf(t, e, withKid(t, "1", first)))
	require.Equal(t, int64(1), i.requests.Load(), "asked at the start only")

	i.answer.Store(serve(keySet(jwkOf("2", second))))
	require.Equal(t, "unknown_key", reasonOf(t, e, withKid(t, "2", second)), "the event does not wait")
	eventually(t, e, withKid(t, "2", second), "")
	require.Equal(t, "unknown_key", reasonOf(t, e, withKid(t, "1", first)), "its verdict went with its key")
}

// However many tokens name unknown keys, the issuer is asked twice and then at
// the pace of askedEvery.
func TestUnknownKeysAskAtAPace(t *testing.T) {
	k := rsaKey(t)
	i := newIssuer(t, serve(keySet(jwkOf("1", k))))
	e := started(t, withKeys(KeyConfig{JWKSURL: i.URL}))
	require.Eventually(t, func() bool {
		for n := range 50 {
			require.Equal(t, "unknown_key", reasonOf(t, e, withKid(t, fmt.Sprint("x", n), k)))
		}
		return i.requests.Load() >= 1+askedAtOnce
	}, 10*time.Second, time.Millisecond)
	for n := range 200 {
		reasonOf(t, e, withKid(t, fmt.Sprint("y", n), k))
	}
	assert.Equal(t, int64(1+askedAtOnce), i.requests.Load())
	assert.Equal(t, "wrong_issuer", reasonOf(t, started(t, withKeys(KeyConfig{JWKSURL: i.URL, Issuer: "a"})), withKid(t, "z", k)))
}

// A server that is away, slow or wrong at the start costs its tokens, not the
// start; one that goes wrong later costs nothing.
func TestKeySetServerFails(t *testing.T) {
	k := rsaKey(t)
	good := keySet(jwkOf("1", k))
	for name, answer := range map[string]http.HandlerFunc{
		"error":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no JSON":        serve("<html>"),
		"no keys":        serve(`{"keys":[]}`),
		"another object": serve(`{"error":"x"}`),
		"too long":       serve(good + strings.Repeat(" ", maxKeyText)),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/good" {
				http.Redirect(w, r, "/good", http.StatusFound)
				return
			}
			serve(good)(w, r)
		},
		"only symmetric":  serve(`{"keys":[{"kty":"oct","kid":"1","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}`),
		"only encryption": serve(strings.Replace(good, `"kid"`, `"use":"enc","kid"`, 1)),
		"hangs":           func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, answer)
			core, logs := observer.New(zap.WarnLevel)
			cfg := createDefaultConfig().(*Config)
			cfg.GeoIP.DataDir = t.TempDir()
			cfg.JWT.Keys = []KeyConfig{{JWKSURL: i.URL + "/keys?hush=hush"}}
			set := processortest.NewNopSettings(metadata.Type)
			set.Logger = zap.New(core)
			e, err := newEnricher(cfg, set, func() time.Time { return testNow })
			require.NoError(t, err)
			require.NoError(t, e.start(context.Background(), componenttest.NewNopHost()))
			t.Cleanup(func() { require.NoError(t, e.shutdown(context.Background())) })
			tok := withKid(t, "1", k)
			require.Equal(t, "keys_unavailable", reasonOf(t, e, tok))
			warned := logs.FilterMessageSnippet("Cannot read keys")
			require.Equal(t, 1, warned.Len())
			require.Equal(t, "jwt::keys::0::jwks_url", warned.All()[0].ContextMap()["key"])
			require.NotContains(t, fmt.Sprint(warned.All()[0].ContextMap()), "hush")
			if name == "hangs" {
				return // each further request would take as long
			}

			i.answer.Store(serve(good))
			eventually(t, e, tok, "")
			i.answer.Store(answer)
			src := e.tokens.keys.sources[0]
			require.Equal(t, refreshFailed, e.tokens.keys.refresh(t.Context(), src))
			require.Empty(t, reasonOf(t, e, tok), "the keys read before stay")
		})
	}
}

// Secrets and keys in files are replaced while events come; no event sees a key
// that was never in the file, and at the end only the new one counts.
func TestFilesAreReloadedUnderLoad(t *testing.T) {
	pairs := []*rsa.PrivateKey{rsaKey(t), rsaKey(t)}
	for _, tt := range []struct {
		name  string
		key   func(path string) KeyConfig
		text  func(n int) string
		token func(n int) string
	}{
		{
			"secret_file", func(path string) KeyConfig { return KeyConfig{SecretFile: path} },
			func(n int) string { return fmt.Sprintf("%s %d\n", testSecret, n) },
			func(n int) string {
				return token(t, jwt.SigningMethodHS256, fmt.Appendf(nil, "%s %d", testSecret, n), jwt.MapClaims{"sub": "7"})
			},
		},
		{
			"public_key_file", func(path string) KeyConfig { return KeyConfig{PublicKeyFile: path} },
			func(n int) string { return publicPEM(t, pairs[n]) },
			func(n int) string { return withKid(t, "", pairs[n]) },
		},
		{
			"jwks_file", func(path string) KeyConfig { return KeyConfig{JWKSFile: path} },
			func(n int) string { return keySet(jwkOf("k", pairs[n])) },
			func(n int) string { return withKid(t, "k", pairs[n]) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := fileOf(t, tt.text(0))
			k := tt.key(path)
			k.RefreshInterval = minRefresh
			e := started(t, withKeys(k))
			old, young := tt.token(0), tt.token(1)
			require.Empty(t, reasonOf(t, e, old))
			require.Equal(t, "forged", reasonOf(t, e, young))

			ctx, stop := context.WithCancel(t.Context())
			var load sync.WaitGroup
			for range 4 {
				load.Go(func() {
					for ctx.Err() == nil {
						for _, tok := range []string{old, young} {
							if _, err := e.process(context.Background(), logsOf(request1(), authorization("Bearer "+tok))); err != nil {
								t.Error(err)
							}
						}
						time.Sleep(time.Millisecond)
					}
				})
			}
			require.NoError(t, os.WriteFile(path, nil, 0o600)) // as half-written files look
			time.Sleep(minRefresh + 100*time.Millisecond)
			require.Empty(t, reasonOf(t, e, old), "an empty file changes nothing")
			require.NoError(t, os.Rename(fileOf(t, tt.text(1)), path))
			eventually(t, e, young, "")
			require.Equal(t, "forged", reasonOf(t, e, old))
			require.NoError(t, os.Remove(path))
			stop()
			load.Wait()
			require.Equal(t, refreshFailed, e.tokens.keys.refresh(t.Context(), e.tokens.keys.sources[0]))
			require.Empty(t, reasonOf(t, e, young), "a file that is gone changes nothing")
		})
	}
}

// An issuer rotates its keys while tokens of every key there was come.
func TestKeySetIsRotatedUnderLoad(t *testing.T) {
	pairs := []*rsa.PrivateKey{rsaKey(t), rsaKey(t), rsaKey(t)}
	i := newIssuer(t, serve(keySet(jwkOf("0", pairs[0]))))
	e := started(t, withKeys(KeyConfig{JWKSURL: i.URL}))
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var issued atomic.Int64
	tokens := make([]string, len(pairs))
	for n, pair := range pairs {
		tokens[n] = withKid(t, strconv.Itoa(n), pair)
	}
	for range 4 {
		load.Go(func() {
			for n := int64(0); ctx.Err() == nil; n++ {
				ld := logsOf(request1(), authorization("Bearer "+tokens[n%(issued.Load()+1)]))
				if _, err := e.process(context.Background(), ld); err != nil {
					t.Error(err)
				}
				time.Sleep(100 * time.Microsecond)
			}
		})
	}
	for n := 1; n < len(pairs); n++ {
		i.answer.Store(serve(keySet(jwkOf(strconv.Itoa(n-1), pairs[n-1]), jwkOf(strconv.Itoa(n), pairs[n]))))
		issued.Store(int64(n))
		eventually(t, e, tokens[n], "")
	}
	require.Equal(t, "unknown_key", reasonOf(t, e, tokens[0]), "rotated out")
	stop()
	load.Wait()
	assert.LessOrEqual(t, i.requests.Load(), int64(1+askedAtOnce))
}

// Nobody but the issuer can be asked for keys, and nobody on the way can answer.
func TestKeySetURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://id.example.org/jwks":       "",
		"http://127.0.0.1:8080/jwks":        "",
		"http://localhost/jwks":             "",
		"http://[::1]:80/jwks":              "",
		"http://id.example.org/jwks":        "jwks_allow_http",
		"http://localhost.example.org/jwks": "jwks_allow_http",
		"http://169.254.169.254/latest":     "jwks_allow_http",
		"file:///etc/passwd":                "want https",
		"ftp://id.example.org/":             "want https",
		"https://":                          "want https",
		"id.example.org/jwks":               "want https",
		"https://u:hush@id.example.org/":    "user name or password",
		"https://id.example.org:x/hush":     "want https",
	} {
		k := KeyConfig{JWKSURL: address}
		err := k.validate()
		if want == "" {
			require.NoError(t, err, address)
			continue
		}
		require.ErrorContains(t, err, want, address)
		require.NotContains(t, err.Error(), "hush")
	}
	require.NoError(t, (&KeyConfig{JWKSURL: "http://id.example.org/jwks", JWKSAllowHTTP: true}).validate())
	for _, k := range []KeyConfig{
		{JWKSURL: "https://a/", JWKSFile: "b"},
		{JWKSURL: "https://a/", ID: "x"},
		{JWKSURL: "https://a/", Algorithms: []string{"HS256"}},
		{JWKSFile: "a", RefreshInterval: time.Millisecond},
	} {
		require.Error(t, k.validate())
	}
}

// The metrics tell readings that changed something from those that did not and
// those that failed.
func TestKeyRefreshesAreCounted(t *testing.T) {
	path := fileOf(t, testSecret)
	counts := map[string]int{}
	cfg := createDefaultConfig().(*Config)
	cfg.JWT.Keys = []KeyConfig{{SecretFile: path}}
	s, err := newKeyStore(t.Context(), &cfg.JWT, zap.NewNop(), func(outcome string) { counts[outcome]++ })
	require.NoError(t, err)
	defer s.close()
	for _, text := range []string{testSecret, testSecret + "!", "", testSecret + "!"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		s.refresh(t.Context(), s.sources[0])
	}
	assert.Equal(t, map[string]int{refreshUnchanged: 2, refreshChanged: 1, refreshFailed: 1}, counts)
}
