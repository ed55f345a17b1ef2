package main

import (
	"bytes"
	"fmt"
	"runtime"
	"time"
)

type report struct {
	sizes   []size
	spooled []spooled
}

func (r *report) markdown(s *settings) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Sizing\n\n%s. %d cores, %s. Command: `make bench-sizing`.\n\n", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.Version())
	fmt.Fprintf(&b, "## What %d events/s take\n\nCommitted, batches of %d from %d clients for %s after a warm-up; the shipped configuration of each database; generator and server\n"+
		"on the same machine. Memory is the collector's after a third, two thirds and the whole of the run: it depends on the load, not on what is stored.\n"+
		"The worst third's latencies. Bytes are on disk with all indexes and without the database's own log.\n\n", eventsPerSecond, sizingBatch, sizingClients, s.duration)
	b.WriteString("| | collector, cores | server, cores | collector, RSS MiB | bytes/event | GB a day | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|---|\n")
	for i := range r.sizes {
		b.WriteString(r.sizes[i].line())
	}
	fmt.Fprintf(&b, "\n## Spooled, as fast as it goes\n\ndeploy/spooled.yaml for %s each, with a queue that does not fill up meanwhile: acknowledged means synced into the queue's file. CPU\n"+
		"is the whole collector's, with what was delivered to SQLite by then. fsyncs are counted with strace in a second run: those of queue and store together, for each request.\n\n", s.spooledDuration)
	b.WriteString("| batch | clients | events/s | collector us/event | fsyncs/request | peak RSS MiB | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|---|\n")
	for i := range r.spooled {
		b.WriteString(r.spooled[i].line())
	}
	return b.Bytes()
}

func (sz *size) line() string {
	return fmt.Sprintf("| %s | %.2f | %.2f | %.0f, %.0f, %.0f | %.0f | %.0f | %.1f | %.1f |\n", sz.name, sz.cores, sz.server,
		sz.rss[0], sz.rss[1], sz.rss[2], sz.bytes, sz.bytes*eventsPerSecond*86400/1e9, sz.p50, sz.p99)
}

func (sp *spooled) line() string {
	return fmt.Sprintf("| %d | %d | %.0f | %.0f | %.1f | %.0f | %.1f | %.1f |\n", sp.batch, sp.clients, sp.EventsPerSecond, sp.cpu, sp.fsyncs, sp.peakMiB, sp.P50, sp.P99)
}
