package enrichprocessor

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// TestEmptyKeysKeepTheirDefaults: an environment variable that is set and empty
// makes its key null, and that means the default, for every key there is.
func TestEmptyKeysKeepTheirDefaults(t *testing.T) {
	for section, keys := range keysOf(reflect.TypeFor[Config]()) {
		for _, key := range keys {
			values := map[string]any{key: nil}
			if section != "" {
				values = map[string]any{section: values}
			}
			cfg := createDefaultConfig().(*Config)
			require.NoError(t, confmap.NewFromStringMap(values).Unmarshal(cfg), "%s::%s", section, key)
			assert.Equal(t, createDefaultConfig(), cfg, "%s::%s", section, key)
		}
	}
}

// keysOf gives the keys of each section, those of the top in section "".
func keysOf(config reflect.Type) map[string][]string {
	keys := map[string][]string{}
	for i := range config.NumField() {
		f := config.Field(i)
		name := f.Tag.Get("mapstructure")
		keys[""] = append(keys[""], name)
		if f.Type.Kind() != reflect.Struct {
			continue
		}
		for j := range f.Type.NumField() {
			keys[name] = append(keys[name], f.Type.Field(j).Tag.Get("mapstructure"))
		}
	}
	return keys
}
