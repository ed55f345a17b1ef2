package main

import (
	"slices"
	"strings"
)

// candidates in the order in which they take their turns. Both exporters run
// behind our processors, so that both store the same information, and without
// them, for what they cost by themselves.
var candidates = slices.Concat(
	[]candidate{{name: "otelcol-activitylog, committed", ours: true, table: "activity_events", config: ours, health: "/livez"}},
	peers(" behind enrich and integrity", "[enrich, integrity]"),
	[]candidate{{name: "our exporter alone, committed", ours: true, table: "activity_events", config: oursAlone, health: "/"}},
	peers("", "[]"),
)

func peers(note, processors string) []candidate {
	var out []candidate
	for _, p := range []struct{ name, settings string }{
		{"its defaults", ""},
		{"synchronous insert, no queue", peerSynchronous},
		{"synchronous insert, queue with batches", peerBatches},
	} {
		out = append(out, candidate{
			name: "contrib exporter" + note + ", " + p.name, table: "otel_logs", health: "/",
			config: peer + p.settings + strings.ReplaceAll(peerTail, "{processors}", processors),
		})
	}
	return out
}

const ours = `receivers:
  otlp:
    protocols:
      http:
        endpoint: %[1]s
processors:
  enrich:
    tenant:
      from_event: true
  integrity:
exporters:
  auditclickhouse:
    dsn: %[3]s
    dead_letter:
      directory: %[4]s/dead-letters
extensions:
  auditapi:
    endpoint: %[2]s
    token: bench
    storage:
      driver: clickhouse
      clickhouse:
        dsn: %[3]s
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  extensions: [auditapi]
  pipelines:
    logs:
      receivers: [otlp]
      processors: [enrich, integrity]
      exporters: [auditclickhouse]
`

// oursAlone stores what was sent: no actor, no address, no seal. Nobody should
// run it so; it is what can be held beside contrib's exporter alone.
const oursAlone = `receivers:
  otlp:
    protocols:
      http:
        endpoint: %[1]s
exporters:
  auditclickhouse:
    dsn: %[3]s
    dead_letter:
      directory: %[4]s/dead-letters
extensions:
  health_check:
    endpoint: %[2]s
service:
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  extensions: [health_check]
  pipelines:
    logs:
      receivers: [otlp]
      exporters: [auditclickhouse]
`

// peer is contrib's exporter with the table it makes.
const peer = `receivers:
  otlp:
    protocols:
      http:
        endpoint: %[1]s
processors:
  enrich:
    tenant:
      from_event: true
  integrity:
exporters:
  clickhouse:
    endpoint: %[3]s
    database: activitylog_bench
    create_schema: true
`

const (
	// peerSynchronous answers the sender when the rows are stored, as ours does.
	peerSynchronous = `    async_insert: false
    sending_queue:
      enabled: false
`
	// peerBatches makes large inserts of small requests; it answers the sender
	// before they are stored, and what is in its memory is lost with it.
	peerBatches = `    async_insert: false
    sending_queue:
      sizer: items
      queue_size: 500000
      block_on_overflow: true
      batch:
        min_size: 10000
        max_size: 20000
        flush_timeout: 200ms
`
	peerTail = `extensions:
  health_check:
    endpoint: %[2]s
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  extensions: [health_check]
  pipelines:
    logs:
      receivers: [otlp]
      processors: {processors}
      exporters: [clickhouse]
`
)
