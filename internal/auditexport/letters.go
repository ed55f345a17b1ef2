package auditexport

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
)

// maxLoggedIDs bounds a log line about dead letters.
const maxLoggedIDs = 20

// decode gives the request's events, and a dead letter for each record that is
// none: as much of it as could be read.
func (e *auditExporter) decode(ld plog.Logs) (events []activity.Event, invalid []deadletter.Entry) {
	events = make([]activity.Event, 0, ld.LogRecordCount())
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				var event activity.Event
				err := activitylogs.Decode(rl.Resource(), lr, &event)
				if err == nil && event.ID.IsZero() {
					err = fmt.Errorf("%w: no id; the enrich processor must run before this component", activity.ErrInvalid)
				}
				if err == nil {
					events = append(events, event)
					continue
				}
				readable(rl.Resource(), lr, &event)
				invalid = append(invalid, e.entry(deadletter.CauseInvalid, err, &event))
			}
		}
	}
	return events, invalid
}

// readable makes an event of a record that is none, so that it can be kept: its
// times, origin and text. Its other attributes are left out, since what only
// enrich may see could be among them.
func readable(resource pcommon.Resource, lr plog.LogRecord, event *activity.Event) {
	if event.Kind.Valid() {
		return
	}
	event.Kind = activity.KindSystem
	activitylogs.DecodeResource(resource, event)
	activitylogs.DecodeRecord(lr, event)
	if lr.Body().Type() == pcommon.ValueTypeStr {
		event.Message = lr.Body().Str()
	}
}

func (e *auditExporter) entry(cause deadletter.Cause, err error, event *activity.Event) deadletter.Entry {
	return deadletter.Entry{Time: e.set.Now().UnixNano(), Sink: e.id.String(), Cause: cause, Detail: err.Error(), Event: *event}
}

// refused gives the dead letters of a write.
func (e *auditExporter) refused(events []activity.Event, result *storage.WriteResult) []deadletter.Entry {
	var entries []deadletter.Entry
	for _, index := range result.Conflicts {
		err := fmt.Errorf("%w: other content is stored under this tenant, id and datetime", activity.ErrInvalid)
		entries = append(entries, e.entry(deadletter.CauseConflict, err, &events[index]))
	}
	for _, r := range result.Refused {
		entries = append(entries, e.entry(deadletter.CauseRefused, r.Err, &events[r.Index]))
	}
	return entries
}

// keep makes the dead letters durable, then counts and names them.
func (e *auditExporter) keep(ctx context.Context, entries []deadletter.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if err := e.letters.Append(entries); err != nil { //nolint:contextcheck // its wait for the lock has a bound of its own
		return fmt.Errorf("keep %d events in the dead letters (%s): %w", len(entries), e.set.Delivery.DeadLetter.Directory, err)
	}
	counts := map[deadletter.Cause]int64{}
	logged := make([]string, 0, min(len(entries), maxLoggedIDs))
	for i := range entries {
		counts[entries[i].Cause]++
		if len(logged) < maxLoggedIDs {
			logged = append(logged, entries[i].Event.ID.String())
		}
	}
	for cause, n := range counts {
		e.set.Instruments.dead(ctx, cause, n)
	}
	e.logger.Warn("events went to the dead letters; see auditctl replay",
		zap.Int("events", len(entries)), zap.Any("causes", counts), zap.Strings("ids", logged))
	return nil
}
