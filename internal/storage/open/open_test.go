package open

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func chosen(driver string) Config {
	c := NewDefaultConfig()
	c.Driver = driver
	return c
}

// TestEveryDriverPrintsItsSchema: without opening anything, and with its name in the identity.
func TestEveryDriverPrintsItsSchema(t *testing.T) {
	for _, driver := range Drivers() {
		c := chosen(driver)
		var out bytes.Buffer
		require.NoError(t, Print(c, &out), driver)
		assert.Contains(t, out.String(), "activity", driver)
		assert.Contains(t, c.Identity(), driver)
	}
}

func TestEveryExporterIsRead(t *testing.T) {
	for _, kind := range Exporters() {
		c, err := FromExporter(kind, confmap.NewFromStringMap(map[string]any{"timeout": "5s", "sending_queue": nil}))
		require.NoError(t, err, kind)
		assert.Contains(t, Drivers(), c.Driver, kind)
	}
	_, err := FromExporter("debug", confmap.New())
	require.ErrorContains(t, err, "no exporter of this project")
}

func TestUnknownDriver(t *testing.T) {
	c := chosen("oracle")
	require.ErrorContains(t, confmap.Validate(&c), `driver: "oracle" is not known, the drivers are: sqlite`)
	_, err := Store(t.Context(), c, Options{})
	require.ErrorIs(t, err, activity.ErrInvalid)
	_, err = NewHandle(t.Context(), c, Options{})
	require.ErrorIs(t, err, activity.ErrInvalid)
	require.Error(t, c.SetDSN("x", ""))
	require.Error(t, Print(c, &bytes.Buffer{}))
	assert.Empty(t, c.Identity())
}

func TestDSN(t *testing.T) {
	c := chosen("sqlite")
	require.ErrorContains(t, c.SetDSN("x", ""), "no server")
	assert.Equal(t, "./data", c.Folder())
}
