package faults

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen/client"
)

// steady is the load of every cell: what one database surely takes.
func steady() []string { return []string{"--batch", "20", "--clients", "8", "--rate", "300"} }

// run is one profile of a cell: a collector with a store of its own, and its load.
type run struct {
	profile   string
	sink      sink
	collector *collector
	load      *load
	report    client.Report
	found     verdict
	again     time.Duration // until something was answered after the fault
	delivered time.Duration // until the store had everything, after the load
}

// TestDatabase breaks each database in every way, under load, in both profiles
// at once: committed answers 503 and goes on, spooled notices nothing.
func TestDatabase(t *testing.T) {
	for _, b := range chosen(t) {
		for _, f := range faults() {
			if testing.Short() && !f.short {
				continue
			}
			t.Run(b.name+"/"+f.key, func(t *testing.T) {
				if testing.Short() {
					t.Parallel() // each has its own server, and mostly waits
				}
				if why := f.on(&b); why != "" {
					table.add(row{backend: b.name, fault: f.name, note: why})
					return // nothing to try: said in the table
				}
				breakDatabase(t, &b, &f)
			})
		}
	}
}

func breakDatabase(t *testing.T, b *backend, f *fault) {
	t.Helper()
	s := newSite(t, b, f)
	runs := []*run{s.run(t, "committed", false), s.run(t, "spooled", true)}
	time.Sleep(5 * time.Second)
	f.begin(t, s)
	time.Sleep(f.lasts)
	f.end(t, s)
	for _, r := range runs {
		r.again = r.load.waitGrowth(time.Minute)
	}
	time.Sleep(5 * time.Second)
	for _, r := range runs {
		r.report = r.load.finish()
		r.found, r.delivered = r.load.settle(r.collector.config, r.sink.id, 10*time.Minute)
		r.collector.stop(30 * time.Second)
		table.add(r.row(b.name, f.name))
		assert.True(t, r.found.ok, "%s: %s", r.profile, r.found.text)
		assert.Greater(t, r.found.acknowledged, 1000, r.profile+": too little was sent to prove anything")
		assert.Zero(t, r.found.dead, r.profile+": a database that is away is no reason for a dead letter")
	}
	committed, spooled := runs[0].report, runs[1].report
	if f.answers {
		assert.Greater(t, committed.P99, 300.0, "the delay was not felt")
	} else {
		assert.Positive(t, committed.Statuses["503"], "the fault was not felt: %v", committed.Statuses)
	}
	for code := range committed.Statuses {
		assert.Contains(t, []string{"200", "503", "429"}, code)
	}
	assert.Equal(t, []string{"202"}, keys(spooled.Statuses), "a spooled exporter's clients notice nothing")
}

// newSite prepares what a fault needs: a proxy, or an instance of the server on
// a small disk, or one that a proxy can stand before.
func newSite(t *testing.T, b *backend, f *fault) *site {
	t.Helper()
	s := &site{backend: *b}
	if f.disk {
		s.disk = smallDisk(t, "1g")
	}
	if b.script == "" {
		return s
	}
	s.dsn = b.dsn(t)
	switch {
	case f.disk:
		s.instance(t, "full", "ACTIVITYLOG_SERVICES_DIR="+s.disk)
	case f.between && b.apart != "":
		const elsewhere = "127.0.0.2"
		s.instance(t, "behind", b.apart+"="+elsewhere)
		announced, err := b.address(s.dsn)
		require.NoError(t, err)
		_, port, err := net.SplitHostPort(announced)
		require.NoError(t, err)
		s.proxy = newProxy(t, announced, net.JoinHostPort(elsewhere, port))
	case b.apart == "":
		address, err := b.address(s.dsn)
		require.NoError(t, err)
		s.proxy = newProxy(t, freeAddress(t), address)
	}
	return s
}

// instance starts a server of this site alone.
func (s *site) instance(t *testing.T, name string, env ...string) {
	t.Helper()
	b := &s.backend
	s.env = slices.Concat(env, []string{"ACTIVITYLOG_SERVICES_INSTANCE=" + name, b.variable + "="})
	service(t, b.script, "up", s.env...)
	t.Cleanup(func() { service(t, b.script, "down", s.env...) })
	_, value, found := strings.Cut(service(t, b.script, "env", s.env...), "=")
	require.True(t, found)
	s.dsn = strings.ReplaceAll(strings.TrimSpace(value), `\`, "")
}

// run starts one profile under load.
func (s *site) run(t *testing.T, profile string, spooled bool) *run {
	t.Helper()
	folder, via := "", ""
	if s.backend.script == "" {
		folder = filepath.Join(t.TempDir(), "store")
		if s.disk != "" {
			folder = filepath.Join(s.disk, profile)
		}
		require.NoError(t, os.MkdirAll(folder, 0o700))
		s.folders = append(s.folders, folder)
	} else {
		address, err := s.backend.address(s.dsn)
		require.NoError(t, err)
		via = address
		if s.proxy != nil {
			via = s.proxy.address
		}
	}
	r := &run{profile: profile, sink: s.backend.sinkOf(t, s.dsn, via, folder, spooled)}
	r.collector = newCollector(t, r.sink)
	r.collector.start()
	r.load = startLoad(t, r.collector.events, steady()...)
	r.load.waitGrowth(time.Minute)
	return r
}
