package integrityprocessor

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

func TestConfig(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	for name, want := range map[string]int{"integrity": 0, "integrity/workers": 4} {
		sub, err := conf.Sub(name)
		require.NoError(t, err)
		cfg := createDefaultConfig().(*Config)
		require.NoError(t, sub.Unmarshal(cfg))
		require.NoError(t, cfg.Validate())
		assert.Equal(t, want, cfg.Workers, name)
	}
}

func TestConfigWorkers(t *testing.T) {
	assert.Equal(t, runtime.GOMAXPROCS(0), (&Config{}).workers())
	assert.Equal(t, 3, (&Config{Workers: 3}).workers())
	require.NoError(t, (&Config{Workers: maxWorkers}).Validate())
	require.ErrorContains(t, (&Config{Workers: -1}).Validate(), "workers")
	require.ErrorContains(t, (&Config{Workers: maxWorkers + 1}).Validate(), "workers")
}
