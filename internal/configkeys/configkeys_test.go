package configkeys

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

type inner struct {
	Endpoint string `mapstructure:"endpoint,omitempty"`
}

type outer struct {
	Server inner  `mapstructure:",squash"`
	Own    string `mapstructure:"own"`
	Hidden string `mapstructure:"-"`
	Nested inner  `mapstructure:"nested"`
	_      struct{}
}

func TestCheckNamesUnknownKeys(t *testing.T) {
	f := func(keys []string, unknown string) {
		t.Helper()
		m := map[string]any{}
		for _, k := range keys {
			m[k] = 1
		}
		err := Check[outer](confmap.NewFromStringMap(m))
		if unknown == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, "no such key: "+unknown+";")
	}
	f(nil, "")
	f([]string{"endpoint", "own", "nested"}, "")
	f([]string{"own", "zzz", "endpiont"}, "endpiont, zzz")
	f([]string{"Hidden"}, "Hidden")
}
