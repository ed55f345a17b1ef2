package auditsqlexporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/exporter/auditsqlexporter/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

// SharedStore is what the exporter needs of the extension that `auditapi` names.
type SharedStore interface {
	// SharedStore gives the extension's store when it is the database, for
	// example "sqlite:/var/lib/activitylog/activity.db".
	SharedStore(database string) (storage.Store, bool)
}

// sqlExporter writes events to the store, and what the store refuses to the
// dead letters.
type sqlExporter struct {
	cfg       *Config
	id        component.ID
	logger    *zap.Logger
	telemetry *metadata.TelemetryBuilder
	now       func() time.Time

	store    storage.Store
	owned    bool
	letters  *deadletter.Log
	expiring expiry
}

func newExporter(cfg *Config, set exporter.Settings) (*sqlExporter, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, fmt.Errorf("auditsql: make metrics: %w", err)
	}
	return &sqlExporter{cfg: cfg, id: set.ID, logger: set.Logger, telemetry: telemetry, now: time.Now}, nil
}

// start needs no database: one that is away is waited for in the background,
// and until it comes writes are retryable. A database that waiting cannot mend
// (locked by another process, schema too new) fails the start.
func (e *sqlExporter) start(ctx context.Context, host component.Host) error {
	letters, err := deadletter.Open(e.cfg.DeadLetter, e.now)
	if err != nil {
		return fmt.Errorf("auditsql: open dead letters: %w", err)
	}
	e.letters = letters
	if e.cfg.AuditAPI != nil {
		e.store, err = e.shared(host)
	} else {
		e.store, err = open.NewHandle(ctx, e.cfg.Database, open.Options{Now: e.now, Logger: e.logger})
		e.owned = err == nil
	}
	if err != nil {
		e.store, e.letters = nil, nil
		return errors.Join(fmt.Errorf("auditsql: %w", err), letters.Close())
	}
	if e.cfg.DeadLetter.MaxAge > 0 {
		e.expiring.start(expireEvery, e.expire) //nolint:contextcheck // it outlives the start
	}
	return nil
}

func (e *sqlExporter) shared(host component.Host) (storage.Store, error) {
	id := *e.cfg.AuditAPI
	extension, ok := host.GetExtensions()[id]
	if !ok {
		return nil, fmt.Errorf("auditapi: there is no extension %q; add it to extensions and service::extensions, or remove this key", id)
	}
	sharer, ok := extension.(SharedStore)
	if !ok {
		return nil, fmt.Errorf("auditapi: the extension %q (%T) has no store to share; name the auditapi extension, or remove this key", id, extension)
	}
	database := e.cfg.Database.Identity()
	store, ok := sharer.SharedStore(database)
	if !ok {
		return nil, fmt.Errorf("auditapi: the extension %q uses another database than this exporter (%s); "+
			"give its storage the same driver and directory, or remove this key", id, database)
	}
	return store, nil
}

func (e *sqlExporter) shutdown(context.Context) error {
	e.expiring.stop()
	var errs []error
	if e.owned {
		errs = append(errs, e.store.Close())
	}
	if e.letters != nil {
		errs = append(errs, e.letters.Close())
	}
	e.telemetry.Shutdown()
	return errors.Join(errs...)
}

// push stores one request. It answers nil once every event is durable in the
// store or in the dead letters, and never a permanent error: what cannot be
// stored is kept, and everything else may be tried again.
func (e *sqlExporter) push(ctx context.Context, ld plog.Logs) (err error) {
	defer func() {
		if err != nil {
			noteFailure(ctx)
			err = fmt.Errorf("auditsql: %w", err)
		}
	}()
	events, entries := e.decode(ld)
	sink := receipt.Sink{Name: e.id.String()}
	for i := range entries {
		sink.Refused = append(sink.Refused, entries[i].Event.ID)
	}
	if len(events) > 0 {
		result, err := e.write(ctx, events)
		if err != nil {
			return err
		}
		own, duplicates := []int(nil), result.Duplicates
		if failedBefore(ctx) {
			own, duplicates = separateOwn(ctx, e.store, events, duplicates)
		}
		sink.Written = result.Written + len(own)
		sink.CommittedNS = result.LastStoredNS
		sink.Duplicates = ids(events, duplicates)
		sink.Conflicts = ids(events, result.Conflicts)
		entries = append(entries, e.refused(events, &result)...)
		for _, r := range result.Refused {
			sink.Refused = append(sink.Refused, events[r.Index].ID)
		}
	}
	if err := e.keep(ctx, entries); err != nil {
		return err
	}
	if sink.CommittedNS == 0 {
		sink.CommittedNS = e.now().UnixNano()
	}
	e.telemetry.ExporterAuditsqlWrittenEvents.Add(ctx, int64(sink.Written))
	e.telemetry.ExporterAuditsqlDuplicateEvents.Add(ctx, int64(len(sink.Duplicates)))
	e.telemetry.ExporterAuditsqlConflictEvents.Add(ctx, int64(len(sink.Conflicts)))
	receipt.FromContext(ctx).Fill(sink)
	return nil
}

func (e *sqlExporter) write(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	n := int64(len(events))
	e.telemetry.ExporterAuditsqlPendingEvents.Add(ctx, n)
	defer e.telemetry.ExporterAuditsqlPendingEvents.Add(ctx, -n)
	started := e.now()
	result, err := e.store.Write(ctx, events)
	if err != nil {
		return result, fmt.Errorf("write %d events: %w", n, err)
	}
	e.telemetry.ExporterAuditsqlCommitDuration.Record(ctx, e.now().Sub(started).Seconds())
	e.telemetry.ExporterAuditsqlWriteEvents.Record(ctx, n)
	return result, nil
}

func ids(events []activity.Event, indexes []int) []activity.ID {
	if len(indexes) == 0 {
		return nil
	}
	out := make([]activity.ID, len(indexes))
	for i, index := range indexes {
		out[i] = events[index].ID
	}
	return out
}
