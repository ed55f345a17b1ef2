package enrichprocessor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfigNamesEveryProblem(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	require.NoError(t, cfg.Validate())
	cfg.Foreign = "store"
	cfg.JWT.Verify = verifyRequired
	cfg.JWT.Keys = []KeyConfig{{}, {PublicKey: "x", Algorithms: []string{"HS256", "none"}}, {Secret: "a", SecretFile: "b"}}
	cfg.Tenant.Claim = "tenant"
	cfg.ClientAddress.TrustedProxies = []string{"10.0.0.0/33"}
	cfg.Filter.IncludeURLs = []string{"("}
	cfg.Filter.WatchKinds = []string{"video"}
	cfg.Limits.ExtraData = 0
	err := cfg.Validate()
	for _, key := range []string{
		"foreign", "jwt::keys::1: algorithms: HS256", "algorithms: \"none\"", "jwt::keys::2: give exactly one",
		"client_address::trusted_proxies::0", "filter::include_urls::0", "filter::watch_kinds::0", "limits::extra_data",
	} {
		require.ErrorContains(t, err, key)
	}
	cfg.JWT.Keys = nil
	require.ErrorContains(t, cfg.Validate(), "verify is required but there is no key")
	require.ErrorContains(t, cfg.Validate(), "tenant::claim")
}

func TestPublicKeyIsNoSecret(t *testing.T) {
	k := KeyConfig{Secret: "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"}
	_, err := k.parse([]byte(k.Secret))
	require.ErrorContains(t, err, "public_key")
}
