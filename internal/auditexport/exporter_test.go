package auditexport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faults puts errors around the real store, one for each write, in order.
type faults struct {
	storage.Store
	mu     sync.Mutex
	before []error // failed, not stored
	after  []error // failed, but stored
	refuse activity.ID
	writes int
}

func next(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	*errs = (*errs)[1:]
	return err
}

func (f *faults) Write(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if err := next(&f.before); err != nil {
		return storage.WriteResult{}, err
	}
	for i := range events {
		if events[i].ID == f.refuse {
			others := append(append([]activity.Event(nil), events[:i]...), events[i+1:]...)
			result, err := f.Store.Write(ctx, others)
			result.Refused = []storage.Refusal{{Index: i, Err: errors.New("poison")}}
			return result, err
		}
	}
	result, err := f.Store.Write(ctx, events)
	if err == nil {
		err = next(&f.after)
	}
	return result, err
}

// settings are those of a component over SQLite in a folder of its own, with
// retries that end soon.
func settings(t *testing.T) Settings {
	t.Helper()
	database := sqldb.NewDefaultConfig()
	database.SQLite.Directory = t.TempDir()
	instruments, _ := newInstruments(t)
	s := Settings{
		Delivery: NewDefaultConfig(), Identity: database.Identity(), Folder: database.SQLite.Directory,
		Open: func(ctx context.Context, opts storage.Options) (storage.Store, error) {
			return sqldb.Open(ctx, database, opts)
		},
		Instruments: instruments, Shutdown: func() {},
	}
	s.Delivery.Retry.InitialInterval, s.Delivery.Retry.MaxElapsedTime = 10*time.Millisecond, 300*time.Millisecond
	return s
}

var testType = component.MustNewType("audittest")

// made gives the exporter behind the real exporterhelper, not started.
func made(t *testing.T, s Settings) (exporter.Logs, *auditExporter) {
	t.Helper()
	logs, e, err := newLogs(t.Context(), exportertest.NewNopSettings(testType), &s.Delivery, s)
	require.NoError(t, err)
	return logs, e
}

// started runs the exporter over real SQLite.
func started(t *testing.T) (exporter.Logs, *auditExporter, *faults) {
	t.Helper()
	logs, e := made(t, settings(t))
	require.NoError(t, logs.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, logs.Shutdown(context.Background())) })
	f := &faults{Store: e.store}
	e.store = f
	return logs, e, f
}

func events(n int) []activity.Event {
	out := make([]activity.Event, n)
	now := time.Now().UnixNano()
	for i := range out {
		out[i] = activity.Event{
			ID: activity.ID{byte(i >> 8), byte(i), 2: 1, 6: 0x70, 8: 0x80}, Kind: activity.KindLogin, Type: "login",
			Datetime: now, ReceivedAt: now, UserID: "7", IntegrityHash: make([]byte, 32), IntegritySalts: []byte(fmt.Sprintf("%032d", i)),
			IntegrityCommitments: make([]byte, 64), SchemaVersion: 1,
		}
	}
	return out
}

func logsOf(es []activity.Event) plog.Logs {
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for i := range es {
		lr := records.AppendEmpty()
		activitylogs.Encode(&es[i], lr)
		activitylogs.EncodeSeal(&es[i], lr)
	}
	return ld
}

func stored(t *testing.T, s storage.Store) int64 {
	t.Helper()
	n, err := s.Count(t.Context(), activity.AllTenants(), activity.Query{}, 100_000)
	require.NoError(t, err)
	return n.N
}

func consume(t *testing.T, logs exporter.Logs, es []activity.Event) (receipt.Sink, error) {
	t.Helper()
	ctx, r := receipt.NewContext(t.Context())
	err := logs.ConsumeLogs(ctx, logsOf(es))
	sink, _ := r.Sink()
	return sink, err
}

func letters(t *testing.T, e *auditExporter) []deadletter.Entry {
	t.Helper()
	var out []deadletter.Entry
	for entry, err := range e.letters.Entries() {
		require.NoError(t, err)
		out = append(out, entry)
	}
	return out
}

func TestFailedNotStored(t *testing.T) {
	logs, _, f := started(t)
	f.before = []error{storage.ErrRetryable, storage.ErrOverloaded}
	sink, err := consume(t, logs, events(10))
	require.NoError(t, err)
	assert.Equal(t, 10, sink.Written)
	assert.Equal(t, 3, f.writes)
	assert.EqualValues(t, 10, stored(t, f.Store))
}

func TestFailedButStoredIsWrittenToTheClient(t *testing.T) {
	logs, _, f := started(t)
	es := events(10)
	_, err := consume(t, logs, es[:3])
	require.NoError(t, err)
	resealed := append([]activity.Event(nil), es...)
	for i := range 3 { // a client's own retry is sealed anew
		resealed[i].IntegritySalts = []byte(fmt.Sprintf("%032d", 500+i))
	}
	f.after = []error{storage.ErrRetryable}
	sink, err := consume(t, logs, resealed)
	require.NoError(t, err)
	assert.Equal(t, 7, sink.Written, "what the first attempt stored is no duplicate")
	assert.Len(t, sink.Duplicates, 3)
	assert.EqualValues(t, 10, stored(t, f.Store))
}

// TestOwnRetryBesideALaterEventWithItsID: an id may come again at another time.
func TestOwnRetryBesideALaterEventWithItsID(t *testing.T) {
	logs, _, f := started(t)
	es := events(1)
	later := es[0]
	later.Datetime += int64(time.Hour)
	later.IntegritySalts = []byte(fmt.Sprintf("%032d", 7))
	_, err := consume(t, logs, []activity.Event{later})
	require.NoError(t, err)
	f.after = []error{storage.ErrRetryable}
	sink, err := consume(t, logs, es)
	require.NoError(t, err)
	assert.Equal(t, 1, sink.Written, "what the first attempt stored is no duplicate")
	assert.Empty(t, sink.Duplicates)
}

func TestUnavailableStaysRetryableAndNamesItsCause(t *testing.T) {
	for _, cause := range []error{storage.ErrOverloaded, storage.ErrRetryable, storage.ErrClosed, context.DeadlineExceeded} {
		logs, _, f := started(t)
		for range 200 {
			f.before = append(f.before, cause)
		}
		began := time.Now()
		_, err := consume(t, logs, events(1))
		require.ErrorIs(t, err, cause)
		assert.False(t, consumererror.IsPermanent(err))
		assert.Less(t, time.Since(began), 2*time.Second)
	}
}

func TestPoisonHarmsNoNeighbour(t *testing.T) {
	logs, e, f := started(t)
	es := events(1000)
	f.refuse = es[500].ID
	sink, err := consume(t, logs, es)
	require.NoError(t, err)
	assert.Equal(t, 999, sink.Written)
	assert.Equal(t, []activity.ID{es[500].ID}, sink.Refused)
	assert.EqualValues(t, 999, stored(t, f.Store))
	kept := letters(t, e)
	require.Len(t, kept, 1)
	assert.Equal(t, deadletter.CauseRefused, kept[0].Cause)
	assert.Equal(t, es[500].ID, kept[0].Event.ID)
}

func TestConflictAndUndecodableAreKept(t *testing.T) {
	logs, e, _ := started(t)
	es := events(2)
	_, err := consume(t, logs, es)
	require.NoError(t, err)
	es[1].Type = "logout"
	ld := logsOf(es[1:])
	ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty().Body().SetStr("a debug line")
	require.NoError(t, logs.ConsumeLogs(t.Context(), ld))
	causes := map[deadletter.Cause]string{}
	for _, l := range letters(t, e) {
		causes[l.Cause] = l.Event.Type + l.Event.Message
	}
	assert.Equal(t, map[deadletter.Cause]string{deadletter.CauseConflict: "logout", deadletter.CauseInvalid: "a debug line"}, causes)
}

func TestFullDeadLettersAreNotAcknowledged(t *testing.T) {
	logs, e, f := started(t)
	require.NoError(t, e.letters.Close()) // refuses every append, as a full one does
	es := events(3)
	f.refuse = es[1].ID
	_, err := consume(t, logs, es)
	require.Error(t, err)
	assert.False(t, consumererror.IsPermanent(err))
	assert.EqualValues(t, 2, stored(t, f.Store))
}
