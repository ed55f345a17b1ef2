package enrichprocessor

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
)

// JWTConfig says how tokens of the reported requests are judged.
type JWTConfig struct {
	Verify       string        `mapstructure:"verify"` // required, optional, off
	Keys         []KeyConfig   `mapstructure:"keys"`
	MaxEventAge  time.Duration `mapstructure:"max_event_age"`
	MaxTokenSize int           `mapstructure:"max_token_size"` // bytes
	CacheSize    int           `mapstructure:"cache_size"`     // tokens
}

// KeyConfig is one verification key. An entry with no key material is no key,
// so that it can be steered by an environment variable that may be empty.
type KeyConfig struct {
	ID            string              `mapstructure:"id"`
	Algorithms    []string            `mapstructure:"algorithms"`
	Issuer        string              `mapstructure:"issuer"`
	Audience      string              `mapstructure:"audience"`
	Secret        configopaque.String `mapstructure:"secret"`
	SecretFile    string              `mapstructure:"secret_file"`
	PublicKey     string              `mapstructure:"public_key"`
	PublicKeyFile string              `mapstructure:"public_key_file"`
}

const (
	verifyRequired = "required"
	verifyOptional = "optional"
	verifyOff      = "off"
)

func defaultJWT() JWTConfig {
	return JWTConfig{
		Verify: verifyOptional, MaxEventAge: 15 * time.Minute, MaxTokenSize: 16 << 10, CacheSize: 4096,
	}
}

func (c *JWTConfig) validate(p *problems) {
	p.oneOf("jwt::verify", c.Verify, verifyRequired, verifyOptional, verifyOff)
	p.atLeast("jwt::max_event_age", int64(c.MaxEventAge), 0)
	p.atLeast("jwt::max_token_size", int64(c.MaxTokenSize), 1)
	p.atLeast("jwt::cache_size", int64(c.CacheSize), 1)
	for i := range c.Keys {
		if !c.Keys[i].empty() {
			p.add(fmt.Sprintf("jwt::keys::%d", i), c.Keys[i].validate())
		}
	}
	if c.Verify == verifyRequired && !c.verifies() {
		p.add("jwt::keys", errors.New("verify is required but there is no key; add a secret or a public key"))
	}
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
