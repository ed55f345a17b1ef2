package enrichprocessor

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Config of the enrich processor.
type Config struct {
	// Foreign says what happens to log records that are no activity: drop or keep.
	Foreign string `mapstructure:"foreign"`
	// TrustUpstream keeps the fields that only this project writes: for a tier
	// behind our own collectors.
	TrustUpstream bool `mapstructure:"trust_upstream"`
	// KeepHeaders are request headers kept in extra_data.
	KeepHeaders   []string            `mapstructure:"keep_headers"`
	Tenant        TenantConfig        `mapstructure:"tenant"`
	JWT           JWTConfig           `mapstructure:"jwt"`
	ClientAddress ClientAddressConfig `mapstructure:"client_address"`
	GeoIP         GeoIPConfig         `mapstructure:"geoip"`
	Filter        FilterConfig        `mapstructure:"filter"`
	Redact        RedactConfig        `mapstructure:"redact"`
	Time          TimeConfig          `mapstructure:"time"`
	Limits        LimitsConfig        `mapstructure:"limits"`
}

// TenantConfig says whose word names the tenant.
type TenantConfig struct {
	FromEvent     bool   `mapstructure:"from_event"`
	Claim         string `mapstructure:"claim"`
	AuthAttribute string `mapstructure:"auth_attribute"`
}

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

// ClientAddressConfig names the proxies whose forwarding headers count.
type ClientAddressConfig struct {
	TrustedProxies []string `mapstructure:"trusted_proxies"`
}

// GeoIPConfig names the City database.
type GeoIPConfig struct {
	Path    string `mapstructure:"path"`
	DataDir string `mapstructure:"data_dir"`
}

// FilterConfig drops events on purpose.
type FilterConfig struct {
	ExcludeURLs      []string `mapstructure:"exclude_urls"`
	ExcludeURLsExtra []string `mapstructure:"exclude_urls_extra"`
	IncludeURLs      []string `mapstructure:"include_urls"`
	WatchKinds       []string `mapstructure:"watch_kinds"`
}

// RedactConfig masks secrets.
type RedactConfig struct {
	Session string   `mapstructure:"session"` // hash, keep
	Keys    []string `mapstructure:"keys"`
}

// TimeConfig bounds the datetime of an event.
type TimeConfig struct {
	MaxFuture time.Duration `mapstructure:"max_future"`
	MaxAge    time.Duration `mapstructure:"max_age"`
}

// LimitsConfig bounds the large texts, in bytes.
type LimitsConfig struct {
	Message   int `mapstructure:"message"`
	Traceback int `mapstructure:"traceback"`
	Snapshot  int `mapstructure:"snapshot"`
	Changes   int `mapstructure:"changes"`
	ExtraData int `mapstructure:"extra_data"`
}

const (
	foreignDrop    = "drop"
	foreignKeep    = "keep"
	verifyRequired = "required"
	verifyOptional = "optional"
	verifyOff      = "off"
	sessionHash    = "hash"
	sessionKeep    = "keep"
	tenYears       = 10 * 365 * 24 * time.Hour

	// minJSONLimit is room for the size and digest that replace a cut JSON text.
	minJSONLimit = 128
)

func createDefaultConfig() component.Config {
	l := activity.DefaultLimits()
	return &Config{
		Foreign: foreignDrop,
		Tenant:  TenantConfig{FromEvent: true},
		JWT: JWTConfig{
			Verify: verifyOptional, MaxEventAge: 15 * time.Minute, MaxTokenSize: 16 << 10, CacheSize: 4096,
		},
		GeoIP: GeoIPConfig{DataDir: "./data"},
		Filter: FilterConfig{
			ExcludeURLs: []string{`^/admin/`, `^/static/`, `^/favicon\.ico$`, `^/health/`, `^/metrics/`},
			WatchKinds:  []string{"crud", "login", "request", "cors", "system"},
		},
		Redact: RedactConfig{Session: sessionHash},
		Time:   TimeConfig{MaxFuture: 5 * time.Minute, MaxAge: tenYears},
		Limits: LimitsConfig(l),
	}
}

// Validate joins every problem and names the key.
func (c *Config) Validate() error {
	var errs []error
	oneOf := func(key, value string, words ...string) {
		for _, w := range words {
			if value == w {
				return
			}
		}
		errs = append(errs, fmt.Errorf("%s: %q is not one of %q", key, value, words))
	}
	atLeast := func(key string, n, minimum int64) {
		if n < minimum {
			errs = append(errs, fmt.Errorf("%s: must be at least %d, is %d", key, minimum, n))
		}
	}
	oneOf("foreign", c.Foreign, foreignDrop, foreignKeep)
	oneOf("jwt::verify", c.JWT.Verify, verifyRequired, verifyOptional, verifyOff)
	oneOf("redact::session", c.Redact.Session, sessionHash, sessionKeep)
	atLeast("jwt::max_token_size", int64(c.JWT.MaxTokenSize), 1)
	atLeast("jwt::cache_size", int64(c.JWT.CacheSize), 1)
	atLeast("time::max_age", int64(c.Time.MaxAge), 1)
	atLeast("limits::message", int64(c.Limits.Message), 1)
	atLeast("limits::traceback", int64(c.Limits.Traceback), 1)
	atLeast("limits::snapshot", int64(c.Limits.Snapshot), minJSONLimit)
	atLeast("limits::changes", int64(c.Limits.Changes), minJSONLimit)
	atLeast("limits::extra_data", int64(c.Limits.ExtraData), minJSONLimit)
	if c.JWT.MaxEventAge < 0 {
		errs = append(errs, errors.New("jwt::max_event_age: must not be negative"))
	}
	if c.Time.MaxFuture < 0 {
		errs = append(errs, errors.New("time::max_future: must not be negative"))
	}
	keys := 0
	for i := range c.JWT.Keys {
		if c.JWT.Keys[i].empty() {
			continue
		}
		keys++
		if err := c.JWT.Keys[i].validate(); err != nil {
			errs = append(errs, fmt.Errorf("jwt::keys::%d: %w", i, err))
		}
	}
	if c.JWT.Verify == verifyRequired && keys == 0 {
		errs = append(errs, errors.New("jwt::keys: verify is required but there is no key; add a secret or a public key"))
	}
	if c.Tenant.Claim != "" && (keys == 0 || c.JWT.Verify == verifyOff) {
		errs = append(errs, errors.New("tenant::claim: only verified tokens give a tenant; add a key to jwt::keys and do not turn jwt::verify off"))
	}
	for i, p := range c.ClientAddress.TrustedProxies {
		if _, err := parsePrefix(p); err != nil {
			errs = append(errs, fmt.Errorf("client_address::trusted_proxies::%d: %w", i, err))
		}
	}
	for _, list := range []struct {
		key      string
		patterns []string
	}{
		{"filter::exclude_urls", c.Filter.ExcludeURLs},
		{"filter::exclude_urls_extra", c.Filter.ExcludeURLsExtra},
		{"filter::include_urls", c.Filter.IncludeURLs},
	} {
		for i, p := range list.patterns {
			if _, err := regexp.Compile(p); err != nil {
				errs = append(errs, fmt.Errorf("%s::%d: %w", list.key, i, err))
			}
		}
	}
	for i, w := range c.Filter.WatchKinds {
		if _, ok := activity.ParseKind(w); !ok {
			errs = append(errs, fmt.Errorf("filter::watch_kinds::%d: %q is no kind of event", i, w))
		}
	}
	return errors.Join(errs...)
}

// parsePrefix takes a CIDR or a single address.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is neither a CIDR nor an address: %w", s, err)
	}
	return p.Masked(), nil
}
