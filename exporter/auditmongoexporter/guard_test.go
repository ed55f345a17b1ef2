package auditmongoexporter

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/configguard"
)

// TestGuardAcceptsFilledInDefaults: the collector hands extensions the
// configuration with defaults filled in, where an absent queue is a null.
func TestGuardAcceptsFilledInDefaults(t *testing.T) {
	f := func(m map[string]any) []configguard.Finding {
		t.Helper()
		conf := confmap.New()
		require.NoError(t, conf.Marshal(map[string]any{
			"exporters":  map[string]any{"auditmongo": load(t, withDSN(m))},
			"extensions": map[string]any{"file_storage": map[string]any{"fsync": true}},
			"service": map[string]any{
				"extensions": []string{"file_storage"},
				"pipelines":  map[string]any{"logs": map[string]any{"processors": []string{"enrich"}, "exporters": []string{"auditmongo"}}},
			},
		}))
		return configguard.Check(conf.ToStringMap())
	}
	assert.Empty(t, f(nil))
	assert.Empty(t, f(map[string]any{"sending_queue": map[string]any{"storage": "file_storage"}}))
	assert.Len(t, f(map[string]any{"sending_queue": map[string]any{}}), 1, "no storage")
}
