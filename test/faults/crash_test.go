package faults

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const crashes = 5

// TestCollectorKilled kills the collector with SIGKILL under load, again and
// again, in both profiles, over each database.
func TestCollectorKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("the e2e tests kill it over SQLite: make test-faults")
	}
	for _, b := range chosen(t) {
		for _, profile := range []string{"committed", "spooled"} {
			t.Run(b.name+"/"+profile, func(t *testing.T) { killCollector(t, &b, profile) })
		}
	}
}

func killCollector(t *testing.T, b *backend, profile string) {
	t.Helper()
	dsn, via := "", ""
	if b.script != "" {
		dsn = b.dsn(t)
		var err error
		via, err = b.address(dsn)
		require.NoError(t, err)
	}
	r := &run{profile: profile, sink: b.sinkOf(t, dsn, via, filepath.Join(t.TempDir(), "store"), profile == "spooled")}
	r.collector = newCollector(t, r.sink)
	r.collector.start()
	r.load = startLoad(t, r.collector.events, steady()...)
	r.load.waitGrowth(time.Minute)
	for range crashes {
		time.Sleep(time.Duration(1000+rand.IntN(1500)) * time.Millisecond)
		r.collector.kill()
		r.collector.start()
		r.again = max(r.again, r.load.waitGrowth(time.Minute))
	}
	time.Sleep(2 * time.Second)
	r.report = r.load.finish()
	r.found, r.delivered = r.load.settle(r.collector.config, r.sink.id, 2*time.Minute)
	r.collector.stop(30 * time.Second)
	table.add(r.row(b.name, "collector killed -9, five times"))
	assert.True(t, r.found.ok, r.found.text)
	assert.Greater(t, r.found.acknowledged, 1000)
	assert.Positive(t, r.report.Retries, "no request was cut off: the collector was never killed under load")
}
