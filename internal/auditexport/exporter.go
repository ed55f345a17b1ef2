package auditexport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
	"github.com/activitylog/otelcol-activitylog/internal/storage/handle"
)

// SharedStore is what the exporter needs of the extension that `auditapi` names.
type SharedStore interface {
	// SharedStore gives the extension's store when it is the database, for
	// example "sqlite:/var/lib/activitylog/activity.db".
	SharedStore(database string) (storage.Store, bool)
}

// Settings are what a component brings.
type Settings struct {
	Delivery Config
	// Identity of the database; equal to that of the extension's storage when they are the same.
	Identity string
	// Folder in which the database lies, "" for one on a server: dead letters are kept beside it by default.
	Folder string
	// Open opens the store of the component's driver.
	Open        handle.Open
	Instruments Instruments
	// Shutdown releases the instruments.
	Shutdown func()
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// New makes the exporter of a component behind exporterhelper's timeout, retries and queue.
func New(ctx context.Context, set exporter.Settings, cfg component.Config, s Settings) (exporter.Logs, error) {
	logs, _, err := newLogs(ctx, set, cfg, s)
	return logs, err
}

func newLogs(ctx context.Context, set exporter.Settings, cfg component.Config, s Settings) (exporter.Logs, *auditExporter, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Delivery.DeadLetter.Directory == "" {
		s.Delivery.DeadLetter.Directory = deadletter.DefaultDirectory(s.Folder, set.ID.String())
	}
	e := &auditExporter{set: s, id: set.ID, logger: set.Logger}
	logs, err := exporterhelper.NewLogs(ctx, set, cfg, e.push,
		exporterhelper.WithStart(e.start),
		exporterhelper.WithShutdown(e.shutdown),
		exporterhelper.WithTimeout(s.Delivery.Timeout),
		exporterhelper.WithRetry(s.Delivery.Retry),
		exporterhelper.WithQueue(s.Delivery.Queue),
		exporterhelper.WithCapabilities(consumer.Capabilities{MutatesData: false}),
	)
	if err != nil {
		return nil, nil, err
	}
	return withAttempts{Logs: logs}, e, nil
}

// auditExporter writes events to the store, and what the store refuses to the
// dead letters.
type auditExporter struct {
	set    Settings
	id     component.ID
	logger *zap.Logger

	store    storage.Store
	owned    bool
	letters  *deadletter.Log
	expiring expiry
}

// start needs no database: one that is away is waited for in the background,
// and until it comes writes are retryable. A database that waiting cannot mend
// (locked by another process, schema too new) fails the start.
func (e *auditExporter) start(ctx context.Context, host component.Host) error {
	letters, err := deadletter.Open(e.set.Delivery.DeadLetter, e.set.Now)
	if err != nil {
		return fmt.Errorf("%s: open dead letters: %w", e.id.Type(), err)
	}
	e.letters = letters
	if e.set.Delivery.AuditAPI != nil {
		e.store, err = e.shared(host)
	} else {
		e.store, err = handle.New(ctx, e.set.Open, storage.Options{Now: e.set.Now, Logger: e.logger})
		e.owned = err == nil
	}
	if err != nil {
		e.store, e.letters = nil, nil
		return errors.Join(fmt.Errorf("%s: %w", e.id.Type(), err), letters.Close())
	}
	e.set.Instruments.begin(ctx)
	if e.set.Delivery.DeadLetter.MaxAge > 0 {
		e.expiring.start(expireEvery, e.expire) //nolint:contextcheck // it outlives the start
	}
	return nil
}

func (e *auditExporter) shared(host component.Host) (storage.Store, error) {
	id := *e.set.Delivery.AuditAPI
	extension, ok := host.GetExtensions()[id]
	if !ok {
		return nil, fmt.Errorf("auditapi: there is no extension %q; add it to extensions and service::extensions, or remove this key", id)
	}
	sharer, ok := extension.(SharedStore)
	if !ok {
		return nil, fmt.Errorf("auditapi: the extension %q (%T) has no store to share; name the auditapi extension, or remove this key", id, extension)
	}
	store, ok := sharer.SharedStore(e.set.Identity)
	if !ok {
		return nil, fmt.Errorf("auditapi: the extension %q uses another database than this exporter (%s); "+
			"give its storage the same driver and database, or remove this key", id, e.set.Identity)
	}
	return store, nil
}

func (e *auditExporter) shutdown(context.Context) error {
	e.expiring.stop()
	var errs []error
	if e.owned {
		errs = append(errs, e.store.Close())
	}
	if e.letters != nil {
		errs = append(errs, e.letters.Close())
	}
	e.set.Shutdown()
	return errors.Join(errs...)
}

// push stores one request. It answers nil once every event is durable in the
// store or in the dead letters, and never a permanent error: what cannot be
// stored is kept, and everything else may be tried again.
func (e *auditExporter) push(ctx context.Context, ld plog.Logs) (err error) {
	defer func() {
		if err != nil {
			noteFailure(ctx)
			err = fmt.Errorf("%s: %w", e.id.Type(), err)
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
		sink.CommittedNS = e.set.Now().UnixNano()
	}
	e.set.Instruments.WrittenEvents.Add(ctx, int64(sink.Written))
	e.set.Instruments.DuplicateEvents.Add(ctx, int64(len(sink.Duplicates)))
	e.set.Instruments.ConflictEvents.Add(ctx, int64(len(sink.Conflicts)))
	receipt.FromContext(ctx).Fill(sink)
	return nil
}

func (e *auditExporter) write(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	n := int64(len(events))
	e.set.Instruments.PendingEvents.Add(ctx, n)
	defer e.set.Instruments.PendingEvents.Add(ctx, -n)
	started := e.set.Now()
	result, err := e.store.Write(ctx, events)
	if err != nil {
		return result, fmt.Errorf("write %d events: %w", n, err)
	}
	e.set.Instruments.CommitDuration.Record(ctx, e.set.Now().Sub(started).Seconds())
	e.set.Instruments.WriteEvents.Record(ctx, n)
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
