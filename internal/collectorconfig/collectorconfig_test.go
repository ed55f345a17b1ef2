package collectorconfig

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func load(t *testing.T, text string) *confmap.Conf {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	conf, err := Load(t.Context(), file)
	require.NoError(t, err)
	return conf
}

func TestFindGivesTheDatabaseAndItsDeadLetters(t *testing.T) {
	t.Setenv("COLLECTORCONFIG_TEST_FOLDER", "/srv/a")
	conf := load(t, `
exporters:
  debug: {}
  auditsql: {sqlite: {directory: "${env:COLLECTORCONFIG_TEST_FOLDER}"}, auditapi: auditapi}
  auditsql/eu: {sqlite: {directory: /srv/eu}, dead_letter: {directory: /srv/letters}}
`)
	sink, err := Find(conf, "auditsql")
	require.NoError(t, err)
	assert.Equal(t, "/srv/a", sink.Database.SQLite.Directory)
	assert.Equal(t, "/srv/a/dead-letters", sink.Letters.Directory)
	sink, err = Find(conf, "auditsql/eu")
	require.NoError(t, err)
	assert.Equal(t, "/srv/letters", sink.Letters.Directory)
	_, err = Find(conf, "")
	require.ErrorContains(t, err, "--exporter: auditsql, auditsql/eu")
	_, err = Find(conf, "auditsql/us")
	require.ErrorContains(t, err, "no exporter auditsql/us")
	_, err = Find(conf, "debug")
	require.ErrorContains(t, err, "no exporter debug")
	_, err = Find(load(t, "exporters: {debug: {}}"), "")
	require.ErrorContains(t, err, "there is no exporter of the types")
}

func TestLoadNamesTheFile(t *testing.T) {
	_, err := Load(t.Context(), "no-such-file.yaml")
	require.ErrorContains(t, err, "no-such-file.yaml")
}
