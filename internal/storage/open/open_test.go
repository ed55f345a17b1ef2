package open

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dsns have a password, which must not be seen again.
var dsns = map[string]configopaque.String{
	"sqlite":     "",
	"postgres":   "postgres://writer:s3cret@db.example:5433/audit",
	"mysql":      "writer:s3cret@tcp(db.example:3307)/audit",
	"clickhouse": "https://writer:s3cret@db.example:8443/audit",
	"mongodb":    "mongodb://writer:s3cret@db.example:27018/audit",
	"scylla":     "scylla://writer:s3cret@db.example:9043/audit?datacenter=dc1",
}

func chosen(t *testing.T, driver string) Config {
	t.Helper()
	c := NewDefaultConfig()
	c.Driver = driver
	if dsns[driver] != "" {
		require.NoError(t, c.SetDSN(dsns[driver], ""))
	}
	return c
}

// TestEveryDriver: it prints its schema without opening anything, it has an
// identity without a password, and it is validated.
func TestEveryDriver(t *testing.T) {
	for _, driver := range Drivers() {
		require.Contains(t, dsns, driver, "a new driver belongs into this table")
		c := chosen(t, driver)
		require.NoError(t, confmap.Validate(&c), driver)
		var out bytes.Buffer
		require.NoError(t, Print(c, &out), driver)
		assert.Regexp(t, `(?i)create (table|collection)|"create"`, out.String(), driver)
		assert.Regexp(t, "^"+driver+":.+", c.Identity())
		assert.NotContains(t, c.Identity()+out.String(), "s3cret", driver)
		if driver == "sqlite" {
			assert.Equal(t, "./data", c.Folder())
			continue
		}
		assert.Contains(t, c.Identity(), "db.example:")
		assert.Empty(t, c.Folder(), driver)
		other := chosen(t, driver)
		require.NoError(t, other.SetDSN(dsns[driver]+"2", ""))
		if driver != "scylla" { // there the end is the data centre
			assert.NotEqual(t, c.Identity(), other.Identity())
		}
		without := NewDefaultConfig()
		without.Driver = driver
		require.ErrorContains(t, confmap.Validate(&without), "dsn", driver)
	}
}

// TestOnlyTheChosenBlockCounts: the others have no DSN, and need none.
func TestOnlyTheChosenBlockCounts(t *testing.T) {
	c := NewDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"driver": "clickhouse", "clickhouse": map[string]any{"dsn": string(dsns["clickhouse"])},
	}).Unmarshal(&c))
	require.NoError(t, confmap.Validate(&c))
	assert.Equal(t, "clickhouse:db.example:8443/audit", c.Identity())
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"clickhouse": map[string]any{"compression": "rar"}}).Unmarshal(&c))
	assert.ErrorContains(t, confmap.Validate(&c), "clickhouse: compression")
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
	c := chosen(t, "oracle")
	require.ErrorContains(t, confmap.Validate(&c), `driver: "oracle" is not known, the drivers are: sqlite, `)
	_, err := Store(t.Context(), c, Options{})
	require.ErrorIs(t, err, activity.ErrInvalid)
	_, err = NewHandle(t.Context(), c, Options{})
	require.ErrorIs(t, err, activity.ErrInvalid)
	require.Error(t, c.SetDSN("x", ""))
	require.Error(t, Print(c, &bytes.Buffer{}))
	assert.Empty(t, c.Identity())
}

func TestSQLiteHasNoDSN(t *testing.T) {
	c := NewDefaultConfig()
	require.ErrorContains(t, c.SetDSN("x", ""), "no server")
}
