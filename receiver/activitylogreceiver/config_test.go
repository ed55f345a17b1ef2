package activitylogreceiver

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/activitylog/otelcol-activitylog/internal/configkeys"
	"github.com/activitylog/otelcol-activitylog/receiver/activitylogreceiver/internal/metadata"
)

// load reads the receiver's section of testdata/config.yaml over the defaults.
func load(t *testing.T, name string) (*Config, error) {
	t.Helper()
	file, err := confmaptest.LoadConf("testdata/config.yaml")
	require.NoError(t, err)
	id := component.NewIDWithName(metadata.Type, name)
	section, ok := file.ToStringMap()[id.String()]
	require.True(t, ok, "no section %s", id)
	conf := confmap.New()
	if section != nil {
		conf = confmap.NewFromStringMap(section.(map[string]any))
	}
	cfg := NewFactory().CreateDefaultConfig().(*Config)
	return cfg, conf.Unmarshal(cfg)
}

func TestDefaultsAreValid(t *testing.T) {
	cfg, err := load(t, "")
	require.NoError(t, err)
	require.Equal(t, createDefaultConfig(), cfg)
	require.NoError(t, cfg.Validate())
	require.Equal(t, "127.0.0.1:4319", cfg.Server.NetAddr.Endpoint)
	require.Equal(t, 30*time.Second, cfg.Server.ReadTimeout)
	require.Equal(t, int64(20<<20), cfg.Server.MaxRequestBodySize)
}

func TestEveryKeyIsRead(t *testing.T) {
	cfg, err := load(t, "all")
	require.NoError(t, err)
	require.NoError(t, cfg.Validate())
	require.Equal(t, 202, cfg.SuccessStatus)
	require.Equal(t, 8, cfg.MaxConcurrentRequests)
	require.Equal(t, time.Minute, cfg.MaxFuture)
	require.Equal(t, 720*time.Hour, cfg.MaxAge)
	s := cfg.Server
	require.Equal(t, "0.0.0.0:9319", s.NetAddr.Endpoint)
	require.Equal(t, int64(1<<20), s.MaxRequestBodySize)
	require.Equal(t, []time.Duration{5 * time.Second, 2 * time.Second, 20 * time.Second},
		[]time.Duration{s.ReadTimeout, s.ReadHeaderTimeout, s.WriteTimeout})
	require.True(t, s.IncludeMetadata)
	require.Equal(t, "bearertokenauth", s.Auth.Get().Config.AuthenticatorID.String())
	require.Equal(t, []string{"https://shop.example"}, s.CORS.Get().AllowedOrigins)
	require.Equal(t, "server.crt", s.TLS.Get().CertFile)
}

func TestValidate(t *testing.T) {
	for name, want := range map[string][]string{
		"mutual_tls":      nil,
		"open":            nil,
		"unix":            nil,
		"reachable":       {"allow_unauthenticated"},
		"tls_asks_nobody": {"allow_unauthenticated"},
		"too_much":        {"max_request_body_size x max_concurrent_requests"},
		"everything_wrong": {
			"endpoint", "success_status", "max_request_body_size", "max_concurrent_requests", "max_future",
			"max_age", "read_timeout", "compression_algorithms",
		},
	} {
		cfg, err := load(t, name)
		require.NoError(t, err, name)
		err = cfg.Validate()
		if want == nil {
			require.NoError(t, err, name)
		}
		for _, key := range want {
			require.ErrorContains(t, err, key, name)
		}
	}
}

func TestMisspeltKeysAreNamed(t *testing.T) {
	_, err := load(t, "misspelt")
	require.ErrorContains(t, err, "allow_unauthentic, max_concurrent_request")
}

func TestTheReadmeListsEveryKey(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	keys := strings.Split(string(readme), "`")
	unlisted := []string{"idle_timeout", "keep_alives_enabled", "dialer"} // deprecated, and of no use to a server
	for _, key := range configkeys.Of[Config]() {
		if !slices.Contains(unlisted, key) {
			assert.Contains(t, keys, key)
		}
	}
}
