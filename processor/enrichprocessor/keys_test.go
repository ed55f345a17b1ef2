package enrichprocessor

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
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

func rsaKey(tb testing.TB) *rsa.PrivateKey {
	tb.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(tb, err)
	return k
}

func ecKey(tb testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	tb.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(tb, err)
	return k
}

func publicPEM(tb testing.TB, k crypto.Signer) string {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	require.NoError(tb, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func fileOf(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "key")
	require.NoError(tb, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func withKeys(keys ...KeyConfig) func(*Config) { return func(c *Config) { c.JWT.Keys = keys } }

// tokenState gives auth_verified of an event that brings the token.
func tokenState(tb testing.TB, e *enricher, tok string) string {
	tb.Helper()
	ev := one(tb, e, logsOf(request1(), authorization("Bearer "+tok)))
	if ev.AuthVerified != activity.AuthFailed {
		assert.Equal(tb, "7", ev.UserID)
		assert.Equal(tb, activity.AuthMethodJWT, ev.AuthMethod)
	} else {
		assert.Empty(tb, ev.UserID, "a token that fails names nobody")
	}
	return ev.AuthVerified
}

func TestEveryAlgorithm(t *testing.T) {
	rsaPair, rsaOther := rsaKey(t), rsaKey(t)
	secret, other := []byte(testSecret), []byte("another secret of the same length")
	type pair struct{ sign, wrong any }
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	_, edOther, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ec := func(c elliptic.Curve) pair { return pair{ecKey(t, c), ecKey(t, c)} }
	hs, rs := pair{secret, other}, pair{rsaPair, rsaOther}
	claims := jwt.MapClaims{"sub": "7"}
	for _, tt := range []struct {
		method jwt.SigningMethod
		pair
	}{
		{jwt.SigningMethodHS256, hs},
		{jwt.SigningMethodHS384, hs},
		{jwt.SigningMethodHS512, hs},
		{jwt.SigningMethodRS256, rs},
		{jwt.SigningMethodRS384, rs},
		{jwt.SigningMethodRS512, rs},
		{jwt.SigningMethodPS256, rs},
		{jwt.SigningMethodPS384, rs},
		{jwt.SigningMethodPS512, rs},
		{jwt.SigningMethodES256, ec(elliptic.P256())},
		{jwt.SigningMethodES384, ec(elliptic.P384())},
		{jwt.SigningMethodES512, ec(elliptic.P521())},
		{jwt.SigningMethodEdDSA, pair{edKey, edOther}},
	} {
		t.Run(tt.method.Alg(), func(t *testing.T) {
			inText := KeyConfig{Algorithms: []string{tt.method.Alg()}}
			inFile := inText
			if signer, ok := tt.sign.(crypto.Signer); ok {
				inText.PublicKey = publicPEM(t, signer)
				inFile.PublicKeyFile = fileOf(t, inText.PublicKey)
			} else {
				inText.Secret = configopaque.String(secret)
				inFile.SecretFile = fileOf(t, testSecret+"\r\n")
			}
			good, bad := token(t, tt.method, tt.sign, claims), token(t, tt.method, tt.wrong, claims)
			for _, k := range []KeyConfig{inText, inFile} {
				e := started(t, withKeys(k))
				assert.Equal(t, activity.AuthVerified, tokenState(t, e, good))
				assert.Equal(t, activity.AuthFailed, tokenState(t, e, bad), "signed by another key")
				assert.Equal(t, activity.AuthFailed, tokenState(t, e, good[:len(good)-8]+"AAAAAAAA"), "another signature")
			}
		})
	}
}

func TestAllowListOfEachKey(t *testing.T) {
	pair := rsaKey(t)
	public := publicPEM(t, pair)
	curve := ecKey(t, elliptic.P384())
	sign := func(m jwt.SigningMethod, key any) string { return token(t, m, key, jwt.MapClaims{"sub": "7"}) }
	for _, tt := range []struct {
		name  string
		key   KeyConfig
		token string
		want  string
	}{
		{"secret's default", KeyConfig{Secret: testSecret}, sign(jwt.SigningMethodHS256, []byte(testSecret)), "verified"},
		{"beside the secret's default", KeyConfig{Secret: testSecret}, sign(jwt.SigningMethodHS512, []byte(testSecret)), "failed"},
		{"RSA default", KeyConfig{PublicKey: public}, sign(jwt.SigningMethodRS256, pair), "verified"},
		{"beside the RSA default", KeyConfig{PublicKey: public}, sign(jwt.SigningMethodPS256, pair), "failed"},
		{"one of two", KeyConfig{PublicKey: public, Algorithms: []string{"RS512", "PS256"}}, sign(jwt.SigningMethodPS256, pair), "verified"},
		{"none of two", KeyConfig{PublicKey: public, Algorithms: []string{"RS512", "PS256"}}, sign(jwt.SigningMethodRS256, pair), "failed"},
		{"the curve's default", KeyConfig{PublicKey: publicPEM(t, curve)}, sign(jwt.SigningMethodES384, curve), "verified"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, tokenState(t, started(t, withKeys(tt.key)), tt.token))
		})
	}
	both := started(t, withKeys(
		KeyConfig{Secret: testSecret, Algorithms: []string{"HS384"}}, KeyConfig{PublicKey: public, Algorithms: []string{"RS256"}}))
	assert.Equal(t, "verified", tokenState(t, both, sign(jwt.SigningMethodHS384, []byte(testSecret))))
	assert.Equal(t, "verified", tokenState(t, both, sign(jwt.SigningMethodRS256, pair)))
	assert.Equal(t, "failed", tokenState(t, both, sign(jwt.SigningMethodHS256, []byte(testSecret))), "one key's list opens no other key")
}

// A public key is known to everybody: a token signed with its text as an HMAC
// secret must fail, whatever form of the text the attacker takes.
func TestPublicKeyNeverVerifiesHMAC(t *testing.T) {
	for _, pair := range []crypto.Signer{rsaKey(t), ecKey(t, elliptic.P256())} {
		public := publicPEM(t, pair)
		block, _ := pem.Decode([]byte(public))
		k := KeyConfig{PublicKey: public, Algorithms: []string{"HS256"}}
		_, err := k.parse([]byte(public))
		require.ErrorContains(t, err, "HS256 does not go with", "not even when the configuration was never validated")
		e := started(t, withKeys(KeyConfig{PublicKey: public}, KeyConfig{Secret: testSecret}))
		for _, secret := range []string{public, public[:len(public)-1], string(block.Bytes)} {
			for _, m := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
				forged := token(t, m, []byte(secret), jwt.MapClaims{"sub": "eve"})
				assert.Equal(t, activity.AuthFailed, tokenState(t, e, forged))
			}
		}
	}
}

func TestIssuerAudienceAndKeyID(t *testing.T) {
	sign := func(kid any, c jwt.MapClaims) string {
		tok := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
		if kid != nil {
			tok.Header["kid"] = kid
		}
		s, err := tok.SignedString([]byte(testSecret))
		require.NoError(t, err)
		return s
	}
	e := started(t, withKeys(
		KeyConfig{ID: "a", Secret: "another secret", Issuer: "https://id", Audience: "shop"},
		KeyConfig{ID: "b", Secret: testSecret, Issuer: "https://id", Audience: "shop"}))
	for _, tt := range []struct {
		name   string
		kid    any
		claims jwt.MapClaims
		want   string
	}{
		{"both right", "b", jwt.MapClaims{"iss": "https://id", "aud": "shop"}, "verified"},
		{"one of several audiences", "b", jwt.MapClaims{"iss": "https://id", "aud": []string{"desk", "shop"}}, "verified"},
		{"no kid tries every key", nil, jwt.MapClaims{"iss": "https://id", "aud": "shop"}, "verified"},
		{"kid that is no text", 17, jwt.MapClaims{"iss": "https://id", "aud": "shop"}, "verified"},
		{"kid of the other key", "a", jwt.MapClaims{"iss": "https://id", "aud": "shop"}, "failed"},
		{"unknown kid", "c", jwt.MapClaims{"iss": "https://id", "aud": "shop"}, "failed"},
		{"wrong issuer", "b", jwt.MapClaims{"iss": "https://id/", "aud": "shop"}, "failed"},
		{"no issuer", "b", jwt.MapClaims{"aud": "shop"}, "failed"},
		{"wrong audience", "b", jwt.MapClaims{"iss": "https://id", "aud": "Shop"}, "failed"},
		{"no audience", "b", jwt.MapClaims{"iss": "https://id"}, "failed"},
		{"audience that is no text", "b", jwt.MapClaims{"iss": "https://id", "aud": 7}, "failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.claims["sub"] = "7"
			got := one(t, e, logsOf(request1(), authorization("Bearer "+sign(tt.kid, tt.claims))))
			assert.Equal(t, tt.want, got.AuthVerified)
			if tt.want == activity.AuthVerified {
				assert.Equal(t, "https://id", got.AuthIssuer)
				assert.Equal(t, "b", got.AuthKeyID)
			} else {
				assert.Empty(t, got.AuthIssuer+got.AuthKeyID)
			}
		})
	}
}

// A key that cannot work stops the start, with the key's place.
func TestBrokenKeysStopTheStart(t *testing.T) {
	public := publicPEM(t, ecKey(t, elliptic.P256()))
	for _, tt := range []struct {
		name string
		key  KeyConfig
		want string
	}{
		{"no such secret", KeyConfig{SecretFile: filepath.Join(t.TempDir(), "none")}, "secret_file"},
		{"empty secret", KeyConfig{SecretFile: fileOf(t, "\n")}, "is empty"},
		{"public key as secret", KeyConfig{SecretFile: fileOf(t, public)}, "public_key_file"},
		{"no such key", KeyConfig{PublicKeyFile: filepath.Join(t.TempDir(), "none")}, "public_key_file"},
		{"no PEM", KeyConfig{PublicKey: "abc"}, "neither an RSA, an EC nor an Ed25519 public key"},
		{"EC key for RS", KeyConfig{PublicKey: public, Algorithms: []string{"RS256"}}, "RS256 does not go with"},
		{"P-256 for ES384", KeyConfig{PublicKey: public, Algorithms: []string{"ES256", "ES384"}}, "ES384 does not go with"},
		{"P-224", KeyConfig{PublicKey: publicPEM(t, ecKey(t, elliptic.P224()))}, "curve"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			cfg.GeoIP.DataDir = t.TempDir()
			cfg.JWT.Keys = []KeyConfig{{}, tt.key}
			require.NoError(t, cfg.Validate())
			e, err := newEnricher(cfg, processortest.NewNopSettings(metadata.Type), time.Now)
			require.NoError(t, err)
			err = e.start(context.Background(), componenttest.NewNopHost())
			require.ErrorContains(t, err, "jwt::keys::1")
			require.ErrorContains(t, err, tt.want)
			require.NoError(t, e.shutdown(context.Background()))
		})
	}
}
