package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/collectorconfig"
	"github.com/activitylog/otelcol-activitylog/internal/pyliteral"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor"
)

const settingsDir = "../../internal/djangosettings/testdata"

// TestConvertSettings converts each of the settings files, and holds the answer
// to the guard and to the processor.
func TestConvertSettings(t *testing.T) {
	for name, found := range map[string]error{
		"website.py": errFindings, "jwtapi.py": errFindings, "saas.py": errFindings, "legacy.py": errFindings, "cookiecutter.py": errFindings,
		"settings.json": nil,
	} {
		var out, findings bytes.Buffer
		cmd := newRoot()
		cmd.SetArgs([]string{"convert-settings", "--secrets-dir", t.TempDir(), filepath.Join(settingsDir, name)})
		cmd.SetOut(&out)
		cmd.SetErr(&findings)
		require.ErrorIs(t, cmd.ExecuteContext(t.Context()), found, name)
		assert.Equal(t, found == nil, findings.Len() == 0, name)
		assert.NotContains(t, out.String()+findings.String(), "hunter2", name)

		file := filepath.Join(t.TempDir(), "collector.yaml")
		require.NoError(t, os.WriteFile(file, out.Bytes(), 0o600))
		t.Setenv("ACTIVITYLOG_TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.7")
		checked, err := execute(t, "config", "check", file)
		require.NoError(t, err, "%s: %s", name, checked)
		conf, err := collectorconfig.Load(t.Context(), file)
		require.NoError(t, err, name)
		enrich, err := conf.Sub("processors::enrich")
		require.NoError(t, err, name)
		cfg := enrichprocessor.NewFactory().CreateDefaultConfig().(*enrichprocessor.Config)
		require.NoError(t, enrich.Unmarshal(cfg), name)
		require.NoError(t, cfg.Validate(), name)
		switch name {
		case "website.py":
			assert.Equal(t, `^/robots\.txt$`, cfg.Filter.ExcludeURLsExtra[3])
		case "jwtapi.py":
			assert.Equal(t, []string{"10.0.0.0/8", "192.0.2.7"}, cfg.ClientAddress.TrustedProxies)
			assert.Contains(t, cfg.Filter.Drop[1], `(?i)^shop\\.order$"`)
		}
	}
}

func TestConvertSettingsRefusesWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	huge, broken := filepath.Join(dir, "huge.py"), filepath.Join(dir, "broken.py")
	require.NoError(t, os.WriteFile(huge, bytes.Repeat([]byte("A = 1\n"), pyliteral.MaxSize/4), 0o600))
	require.NoError(t, os.WriteFile(broken, []byte("SECRET_KEY = 'hunter2"), 0o600))
	_, err := execute(t, "convert-settings", huge)
	require.ErrorIs(t, err, pyliteral.ErrSyntax)
	_, err = execute(t, "convert-settings", broken)
	require.ErrorContains(t, err, "broken.py: cannot be read: line 1: a string without its end")
	_, err = execute(t, "convert-settings", filepath.Join(dir, "none.py"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = execute(t, "convert-settings")
	require.Error(t, err)
}
