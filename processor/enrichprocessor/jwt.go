package enrichprocessor

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// claims are what a token says, as far as it is looked at.
type claims struct {
	userID, username, email, roles string
	actor                          string // act: who acts on the user's behalf
	issuer, keyID, tenant          string
	expires, notBefore             float64 // Unix seconds, infinite for none
}

// verdict is what is known of a token. It holds for the signature; the times
// are judged for each event.
type verdict struct {
	state  string // an AuthVerified word
	claims claims
}

func (v *verdict) verified() bool { return v != nil && v.state == activity.AuthVerified }

var failed = &verdict{state: activity.AuthFailed}

// tokenReader reads tokens and remembers the last ones by their digest.
type tokenReader struct {
	keys    []key
	parser  *jwt.Parser
	cache   *lru.Cache[[32]byte, *verdict]
	maxSize int
	tenant  string
}

func newTokenReader(cfg *JWTConfig, tenantClaim string) (*tokenReader, error) {
	t := &tokenReader{
		parser:  jwt.NewParser(jwt.WithJSONNumber(), jwt.WithoutClaimsValidation()),
		maxSize: cfg.MaxTokenSize,
	}
	var err error
	t.tenant = tenantClaim
	if t.keys, err = loadKeys(cfg.Keys); err != nil {
		return nil, err
	}
	if t.cache, err = lru.New[[32]byte, *verdict](cfg.CacheSize); err != nil {
		return nil, fmt.Errorf("enrich: create token cache: %w", err)
	}
	return t, nil
}

// bearer gives the token of an Authorization header, "" when it holds none.
func bearer(value string) string {
	scheme, token, ok := strings.Cut(strings.TrimSpace(value), " ")
	if !ok || (!strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "JWT")) {
		return ""
	}
	token = strings.TrimSpace(token)
	if strings.Count(token, ".") != 2 {
		return "" // an opaque token names nobody
	}
	return token
}

// read judges the signature of a token.
func (t *tokenReader) read(token string) *verdict {
	if len(token) > t.maxSize {
		return failed
	}
	sum := sha256.Sum256([]byte(token))
	if v, ok := t.cache.Get(sum); ok {
		return v
	}
	v, err := t.judge(token)
	if err != nil {
		v = failed
	}
	t.cache.Add(sum, v)
	return v
}

func (t *tokenReader) judge(token string) (*verdict, error) {
	raw := jwt.MapClaims{}
	parsed, parts, err := t.parser.ParseUnverified(token, raw)
	if err != nil {
		return nil, fmt.Errorf("parse token: %w", err)
	}
	alg := parsed.Method.Alg()
	if !slices.Contains(algorithms, alg) {
		return nil, errors.New("algorithm is never accepted")
	}
	if _, ok := parsed.Header["crit"]; ok {
		return nil, errors.New("token asks for extensions that are not understood")
	}
	c, err := t.readClaims(raw)
	if err != nil {
		return nil, err
	}
	kid, _ := parsed.Header["kid"].(string)
	if len(t.keys) == 0 {
		c.keyID = kid
		return &verdict{state: activity.AuthUnverified, claims: c}, nil
	}
	signature, err := t.parser.DecodeSegment(parts[2])
	if err != nil {
		return nil, fmt.Errorf("decode signature: %w", err)
	}
	signed := token[:len(token)-len(parts[2])-1]
	for i := range t.keys {
		k := &t.keys[i]
		if !slices.Contains(k.algorithms, alg) || (k.id != "" && kid != "" && k.id != kid) ||
			(k.issuer != "" && k.issuer != c.issuer) || (k.audience != "" && !hasAudience(raw, k.audience)) {
			continue
		}
		if parsed.Method.Verify(signed, signature, k.material) == nil {
			if c.keyID = k.id; c.keyID == "" {
				c.keyID = kid
			}
			return &verdict{state: activity.AuthVerified, claims: c}, nil
		}
	}
	return nil, errors.New("no key verifies the token")
}

func hasAudience(raw jwt.MapClaims, want string) bool {
	aud, err := raw.GetAudience()
	return err == nil && slices.Contains(aud, want)
}

func (t *tokenReader) readClaims(raw jwt.MapClaims) (claims, error) {
	c := claims{
		userID:   subject(raw),
		username: firstText(raw, "username", "preferred_username"),
		email:    text(raw["email"]),
		roles:    roles(raw["roles"]),
		issuer:   text(raw["iss"]),
	}
	if act, ok := raw["act"].(map[string]any); ok {
		c.actor = subject(act)
	}
	if t.tenant != "" {
		c.tenant = text(raw[t.tenant])
	}
	var err error
	if c.expires, err = seconds(raw["exp"], math.Inf(1)); err != nil {
		return c, fmt.Errorf("exp: %w", err)
	}
	c.notBefore, err = seconds(raw["nbf"], math.Inf(-1))
	if err != nil {
		return c, fmt.Errorf("nbf: %w", err)
	}
	return c, nil
}

func subject(raw map[string]any) string { return firstText(raw, "user_id", "sub", "pk", "id") }

func firstText(raw map[string]any, names ...string) string {
	for _, n := range names {
		if s := text(raw[n]); s != "" {
			return s
		}
	}
	return ""
}

// text gives a text or number as text; whole numbers in canonical form.
func text(v any) string {
	switch t := v.(type) {
	case string:
		return t
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
		if n, err := strconv.ParseUint(t.String(), 10, 64); err == nil {
			return strconv.FormatUint(n, 10)
		}
		if f, err := t.Float64(); err == nil && f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
			return strconv.FormatInt(int64(f), 10)
		}
		return t.String()
	}
	return ""
}

func roles(v any) string {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return ""
	}
	b := []byte{'['}
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, text(item))
	}
	return string(bytes.Clone(append(b, ']')))
}

func seconds(v any, absent float64) (float64, error) {
	if v == nil {
		return absent, nil
	}
	n, ok := v.(json.Number)
	if !ok {
		return 0, errors.New("is no number")
	}
	return n.Float64()
}

// current reports whether the token was valid at a time.
func (c *claims) current(ns int64) bool {
	at := float64(ns) / float64(time.Second)
	return at < c.expires && at >= c.notBefore
}
