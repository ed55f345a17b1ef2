package auditexport

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
)

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

// begin makes every count stand at 0: an alert on an increase does not see a
// count that appears with its first event.
func (i *Instruments) begin(ctx context.Context) {
	for _, c := range []metric.Int64Counter{i.WrittenEvents, i.DuplicateEvents, i.ConflictEvents, i.DeadLettersExpired} {
		c.Add(ctx, 0)
	}
	for _, cause := range []deadletter.Cause{deadletter.CauseConflict, deadletter.CauseRefused, deadletter.CauseInvalid} {
		i.dead(ctx, cause, 0)
	}
}

// dead counts dead letters.
func (i *Instruments) dead(ctx context.Context, cause deadletter.Cause, n int64) {
	i.DeadLetterEvents.Add(ctx, n, metric.WithAttributes(attribute.String("cause", string(cause))))
}
