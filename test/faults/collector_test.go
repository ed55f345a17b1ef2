package faults

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sink is one exporter of a collector under test.
type sink struct {
	id      string // for example auditsql/postgres
	driver  string // its driver's keys, YAML, indented by four spaces
	spooled bool
	queue   int // bytes of a spooled sink's queue; 0 is 1 GiB
}

// collector is one built collector that takes events by HTTP.
type collector struct {
	*process
	dir    string // its files: configuration, spool, dead letters
	config string
	events string
	otlp   string
	health string

	metrics string // of a gateway
}

// memory is the memory limiter's block, of the shipped configurations.
const memory = "check_interval: 500ms, limit_percentage: 60, spike_limit_percentage: 15"

const pipeline = `receivers:
  activitylog: {endpoint: %s%s}
  otlp: {protocols: {http: {endpoint: %s, read_timeout: 5s}}}
processors:
  memory_limiter: {%s}
  enrich:
  integrity:
exporters:
%sextensions:
  health_check: {endpoint: %s}
  file_storage: {directory: %q, create_directory: true, fsync: true}
service:
  extensions: [health_check, file_storage]
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines:
    logs: {receivers: [activitylog, otlp], processors: [memory_limiter, enrich, integrity], exporters: [%s]}
`

// exporter renders a sink.
func (s *sink) exporter(dir string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s:\n%s    dead_letter: {directory: %q}\n", s.id, s.driver, s.letters(dir))
	if s.spooled {
		b.WriteString("    retry_on_failure: {max_elapsed_time: 0s, initial_interval: 200ms, max_interval: 2s}\n" +
			"    sending_queue: {storage: file_storage, sizer: bytes, num_consumers: 4, ")
		fmt.Fprintf(&b, "queue_size: %d}\n", cmp.Or(s.queue, 1<<30))
	}
	return b.String()
}

// letters is the folder of the sink's dead letters.
func (s *sink) letters(dir string) string {
	return filepath.Join(dir, "dead-letters", strings.ReplaceAll(s.id, "/", "-"))
}

// newCollector prepares a collector with these sinks. The configuration is one
// that the guard accepts.
func newCollector(t *testing.T, sinks ...sink) *collector {
	t.Helper()
	return newCollectorWith(t, memory, sinks...)
}

func newCollectorWith(t *testing.T, memory string, sinks ...sink) *collector {
	t.Helper()
	c := &collector{dir: t.TempDir(), events: freeAddress(t), otlp: freeAddress(t), health: freeAddress(t)}
	c.config = filepath.Join(c.dir, "config.yaml")
	exporters, ids, success := strings.Builder{}, []string{}, ", success_status: 202"
	for i := range sinks {
		exporters.WriteString(sinks[i].exporter(c.dir))
		ids = append(ids, sinks[i].id)
		if !sinks[i].spooled {
			success = ""
		}
	}
	text := fmt.Sprintf(pipeline, c.events, success, c.otlp, memory, exporters.String(), c.health, filepath.Join(c.dir, "spool"), strings.Join(ids, ", "))
	require.NoError(t, os.WriteFile(c.config, []byte(text), 0o600))
	out, code := tool(t, "auditctl", "config", "check", c.config)
	require.Equal(t, 0, code, out)
	c.process = newProcess(t, "otelcol-activitylog", "--config", c.config)
	return c
}

// start starts the collector and waits until its pipelines run.
func (c *collector) start() {
	c.t.Helper()
	c.process.start()
	c.waitReady()
}

func (c *collector) waitReady() {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case <-c.done:
			require.FailNow(c.t, "the collector ended before it was ready")
		default:
		}
		if status(c.t.Context(), "http://"+c.health) == http.StatusOK {
			return
		}
	}
	require.FailNow(c.t, "the collector was not ready in 30 s")
}
