package faults

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFullQueue fills the queue of a spooled exporter whose database hangs:
// clients are told to come later, by HTTP with Retry-After, and what they were
// told is stored is.
func TestFullQueue(t *testing.T) {
	if testing.Short() {
		t.Skip("part of the matrix: make test-faults")
	}
	for name, flags := range map[string][]string{"http": nil, "otlp": {"--protocol", "otlp-http"}} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "store")
			b := needs(t, "sqlite")[0]
			s := b.sinkOf(t, "", "", folder, true)
			s.queue = 1 << 20
			refused(t, &refusal{name: "queue full, " + name, backend: b, folder: folder, memory: memory, sink: s, flags: flags})
		})
	}
}

// TestMemoryLimit lets the memory limiter refuse: large batches wait for a
// database that hangs.
func TestMemoryLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("part of the matrix: make test-faults")
	}
	for name, flags := range map[string][]string{"http": nil, "otlp": {"--protocol", "otlp-http"}} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "store")
			b := needs(t, "sqlite")[0]
			refused(t, &refusal{
				name: "memory limit, " + name, backend: b, folder: folder, memory: "check_interval: 50ms, limit_mib: 64, spike_limit_mib: 32",
				sink: b.sinkOf(t, "", "", folder, false), flags: append([]string{"--batch", "1000", "--clients", "32", "--rate", "0"}, flags...),
			})
		})
	}
}

// refusal is a way to have too much.
type refusal struct {
	name, folder, memory string
	backend              backend
	sink                 sink
	flags                []string
}

func refused(t *testing.T, f *refusal) {
	t.Helper()
	r := &run{profile: "committed", sink: f.sink}
	if f.sink.spooled {
		r.profile = "spooled"
	}
	r.collector = newCollectorWith(t, f.memory, f.sink)
	r.collector.start()
	address := r.collector.events
	if strings.HasSuffix(f.name, "otlp") {
		address = r.collector.otlp
	}
	r.load = startLoad(t, address, append(steady(), f.flags...)...)
	r.load.waitGrowth(time.Minute)
	s := &site{backend: f.backend, folders: []string{f.folder}}
	s.hang(t)
	r.collector.waitRefusal(t)
	time.Sleep(10 * time.Second)
	s.goOn(t)
	r.again = r.load.waitGrowth(2 * time.Minute)
	r.report = r.load.finish()
	r.found, r.delivered = r.load.settle(r.collector.config, r.sink.id, 2*time.Minute)
	r.collector.stop(30 * time.Second)
	table.add(r.row("sqlite", f.name))
	assert.True(t, r.found.ok, r.found.text)
	assert.Positive(t, r.report.Statuses["429"]+r.report.Statuses["503"], "nothing was refused: %v", r.report.Statuses)
	for code := range r.report.Statuses {
		// "connection": a body that is refused unread is still being sent when the
		// connection closes, and its client may meet that before the answer.
		assert.Contains(t, []string{"200", "202", "429", "503", "connection"}, code)
	}
}

// waitRefusal waits until our receiver refuses, which it does with Retry-After.
func (c *collector) waitRefusal(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.events+"/v1/events", strings.NewReader(batch(1, "nobody")))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-ndjson")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
			assert.NotEmpty(t, resp.Header.Get("Retry-After"))
			return
		}
	}
	require.FailNow(t, "nothing was refused for a minute")
}
