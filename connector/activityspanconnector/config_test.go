package activityspanconnector

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

func TestConfig(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	load := func(id string) *Config {
		sub, err := conf.Sub(id)
		require.NoError(t, err)
		cfg := defaults()
		require.NoError(t, sub.Unmarshal(cfg))
		require.NoError(t, cfg.Validate())
		return cfg
	}
	assert.Equal(t, defaults(), load("activityspan"))
	all := load("activityspan/all")
	assert.Equal(t, []string{"http.flavor", "app.shop.cart"}, all.Attributes)
	assert.Equal(t, []string{"service.version"}, all.ResourceAttributes)
}

// TestValidateNamesEveryProblem: a span's word never takes the place of ours, and
// headers are kept where their names are masked.
func TestValidateNamesEveryProblem(t *testing.T) {
	cfg := &Config{
		Attributes: []string{
			"", "http.request.header.cookie", "http.response.header.set-cookie", "activity.integrity.hash", "activity.auth.verification",
			"activity.extra_data", "activity.object.before", "log.record.uid", "fine", "activity.action", "http.route",
		},
		ResourceAttributes: []string{"fine", ""},
	}
	err := cfg.Validate()
	require.Error(t, err)
	for _, want := range []string{
		"attributes::0: ", "attributes::1: ", "attributes::2: ", "attributes::3: ", "attributes::4: ", "attributes::5: ", "attributes::6: ", "attributes::7: ",
		"resource_attributes::1: ",
	} {
		require.ErrorContains(t, err, want)
	}
	for _, fine := range []string{"attributes::8", "attributes::9", "attributes::10", "resource_attributes::0"} {
		assert.NotContains(t, err.Error(), fine)
	}
}
