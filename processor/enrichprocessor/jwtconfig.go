package enrichprocessor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
)

// JWTConfig says how tokens of the reported requests are found and judged.
type JWTConfig struct {
	Verify       string        `mapstructure:"verify"` // required, optional, off
	Keys         []KeyConfig   `mapstructure:"keys"`
	Leeway       time.Duration `mapstructure:"leeway"`
	MaxEventAge  time.Duration `mapstructure:"max_event_age"`
	MaxTokenSize int           `mapstructure:"max_token_size"` // bytes
	CacheSize    int           `mapstructure:"cache_size"`     // tokens
	// HeaderPrefixes are the words before a token in the Authorization header.
	HeaderPrefixes []string     `mapstructure:"header_prefixes"`
	Cookie         string       `mapstructure:"cookie"`
	Claims         ClaimsConfig `mapstructure:"claims"`
}

// ClaimsConfig names where a token says what: lists of paths (see claimAt),
// the first that gives something counts.
type ClaimsConfig struct {
	UserID   []string `mapstructure:"user_id"`
	Username []string `mapstructure:"username"`
	Email    []string `mapstructure:"email"`
	Roles    []string `mapstructure:"roles"`
	Session  []string `mapstructure:"session"`
}

// KeyConfig is one verification key, or one set of them. An entry with no key
// material is no key, so that it can be steered by an environment variable that
// may be empty.
type KeyConfig struct {
	ID            string              `mapstructure:"id"`
	Algorithms    []string            `mapstructure:"algorithms"`
	Issuer        string              `mapstructure:"issuer"`
	Audience      string              `mapstructure:"audience"`
	Secret        configopaque.String `mapstructure:"secret"`
	SecretFile    string              `mapstructure:"secret_file"`
	PublicKey     string              `mapstructure:"public_key"`
	PublicKeyFile string              `mapstructure:"public_key_file"`
	JWKSFile      string              `mapstructure:"jwks_file"`
	JWKSURL       string              `mapstructure:"jwks_url"`
	// JWKSAllowHTTP lets jwks_url be clear text on another machine.
	JWKSAllowHTTP bool `mapstructure:"jwks_allow_http"`
	// RefreshInterval is the pause between two readings of a file or URL, 0 for
	// the default of either.
	RefreshInterval time.Duration `mapstructure:"refresh_interval"`
}

const (
	verifyRequired = "required"
	verifyOptional = "optional"
	verifyOff      = "off"

	defaultFileRefresh = 10 * time.Second
	defaultURLRefresh  = 15 * time.Minute
	minRefresh         = time.Second

	maxPathDots = 16
)

func defaultJWT() JWTConfig {
	return JWTConfig{
		Verify: verifyOptional, MaxEventAge: 15 * time.Minute, MaxTokenSize: 16 << 10, CacheSize: 4096,
		HeaderPrefixes: []string{"Bearer", "JWT"},
		Claims: ClaimsConfig{
			UserID:   []string{"user_id", "sub", "pk", "id"},
			Username: []string{"username", "preferred_username", "upn", "unique_name"},
			Email:    []string{"email"},
			Roles:    []string{"roles", "realm_access.roles", "groups"},
			Session:  []string{"sid", "jti"},
		},
	}
}

func (c *JWTConfig) validate(p *problems) {
	p.oneOf("jwt::verify", c.Verify, verifyRequired, verifyOptional, verifyOff)
	p.atLeast("jwt::leeway", int64(c.Leeway), 0)
	p.atLeast("jwt::max_event_age", int64(c.MaxEventAge), 0)
	p.atLeast("jwt::max_token_size", int64(c.MaxTokenSize), 1)
	p.atLeast("jwt::cache_size", int64(c.CacheSize), 1)
	for i, prefix := range c.HeaderPrefixes {
		if prefix == "" || strings.ContainsAny(prefix, " \t,") {
			p.add(fmt.Sprintf("jwt::header_prefixes::%d", i), fmt.Errorf("%q is not one word", prefix))
		}
	}
	if strings.ContainsAny(c.Cookie, "=;, \t") {
		p.add("jwt::cookie", fmt.Errorf("%q is no name of a cookie", c.Cookie))
	}
	c.Claims.validate(p)
	for i := range c.Keys {
		if !c.Keys[i].empty() {
			p.add(fmt.Sprintf("jwt::keys::%d", i), c.Keys[i].validate())
		}
	}
	if c.Verify == verifyRequired && !c.verifies() {
		p.add("jwt::keys", errors.New("verify is required but there is no key; add a secret, a public key or a key set"))
	}
}

func (c *ClaimsConfig) validate(p *problems) {
	for name, paths := range map[string][]string{
		"user_id": c.UserID, "username": c.Username, "email": c.Email, "roles": c.Roles, "session": c.Session,
	} {
		for i, path := range paths {
			p.add(fmt.Sprintf("jwt::claims::%s::%d", name, i), checkPath(path))
		}
	}
}

func checkPath(path string) error {
	if path == "" || strings.Count(path, ".") > maxPathDots {
		return fmt.Errorf("%q is no path of a claim: want names joined by at most %d dots", path, maxPathDots)
	}
	return nil
}

// verifies reports whether any token can be found to be genuine.
func (c *JWTConfig) verifies() bool {
	for i := range c.Keys {
		if !c.Keys[i].empty() {
			return c.Verify != verifyOff
		}
	}
	return false
}
