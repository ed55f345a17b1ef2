package enrichprocessor

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// A JSON text over its limit is replaced by a note of its size and digest; a
// limit below the length of the note could not be kept.
func TestLimitsAreValidated(t *testing.T) {
	for _, tt := range []struct {
		key     string
		limit   func(*LimitsConfig) *int
		minimum int
	}{
		{"limits::message", func(l *LimitsConfig) *int { return &l.Message }, 1},
		{"limits::traceback", func(l *LimitsConfig) *int { return &l.Traceback }, 1},
		{"limits::snapshot", func(l *LimitsConfig) *int { return &l.Snapshot }, 128},
		{"limits::changes", func(l *LimitsConfig) *int { return &l.Changes }, 128},
		{"limits::extra_data", func(l *LimitsConfig) *int { return &l.ExtraData }, 128},
	} {
		for n, valid := range map[int]bool{-1: false, 0: false, tt.minimum - 1: false, tt.minimum: true, 1 << 20: true} {
			t.Run(tt.key+" "+strconv.Itoa(n), func(t *testing.T) {
				cfg := createDefaultConfig().(*Config)
				*tt.limit(&cfg.Limits) = n
				if valid {
					require.NoError(t, cfg.Validate())
				} else {
					require.ErrorContains(t, cfg.Validate(), tt.key+": must be")
				}
			})
		}
	}
}

func TestNumbersAreValidated(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"jwt::max_token_size": func(c *Config) { c.JWT.MaxTokenSize = 0 },
		"jwt::cache_size":     func(c *Config) { c.JWT.CacheSize = -1 },
		"jwt::max_event_age":  func(c *Config) { c.JWT.MaxEventAge = -1 },
		"time::max_future":    func(c *Config) { c.Time.MaxFuture = -1 },
		"time::max_age":       func(c *Config) { c.Time.MaxAge = 0 },
		"redact::session":     func(c *Config) { c.Redact.Session = "plain" },
		"jwt::verify":         func(c *Config) { c.JWT.Verify = "" },
		"tenant::claim": func(c *Config) {
			withSecret(c)
			c.JWT.Verify, c.Tenant.Claim = verifyOff, "org" // no token is ever read
		},
		"filter::exclude_urls::0":       func(c *Config) { c.Filter.ExcludeURLs = []string{"["} },
		"filter::exclude_urls_extra::1": func(c *Config) { c.Filter.ExcludeURLsExtra = []string{"a", "*"} },
	} {
		t.Run(key, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			change(cfg)
			require.ErrorContains(t, cfg.Validate(), key+":")
		})
	}
	cfg := createDefaultConfig().(*Config)
	cfg.JWT.MaxEventAge, cfg.Time.MaxFuture = 0, 0
	require.NoError(t, cfg.Validate(), "none is a choice")
}

func TestKeysOfTheConfiguration(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"foreign": "keep", "trust_upstream": true, "keep_headers": []any{"x-request-id"},
		"tenant": map[string]any{"from_event": false, "claim": "org", "auth_attribute": "tenants"},
		"jwt": map[string]any{
			"verify": "required", "max_event_age": "1m", "max_token_size": 1000, "cache_size": 10, "leeway": "30s",
			"header_prefixes": []any{"Token"}, "cookie": "access",
			"claims": map[string]any{
				"user_id": []any{"oid"}, "username": []any{"n"}, "email": []any{"e"}, "roles": []any{"r"}, "session": nil,
			},
			"keys": []any{
				map[string]any{"id": "a", "secret": "hush", "algorithms": []any{"HS512"}, "issuer": "i", "audience": "u"},
				map[string]any{"secret_file": "s"},
				map[string]any{"public_key": "p"},
				map[string]any{"public_key_file": "f"},
				map[string]any{"jwks_file": "j", "refresh_interval": "2s"},
				map[string]any{"jwks_url": "http://id/keys", "jwks_allow_http": true},
			},
		},
		"client_address": map[string]any{
			"trusted_proxies": []any{"10.0.0.0/8", "::1", "unix"}, "headers": []any{"cf-connecting-ip"},
			"anonymize": "hmac-sha256", "anonymize_ipv4_prefix": 16, "anonymize_ipv6_prefix": 32, "anonymize_key": "hush of sixteen bytes",
		},
		"geoip":        map[string]any{"path": "p", "data_dir": "d", "asn_path": "a", "language": "pt-BR", "cache_size": 7, "reload_interval": "1s"},
		"client_hints": map[string]any{"browser_header": "x-b", "platform_header": "x-p", "os_header": "x-o"},
		"filter": map[string]any{
			"exclude_urls": []any{"a"}, "exclude_urls_extra": []any{"b"}, "include_urls": []any{"c"}, "watch_kinds": []any{"crud"},
			"exclude_models": []any{"a.b"}, "exclude_models_extra": []any{"c.*"}, "include_models": []any{"c.d"},
			"skip_unchanged": true, "drop": []any{"true"}, "keep": []any{"false"}, "dry_run": true,
		},
		"correlation": map[string]any{"request_id_headers": []any{"x-r"}, "session_cookie": "c"},
		"cors":        map[string]any{"derive": false, "allowed_origins": []any{"https://a.example"}},
		"redact": map[string]any{
			"session": "keep", "keys": []any{"pin"}, "action": "hmac-sha256", "kinds": []any{"email"}, "blocked_key_patterns": []any{"^x"},
			"ignored_keys": []any{"i"}, "blocked_values": []any{"b"}, "allowed_values": []any{"a"}, "hmac_key": "sixteen bytes ok",
			"failed_usernames": "mask",
		},
		"time":   map[string]any{"max_future": "1s", "max_age": "1h"},
		"limits": map[string]any{"message": 1, "traceback": 2, "snapshot": 128, "changes": 129, "extra_data": 130},
	}).Unmarshal(cfg))
	require.NoError(t, cfg.Validate())
	assert.Equal(t, &Config{
		Mode: "standard", Foreign: "keep", TrustUpstream: true, KeepHeaders: []string{"x-request-id"},
		Tenant: TenantConfig{Claim: "org", AuthAttribute: "tenants"},
		JWT: JWTConfig{Verify: "required", MaxEventAge: time.Minute, MaxTokenSize: 1000, CacheSize: 10, Keys: []KeyConfig{
			{ID: "a", Secret: "hush", Algorithms: []string{"HS512"}, Issuer: "i", Audience: "u"},
			{SecretFile: "s"},
			{PublicKey: "p"},
			{PublicKeyFile: "f"},
			{JWKSFile: "j", RefreshInterval: 2 * time.Second},
			{JWKSURL: "http://id/keys", JWKSAllowHTTP: true},
		}, Leeway: 30 * time.Second, HeaderPrefixes: []string{"Token"}, Cookie: "access", Claims: ClaimsConfig{
			UserID: []string{"oid"}, Username: []string{"n"}, Email: []string{"e"}, Roles: []string{"r"}, Session: []string{"sid", "jti"},
		}},
		ClientAddress: ClientAddressConfig{
			TrustedProxies: []string{"10.0.0.0/8", "::1", "unix"}, Headers: []string{"cf-connecting-ip"},
			Anonymize: "hmac-sha256", AnonymizeIPv4Prefix: 16, AnonymizeIPv6Prefix: 32, AnonymizeKey: "hush of sixteen bytes",
		},
		GeoIP:       GeoIPConfig{Path: "p", DataDir: "d", ASNPath: "a", Language: "pt-BR", CacheSize: 7, ReloadInterval: time.Second},
		ClientHints: ClientHintsConfig{BrowserHeader: "x-b", PlatformHeader: "x-p", OSHeader: "x-o"},
		Filter: FilterConfig{
			ExcludeURLs: []string{"a"}, ExcludeURLsExtra: []string{"b"}, IncludeURLs: []string{"c"}, WatchKinds: []string{"crud"},
			ExcludeModels: []string{"a.b"}, ExcludeModelsExtra: []string{"c.*"}, IncludeModels: []string{"c.d"},
			SkipUnchanged: true, Drop: []string{"true"}, Keep: []string{"false"}, DryRun: true,
		},
		Correlation: CorrelationConfig{RequestIDHeaders: []string{"x-r"}, SessionCookie: "c"},
		CORS:        CORSConfig{AllowedOrigins: []string{"https://a.example"}},
		Redact: RedactConfig{
			Session: "keep", Keys: []string{"pin"}, Action: "hmac-sha256", Kinds: []string{"email"}, BlockedKeyPatterns: []string{"^x"},
			IgnoredKeys: []string{"i"}, BlockedValues: []string{"b"}, AllowedValues: []string{"a"}, HMACKey: "sixteen bytes ok",
			FailedUsernames: "mask",
		},
		Time:   TimeConfig{MaxFuture: time.Second, MaxAge: time.Hour},
		Limits: LimitsConfig{Message: 1, Traceback: 2, Snapshot: 128, Changes: 129, ExtraData: 130},
	}, cfg)
	assert.NotContains(t, cfg.JWT.Keys[0].Secret.String(), "hush", "a secret is never printed")
}
