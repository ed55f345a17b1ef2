package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// strangersManifest is a builder manifest as somebody else would write it: our
// receiver, processors and exporter beside stock components, no extension.
const strangersManifest = `
dist:
  module: example.com/mycollector
  name: mycollector
  output_path: %[1]s/out
receivers:
  - gomod: github.com/activitylog/otelcol-activitylog v0.0.0
    import: github.com/activitylog/otelcol-activitylog/receiver/activitylogreceiver
processors:
  - gomod: github.com/activitylog/otelcol-activitylog v0.0.0
    import: github.com/activitylog/otelcol-activitylog/processor/enrichprocessor
  - gomod: github.com/activitylog/otelcol-activitylog v0.0.0
    import: github.com/activitylog/otelcol-activitylog/processor/integrityprocessor
exporters:
  - gomod: github.com/activitylog/otelcol-activitylog v0.0.0
    import: github.com/activitylog/otelcol-activitylog/exporter/auditsqlexporter
  - gomod: go.opentelemetry.io/collector/exporter/debugexporter v0.161.0
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v1.67.0
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v1.67.0
replaces:
  - github.com/activitylog/otelcol-activitylog => %[2]s
`

const strangersConfig = `
receivers:
  activitylog:
    endpoint: %[1]s
processors:
  enrich:
  integrity:
exporters:
  debug:
  auditsql:
    driver: sqlite
    sqlite:
      directory: %[2]s
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    logs:
      receivers: [activitylog]
      processors: [enrich, integrity]
      exporters: [auditsql, debug]
`

// TestStrangersDistribution builds and runs somebody else's collector.
func TestStrangersDistribution(t *testing.T) {
	dir := t.TempDir()
	root, err := filepath.Abs(repo)
	require.NoError(t, err)
	manifest := filepath.Join(dir, "builder-config.yaml")
	require.NoError(t, os.WriteFile(manifest, fmt.Appendf(nil, strangersManifest, dir, root), 0o600))
	build := exec.CommandContext(t.Context(), "go", "tool", "-modfile="+filepath.Join(root, "tools", "go.mod"),
		"builder", "--skip-strict-versioning", "--config", manifest)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	events, data := freeAddress(t), filepath.Join(dir, "data")
	config := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, strangersConfig, events, data), 0o600))
	c := &collector{t: t, Events: events, DataDir: data}
	c.cmd = exec.Command(filepath.Join(dir, "out", "mycollector"), "--config", config)
	c.cmd.Stderr = &c.logs
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { _ = c.cmd.Process.Kill(); _ = c.cmd.Wait() })
	assert.Eventually(t, func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+events+"/v1/events", strings.NewReader(fiveKinds))
		if err != nil {
			return false
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 30e9, 100e6, "the collector takes events")
	require.False(t, t.Failed(), c.logs.String())
	verified, code := auditctl(t, "verify", "--sqlite-directory", data)
	require.Equal(t, 0, code, verified)
	require.Contains(t, verified, "5")
}
