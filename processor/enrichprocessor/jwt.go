package enrichprocessor

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// tokenReader finds, reads and judges tokens, and remembers the last ones by
// their digest.
type tokenReader struct {
	keys     *keyStore
	parser   *jwt.Parser
	claims   claimReader
	prefixes []string
	cookie   string
	maxSize  int
	leeway   time.Duration
}

func newTokenReader(ctx context.Context, cfg *Config, logger *zap.Logger, count func(string)) (*tokenReader, error) {
	keys, err := newKeyStore(ctx, &cfg.JWT, logger, count)
	if err != nil {
		return nil, err
	}
	return &tokenReader{
		keys:     keys,
		parser:   jwt.NewParser(jwt.WithJSONNumber(), jwt.WithoutClaimsValidation()),
		claims:   claimReader{cfg.JWT.Claims, cfg.Tenant.Claim, cfg.Redact.Session == sessionHash},
		prefixes: cfg.JWT.HeaderPrefixes,
		cookie:   cfg.JWT.Cookie,
		maxSize:  cfg.JWT.MaxTokenSize,
		leeway:   cfg.JWT.Leeway,
	}, nil
}

func (t *tokenReader) close() {
	if t != nil {
		t.keys.close()
	}
}

// find gives the token of a reported request: of its Authorization header, else
// of the configured cookie; "" when there is none.
func (t *tokenReader) find(in *intake, authorization string) string {
	scheme, token, ok := strings.Cut(strings.TrimSpace(authorization), " ")
	if ok {
		for _, prefix := range t.prefixes {
			if strings.EqualFold(scheme, prefix) {
				return tokenLike(strings.TrimSpace(token))
			}
		}
	}
	if t.cookie == "" {
		return ""
	}
	return tokenLike(in.cookie(t.cookie))
}

// tokenLike passes what is a JWT or wants to be one, which begins with a JSON
// object in base64. An opaque token names nobody and is no failure.
func tokenLike(s string) string {
	if strings.Count(s, ".") == 2 || strings.HasPrefix(s, "eyJ") {
		return s
	}
	return ""
}

// read judges a token at a time in nanoseconds.
func (t *tokenReader) read(token string, ns int64) *verdict {
	v := t.verdict(token)
	for i := range v.wanted {
		v.wanted[i].ask()
	}
	if v.claims != nil {
		if reason := v.claims.at(ns, t.leeway); reason != noFailure {
			return failed[reason]
		}
	}
	return v
}

// verdict judges the signature of a token.
func (t *tokenReader) verdict(token string) *verdict {
	if len(token) > t.maxSize {
		return failed[failOversized]
	}
	ring := t.keys.ring.Load()
	sum := sha256.Sum256(unsafe.Slice(unsafe.StringData(token), len(token))) //nolint:gosec // read only, and not copied for each event
	if v, ok := ring.accepted.Get(sum); ok {
		return v
	}
	if v, ok := ring.refused.Get(sum); ok {
		return v
	}
	v := t.judge(ring, token)
	if v.state == activity.AuthFailed {
		ring.refused.Add(sum, v)
	} else {
		ring.accepted.Add(sum, v)
	}
	return v
}

func (t *tokenReader) judge(ring *keyring, token string) *verdict {
	raw := jwt.MapClaims{}
	parsed, parts, err := t.parser.ParseUnverified(token, raw)
	if err != nil {
		return failed[unreadable(parsed, err)]
	}
	alg := parsed.Method.Alg()
	if !slices.Contains(algorithms, alg) {
		return failed[unreadable(parsed, jwt.ErrTokenUnverifiable)]
	}
	if _, ok := parsed.Header["crit"]; ok { // extensions that are not understood (RFC 7515 section 4.1.11)
		return failed[failAlgorithm]
	}
	c, err := t.claims.read(raw)
	if err != nil {
		return failed[failMalformed]
	}
	kid, _ := parsed.Header["kid"].(string)
	if len(ring.entries) == 0 {
		c.keyID = kid
		return &verdict{state: activity.AuthUnverified, claims: c}
	}
	s := signature{
		method: parsed.Method, alg: alg, kid: kid, issuer: c.issuer, value: parsed.Signature,
		signed: token[:len(token)-len(parts[2])-1],
	}
	worst := &verdict{state: activity.AuthFailed}
	for i := range ring.entries {
		e := &ring.entries[i]
		k, reason := e.verify(&s)
		if k != nil && e.audience != "" && !hasAudience(raw, e.audience) {
			reason = failWrongAudience
		}
		if reason == noFailure {
			if c.keyID = k.id; c.keyID == "" {
				c.keyID = kid
			}
			return &verdict{state: activity.AuthVerified, claims: c}
		}
		worst.reason = max(worst.reason, reason)
		if e.wanted != nil && (reason == failUnknownKey || reason == failKeysUnavailable) {
			worst.wanted = append(worst.wanted, e)
		}
	}
	return worst
}

// unreadable says why a token could not be parsed.
func unreadable(parsed *jwt.Token, err error) failure {
	if parsed == nil || !errors.Is(err, jwt.ErrTokenUnverifiable) {
		return failMalformed
	}
	switch alg, ok := parsed.Header["alg"].(string); {
	case !ok:
		return failMalformed
	case strings.EqualFold(alg, "none"):
		return failNone
	}
	return failAlgorithm
}

// signature is what is verified of a token.
type signature struct {
	method                   jwt.SigningMethod
	alg, kid, issuer, signed string
	value                    []byte
}

// verify gives the key that made the signature, or how far the token came.
func (e *entry) verify(s *signature) (*key, failure) {
	switch {
	case e.issuer != "" && e.issuer != s.issuer:
		return nil, failWrongIssuer
	case !e.loaded:
		return nil, failKeysUnavailable
	}
	worst := noFailure
	for i := range e.keys {
		k := &e.keys[i]
		switch {
		case k.id != "" && s.kid != "" && k.id != s.kid:
			worst = max(worst, failUnknownKey)
		case !slices.Contains(k.algorithms, s.alg):
			worst = max(worst, k.refusal(s))
		case s.method.Verify(s.signed, s.value, k.material) == nil:
			return k, noFailure
		default:
			worst = max(worst, failForged)
		}
	}
	return nil, worst
}

// refusal says why a key does not take the algorithm of a token. HMAC for a
// public key is how a public key is tried as a secret.
func (k *key) refusal(s *signature) failure {
	_, secret := k.material.([]byte)
	switch {
	case !secret && strings.HasPrefix(s.alg, "HS"):
		if k.id != "" && k.id == s.kid {
			return failKeyConfusion
		}
		return failConfusion
	case !fits(s.alg, k.material):
		return failOtherKind
	}
	return failAlgorithm
}

func hasAudience(raw jwt.MapClaims, want string) bool {
	aud, err := raw.GetAudience()
	return err == nil && slices.Contains(aud, want)
}
