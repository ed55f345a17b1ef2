package integrityprocessor

import (
	"context"
	"encoding/binary"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/processor/integrityprocessor/internal/metadatatest"
)

func TestSealsEveryRecord(t *testing.T) {
	for _, n := range []int{0, 1, chunk, chunk + 1, 10*chunk + 7} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			proc, sink, telemetry := start(t, 4)
			require.NoError(t, proc.ConsumeLogs(t.Context(), logsOf(t, events(n)...)))
			got := received(t, sink)
			require.Len(t, got, n)
			salts := map[string]bool{}
			for i := range got {
				requireVerdict(t, canonical.Verified, &got[i])
				assert.Equal(t, idOf(i), got[i].ID, "the order is kept")
				salts[string(got[i].IntegritySalts)] = true
			}
			assert.Len(t, salts, n, "every event has salts of its own")
			requireCounts(t, telemetry, n, 0, 0)
		})
	}
}

func TestSealChangesNothingElse(t *testing.T) {
	proc, sink, _ := start(t, 1)
	before := events(1)[0]
	require.NoError(t, proc.ConsumeLogs(t.Context(), logsOf(t, before)))
	got := received(t, sink)[0]
	got.SchemaVersion, got.IntegrityHash, got.IntegritySalts, got.IntegrityCommitments = 0, nil, nil, nil
	assert.Equal(t, before, got)
}

func TestKeepsValidSeals(t *testing.T) {
	proc, sink, telemetry := start(t, 2)
	sealed := events(3)
	for i := range sealed {
		seal(&sealed[i])
	}
	sealed[2].Erase(activity.GroupPersonal)
	require.NoError(t, proc.ConsumeLogs(t.Context(), logsOf(t, sealed...)))
	assert.Equal(t, sealed, received(t, sink))
	requireCounts(t, telemetry, 0, 3, 0)
}

func TestKeepsInvalidSealsForVerification(t *testing.T) {
	for name, spoil := range map[string]func(*activity.Event){
		"column changed":      func(e *activity.Event) { e.Action = "other" },
		"hash removed":        func(e *activity.Event) { e.IntegrityHash = nil },
		"salts removed":       func(e *activity.Event) { e.IntegritySalts = nil },
		"commitments removed": func(e *activity.Event) { e.IntegrityCommitments = nil },
		"version removed":     func(e *activity.Event) { e.SchemaVersion = 0 },
		"version alone": func(e *activity.Event) {
			e.IntegrityHash, e.IntegritySalts, e.IntegrityCommitments = nil, nil, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			proc, sink, telemetry := start(t, 1)
			list := events(2)
			seal(&list[0])
			spoil(&list[0])
			require.NoError(t, proc.ConsumeLogs(t.Context(), logsOf(t, list...)))
			got := received(t, sink)
			assert.Equal(t, list[0], got[0], "passed on as it came")
			var enc canonical.Encoder
			assert.NotEqual(t, canonical.Verified, enc.Verify(&got[0]))
			requireVerdict(t, canonical.Verified, &got[1])
			requireCounts(t, telemetry, 1, 0, 1)
		})
	}
}

func TestRefusesWhatIsNoEvent(t *testing.T) {
	for name, spoil := range map[string]func(plog.LogRecord){
		"foreign record": func(lr plog.LogRecord) { lr.SetEventName("") },
		"wrong type":     func(lr plog.LogRecord) { lr.Attributes().PutBool(activitylogs.KeyAction, true) },
	} {
		t.Run(name, func(t *testing.T) {
			proc, sink, telemetry := start(t, 4)
			ld := logsOf(t, events(5*chunk)...)
			records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
			spoil(records.At(3 * chunk))
			err := proc.ConsumeLogs(t.Context(), ld)
			require.ErrorIs(t, err, activity.ErrInvalid)
			require.ErrorContains(t, err, "enrich")
			assert.True(t, consumererror.IsPermanent(err))
			assert.Empty(t, sink.AllLogs(), "nothing of the batch goes on")
			_, err = telemetry.GetMetric("otelcol_processor_integrity_sealed_events")
			assert.Error(t, err, "nothing is counted")
		})
	}
}

func TestConcurrentBatches(t *testing.T) {
	proc, sink, telemetry := start(t, 3)
	const callers, n = 8, 3 * chunk
	var wait sync.WaitGroup
	for range callers {
		ld := logsOf(t, events(n)...)
		wait.Go(func() { assert.NoError(t, proc.ConsumeLogs(context.Background(), ld)) })
	}
	wait.Wait()
	got := received(t, sink)
	require.Len(t, got, callers*n)
	for i := range got {
		requireVerdict(t, canonical.Verified, &got[i])
	}
	requireCounts(t, telemetry, callers*n, 0, 0)
}

func start(t *testing.T, workers int) (processor.Logs, *consumertest.LogsSink, *componenttest.Telemetry) {
	t.Helper()
	telemetry := componenttest.NewTelemetry()
	t.Cleanup(func() { assert.NoError(t, telemetry.Shutdown(context.Background())) })
	sink := new(consumertest.LogsSink)
	factory := NewFactory()
	cfg := factory.CreateDefaultConfig().(*Config)
	cfg.Workers = workers
	proc, err := factory.CreateLogs(t.Context(), metadatatest.NewSettings(telemetry), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, proc.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, proc.Shutdown(context.Background())) })
	return proc, sink, telemetry
}

func idOf(i int) activity.ID {
	id := activity.ID{6: 0x70, 8: 0x80}
	binary.BigEndian.PutUint32(id[12:], uint32(i+1))
	return id
}

// events are request events of about 500 bytes of text, as enrich leaves them.
func events(n int) []activity.Event {
	list := make([]activity.Event, n)
	for i := range list {
		list[i] = activity.Event{
			ID: idOf(i), Kind: activity.KindRequest,
			Datetime: 1_790_000_000_123_456_789 + int64(i), ReceivedAt: 1_790_000_000_223_456_789,
			TenantID: "acme", Service: "billing", Producer: "billing-7f9c", ProducerSeq: int64(i + 1),
			TraceID: [16]byte{1, 2, 3}, SpanID: [8]byte{4, 5, 6}, SeverityNumber: 9,
			Action: "GET", Outcome: activity.OutcomeSuccess, UserID: "4711", Username: "ada",
			UserEmail: "ada@example.org", UserRoles: `["admin","auditor"]`, ActorType: activity.ActorUser,
			AuthMethod: activity.AuthMethodJWT, AuthVerified: activity.AuthVerified, AuthIssuer: "https://id.example.org",
			AuthKeyID: "2026-01", RemoteIP: "203.0.113.9",
			UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0 Safari/537.36",
			Browser:   "Chrome", Platform: "Linux", OperatingSystem: "Linux",
			Latitude: activity.Some(0), Longitude: activity.Some(-73_935_242), City: "Accra", CountryCode: "GH",
			Method: "GET", URL: "/api/invoices/2026/11/4711/", QueryString: "expand=lines&currency=EUR",
			Route: "/api/invoices/{year}/{month}/{id}/", ResponseStatus: 200, ResponseTimeUS: activity.Some(12_345),
			RequestBodySize: activity.Some(0), ResponseBodySize: activity.Some(2_048),
			ExtraData: `{"request_id":"0b1c","feature":"invoice-list"}`,
		}
	}
	return list
}

func seal(e *activity.Event) {
	var enc canonical.Encoder
	salts := [canonical.SaltsSize]byte{0: 1, 16: 2}
	enc.Seal(e, &salts)
}

func logsOf(tb testing.TB, list ...activity.Event) plog.Logs {
	tb.Helper()
	var b activitylogs.Builder
	for i := range list {
		b.Add(&list[i], nil)
	}
	ld := b.Logs()
	require.Equal(tb, len(list), ld.LogRecordCount())
	return ld
}

func received(t *testing.T, sink *consumertest.LogsSink) []activity.Event {
	t.Helper()
	var out []activity.Event
	for _, ld := range sink.AllLogs() {
		list, err := activitylogs.Events(ld)
		require.NoError(t, err)
		out = append(out, list...)
	}
	return out
}

func requireVerdict(t *testing.T, want canonical.Verdict, e *activity.Event) {
	t.Helper()
	var enc canonical.Encoder
	require.Equal(t, want, enc.Verify(e), e.ID.String())
}

func requireCounts(t *testing.T, telemetry *componenttest.Telemetry, sealed, kept, invalid int) {
	t.Helper()
	if sealed+kept+invalid == 0 {
		return // an empty batch counts nothing
	}
	point := func(n int) []metricdata.DataPoint[int64] {
		return []metricdata.DataPoint[int64]{{Value: int64(n)}}
	}
	ignore := metricdatatest.IgnoreTimestamp()
	metadatatest.AssertEqualProcessorIntegritySealedEvents(t, telemetry, point(sealed), ignore)
	metadatatest.AssertEqualProcessorIntegrityKeptEvents(t, telemetry, point(kept), ignore)
	metadatatest.AssertEqualProcessorIntegrityInvalidSeals(t, telemetry, point(invalid), ignore)
}
