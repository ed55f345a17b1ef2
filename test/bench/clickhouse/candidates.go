package main

// candidates in the order in which they take their turns.
var candidates = []candidate{
	{name: "otelcol-activitylog, committed", ours: true, table: "activity_events", config: ours, health: "/livez"},
	{name: "contrib exporter, its defaults", table: "otel_logs", config: peer + "\n" + peerTail, health: "/"},
	{name: "contrib exporter, synchronous insert, no queue", table: "otel_logs", config: peer + peerSynchronous + peerTail, health: "/"},
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

// peer is contrib's exporter with the table it makes.
const peer = `receivers:
  otlp:
    protocols:
      http:
        endpoint: %[1]s
exporters:
  clickhouse:
    endpoint: %[3]s
    database: activitylog_bench
    create_schema: true
`

// peerSynchronous answers the sender when the rows are stored, as ours does.
const peerSynchronous = `    async_insert: false
    sending_queue:
      enabled: false
`

const peerTail = `extensions:
  health_check:
    endpoint: %[2]s
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  extensions: [health_check]
  pipelines:
    logs:
      receivers: [otlp]
      exporters: [clickhouse]
`
