package enrichprocessor

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Config of the enrich processor.
type Config struct {
	// Mode is standard, or audit: then a rule that drops events stops the start.
	Mode string `mapstructure:"mode"`
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
	ClientHints   ClientHintsConfig   `mapstructure:"client_hints"`
	Filter        FilterConfig        `mapstructure:"filter"`
	Redact        RedactConfig        `mapstructure:"redact"`
	Correlation   CorrelationConfig   `mapstructure:"correlation"`
	CORS          CORSConfig          `mapstructure:"cors"`
	Time          TimeConfig          `mapstructure:"time"`
	Limits        LimitsConfig        `mapstructure:"limits"`
}

// TenantConfig says whose word names the tenant.
type TenantConfig struct {
	FromEvent     bool   `mapstructure:"from_event"`
	Claim         string `mapstructure:"claim"`
	AuthAttribute string `mapstructure:"auth_attribute"`
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
	foreignDrop = "drop"
	foreignKeep = "keep"
	tenYears    = 10 * 365 * 24 * time.Hour

	// minJSONLimit is room for the size and digest that replace a cut JSON text.
	minJSONLimit = 128
)

func createDefaultConfig() component.Config {
	return &Config{
		Mode:          modeStandard,
		Foreign:       foreignDrop,
		Tenant:        TenantConfig{FromEvent: true},
		JWT:           defaultJWT(),
		ClientAddress: defaultClientAddress(),
		GeoIP:         defaultGeoIP(),
		ClientHints:   defaultClientHints(),
		Filter:        defaultFilter(),
		Redact:        defaultRedact(),
		Correlation:   defaultCorrelation(),
		CORS:          defaultCORS(),
		Time:          TimeConfig{MaxFuture: 5 * time.Minute, MaxAge: tenYears},
		Limits:        LimitsConfig(activity.DefaultLimits()),
	}
}

// Unmarshal reads the configuration. A key that is null, as an environment
// variable that is set and empty makes it, keeps its default: decoding alone
// would set it to zero.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	for _, key := range conf.AllKeys() {
		if conf.Get(key) == nil {
			conf.Delete(key)
		}
	}
	return conf.Unmarshal(c)
}

// Validate joins every problem and names the key.
func (c *Config) Validate() error {
	var p problems
	p.oneOf("mode", c.Mode, modeStandard, modeAudit)
	p.oneOf("foreign", c.Foreign, foreignDrop, foreignKeep)
	p.atLeast("time::max_future", int64(c.Time.MaxFuture), 0)
	p.atLeast("time::max_age", int64(c.Time.MaxAge), 1)
	p.atLeast("limits::message", int64(c.Limits.Message), 1)
	p.atLeast("limits::traceback", int64(c.Limits.Traceback), 1)
	p.atLeast("limits::snapshot", int64(c.Limits.Snapshot), minJSONLimit)
	p.atLeast("limits::changes", int64(c.Limits.Changes), minJSONLimit)
	p.atLeast("limits::extra_data", int64(c.Limits.ExtraData), minJSONLimit)
	c.JWT.validate(&p)
	c.ClientAddress.validate(&p)
	c.GeoIP.validate(&p)
	c.ClientHints.validate(&p)
	c.Filter.validate(&p)
	if c.Mode == modeAudit {
		c.Filter.refuseDropping(&p)
	}
	c.Redact.validate(&p)
	c.Correlation.validate(&p)
	c.CORS.validate(&p)
	if c.Tenant.Claim != "" {
		p.add("tenant::claim", checkPath(c.Tenant.Claim))
		if !c.JWT.verifies() {
			p.add("tenant::claim", errors.New("only verified tokens give a tenant; add a key to jwt::keys and do not turn jwt::verify off"))
		}
	}
	return p.err()
}

// problems is everything that is wrong with a configuration.
type problems []error

// add names the key of a problem; none is added for a nil error.
func (p *problems) add(key string, err error) {
	if err != nil {
		*p = append(*p, fmt.Errorf("%s: %w", key, err))
	}
}

// join adds problems that name their keys already.
func (p *problems) join(err error) {
	if err != nil {
		*p = append(*p, err)
	}
}

func (p problems) err() error { return errors.Join(p...) }

func (p *problems) oneOf(key, value string, words ...string) {
	if !slices.Contains(words, value) {
		p.add(key, fmt.Errorf("%q is not one of %q", value, words))
	}
}

func (p *problems) atLeast(key string, n, minimum int64) {
	if n < minimum {
		p.add(key, fmt.Errorf("must be at least %d, is %d", minimum, n))
	}
}

// patterns checks a list of regular expressions.
func (p *problems) patterns(key string, list []string) {
	for i, expr := range list {
		_, err := regexp.Compile(expr)
		p.add(fmt.Sprintf("%s::%d", key, i), err)
	}
}
