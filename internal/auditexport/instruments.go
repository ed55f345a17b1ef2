package auditexport

import "go.opentelemetry.io/otel/metric"

// Instruments are the component's metrics, made by its generated
// TelemetryBuilder. Every one is required; the counts are of events.
type Instruments struct {
	CommitDuration     metric.Float64Histogram // seconds
	WriteEvents        metric.Int64Histogram
	PendingEvents      metric.Int64UpDownCounter
	WrittenEvents      metric.Int64Counter
	DuplicateEvents    metric.Int64Counter
	ConflictEvents     metric.Int64Counter
	DeadLetterEvents   metric.Int64Counter // by the attribute cause
	DeadLettersExpired metric.Int64Counter
}
