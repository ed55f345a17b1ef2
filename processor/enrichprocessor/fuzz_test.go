package enrichprocessor

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// FuzzRecord sends hostile texts through everything that parses one.
func FuzzRecord(f *testing.F) {
	f.Add("Bearer a.b.c", "1.2.3.4, [::1%eth0]:80", `{"a":[{"b":1}]}`, `{"password":null}`, "/x?token=%zz&a")
	f.Add("JWT eyJhbGciOiJub25lIn0.e30.", `for="[", unknown`, "{\"a\":\"\\", "null", "https://h?x")
	f.Add("bearer ", "::ffff:1.2.3.4:5", "[[[[", "\x00\xff", "?;&==&password=1;x")
	e := started(f, func(c *Config) {
		withSecret(c)
		c.ClientAddress.TrustedProxies = []string{"10.0.0.0/8"}
	})
	f.Fuzz(func(t *testing.T, auth, forwarded, before, after, url string) {
		ev := request1()
		ev.URL, ev.ExtraData = url, before
		got, err := e.process(t.Context(), logsOf(ev, &activitylogs.Inputs{
			Headers:     map[string][]string{"authorization": {auth}, "x-forwarded-for": {forwarded}, "sec-ch-ua": {url}},
			PeerAddress: "10.0.0.1", Before: before, After: after,
		}))
		if err != nil {
			return // filtered by its path
		}
		events, err := activitylogs.Events(got)
		require.NoError(t, err)
		require.Len(t, events, 1)
		for _, field := range []activity.Field{activity.FieldExtraData, activity.FieldObjectJSONRepr, activity.FieldChangedFields} {
			if text := *events[0].Text(field); text != "" {
				assert.True(t, json.Valid([]byte(text)), "%s is not JSON: %q", field, text)
			}
		}
		assert.NotEqual(t, activity.AuthVerified, events[0].AuthVerified)
	})
}

// FuzzToken reads hostile tokens with and without a key: nothing but a genuine
// signature is ever verified, and every other verdict has its word.
func FuzzToken(f *testing.F) {
	fixed := loadFixtures(f)
	for _, tok := range fixed.Tokens {
		f.Add(tok.Token, int64(0))
	}
	f.Add(unsigned(`{"alg":"HS256"}`, `{"sub":{"a":[]},"exp":1e400,"act":{"act":{"act":null}}}`, "x"), int64(-1))
	keyed := fixed.started(f, func(c *Config) { c.JWT.Keys, c.Tenant.Claim = fixed.keys(f), "tenant.id" })
	open := fixed.started(f, func(*Config) {})
	genuine := map[string]bool{}
	for _, tok := range fixed.Tokens {
		genuine[signedPart(tok.Token)] = true
	}
	f.Fuzz(func(t *testing.T, token string, ns int64) {
		for _, e := range []*enricher{keyed, open} {
			v := e.tokens.read(token, ns)
			require.Equal(t, v.state == activity.AuthFailed, v.reason != noFailure)
			require.Equal(t, v.state == activity.AuthFailed, v.claims == nil)
			if v.verified() {
				require.True(t, e == keyed && genuine[signedPart(token)], "a forged token is verified")
			} else if v.reason != noFailure {
				require.NotEmpty(t, failureWords[v.reason])
			}
		}
	})
}

func signedPart(token string) string {
	if i := strings.LastIndexByte(token, '.'); i >= 0 {
		return token[:i]
	}
	return token
}

// FuzzClaimPath walks hostile claims by any path of the allowed length.
func FuzzClaimPath(f *testing.F) {
	f.Add(`{"realm_access":{"roles":["a",{"b":1},null,2.5]}}`, "realm_access.roles")
	f.Add(`{"https://x.y/z":{"a.b":{"c":"d"}}}`, "https://x.y/z.a.b.c")
	f.Add(`{"a":{"a":{"a":{}}},"a.a":{"a":{}}}`, "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a")
	f.Fuzz(func(t *testing.T, text, path string) {
		var raw map[string]any
		if json.Unmarshal([]byte(text), &raw) != nil || checkPath(path) != nil {
			return
		}
		got := claimAt(raw, path)
		if direct, ok := raw[path]; ok {
			require.Equal(t, direct, got)
		}
		require.True(t, json.Valid([]byte(jsonList(texts(got)))))
	})
}

// FuzzKeySet reads hostile key sets: what comes out can only verify, with the
// algorithms of its own kind.
func FuzzKeySet(f *testing.F) {
	f.Add(string(loadFixtures(f).JWKS))
	f.Add(`{"keys":[{"kty":"oct","k":"AA"},{"kty":"EC","crv":"P-256","x":"","y":""},null,7]}`)
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parseKeySet([]byte(text), nil)
		require.Equal(t, err != nil, len(keys) == 0)
		for i := range keys {
			require.NoError(t, keys[i].check())
			for _, a := range keys[i].algorithms {
				require.False(t, strings.HasPrefix(a, "HS"), "a public key is a secret")
			}
		}
	})
}
