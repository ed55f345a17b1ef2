package clickhouse

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage/migration"
)

func TestAnOlderServerIsRefusedBeforeItsSchema(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t)
	p := behind(t, &cfg)
	st, err := Open(ctx, cfg, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	for _, version := range []string{"24.9.3.128", "23.12.1.1", "9.1.1.1"} {
		p.plan(fault{match: "SELECT version()", instead: "SELECT '" + version + "'"})
		err := st.Migrate(ctx)
		require.ErrorIs(t, err, activity.ErrInvalid, version)
		for _, what := range []string{"ClickHouse " + version, cfg.Identity(), "24.10 or later", "upgrade the server"} {
			require.ErrorContains(t, err, what)
		}
	}
	require.Empty(t, p.seen("CREATE TABLE"))
	for _, version := range []string{"24.10.1.2812", "24.12.1.1-altinity", "25.1.1.1", "head"} {
		p.plan(fault{match: "SELECT version()", instead: "SELECT '" + version + "'"})
		require.NoError(t, st.Migrate(ctx), version)
	}
}

func TestPrintEndsWithTheRolesOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	cfg := NewDefaultConfig()
	require.Contains(t, string(readme), "\n```sql\n"+roles(cfg)+"```\n")

	cfg.DSN = "https://writer:hidden@db/events"
	var text strings.Builder
	require.NoError(t, Print(cfg, &text))
	require.Contains(t, text.String(), "\n-- GRANT SELECT, INSERT ON events.activity_events TO writer;\n")
	require.NotContains(t, text.String(), "hidden")
	for _, statement := range migration.Statements(text.String()) {
		require.NotContains(t, statement, "GRANT", "they are comments")
	}
	cfg.DSN = "https://db/a%0ADROP%20TABLE%20b"
	require.Contains(t, roles(cfg), "ON audit.activity_events", "a name that would need quotes")
}

// The server can read them, though the one of the tests has no roles to grant.
func TestTheRolesAreStatements(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	for _, statement := range migration.Statements(roles(st.config)) {
		require.Positive(t, number(t, st, "SELECT toInt64(length(formatQuery('"+statement+"')))"), statement)
	}
}
