package enrichprocessor

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/identity"
)

// record gives one record of a request without an id.
func record(ld plog.Logs) plog.LogRecord {
	return ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
}

func eventsOf(tb testing.TB, e *enricher, ld plog.Logs) []activity.Event {
	tb.Helper()
	_, err := e.process(tb.Context(), ld)
	require.NoError(tb, err)
	events, err := activitylogs.Events(ld)
	require.NoError(tb, err)
	return events
}

func TestClientIDs(t *testing.T) {
	e := started(t, nil)
	anULID := ulid.MustParse("01JNF4T5N0ABCDEFGHJKMNPQRS")
	v5 := func(s string) string { return uuid.NewSHA1(uuid.MustParse(identity.Namespace), []byte(s)).String() }
	for _, tt := range []struct {
		name string
		put  func(pcommon.Value)
		want string
		note string
	}{
		{"UUID", func(v pcommon.Value) { v.SetStr("0190b5a0-c0de-4abc-8def-0123456789ab") }, "0190b5a0-c0de-4abc-8def-0123456789ab", ""},
		{"UUID in capitals", func(v pcommon.Value) { v.SetStr("0190B5A0-C0DE-4ABC-8DEF-0123456789AB") }, "0190b5a0-c0de-4abc-8def-0123456789ab", ""},
		{"UUID without dashes", func(v pcommon.Value) { v.SetStr("0190b5a0c0de4abc8def0123456789ab") }, "0190b5a0-c0de-4abc-8def-0123456789ab", ""},
		{"ULID", func(v pcommon.Value) { v.SetStr(anULID.String()) }, uuid.UUID(anULID).String(), ""},
		{"ULID in small letters", func(v pcommon.Value) { v.SetStr("01jnf4t5n0abcdefghjkmnpqrs") }, uuid.UUID(anULID).String(), ""},
		{"no ULID: beyond 128 bits", func(v pcommon.Value) { v.SetStr("81JNF4T5N0ABCDEFGHJKMNPQRS") }, v5("81JNF4T5N0ABCDEFGHJKMNPQRS"), `"81JNF4T5N0ABCDEFGHJKMNPQRS"`},
		{"text", func(v pcommon.Value) { v.SetStr(`order "17"`) }, v5(`order "17"`), `"order \"17\""`},
		{"a UUID with a slip", func(v pcommon.Value) { v.SetStr("0190b5a0-c0de-4abc-8def-0123456789ag") }, v5("0190b5a0-c0de-4abc-8def-0123456789ag"), `"0190b5a0-c0de-4abc-8def-0123456789ag"`},
		{"a number", func(v pcommon.Value) { v.SetInt(17) }, v5("17"), `"17"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ld := otlp(1)
			tt.put(record(ld).Attributes().PutEmpty("log.record.uid"))
			got := eventsOf(t, e, ld)[0]
			assert.Equal(t, tt.want, got.ID.String())
			if tt.note == "" {
				assert.NotContains(t, got.ExtraData, `"_id"`)
			} else {
				assert.Contains(t, got.ExtraData, `"_id":`+tt.note)
			}
			assert.NotContains(t, got.ExtraData, "log.record.uid")
		})
	}
}

// An id that says nothing is no id.
func TestEmptyIDsAreDerived(t *testing.T) {
	e := started(t, nil)
	for _, text := range []string{"", "00000000-0000-0000-0000-000000000000", "00000000000000000000000000"} {
		ld := otlp(1)
		record(ld).Attributes().PutStr("log.record.uid", text)
		got := eventsOf(t, e, ld)[0]
		assert.Equal(t, byte(8), got.ID[6]>>4)
		assert.NotContains(t, got.ExtraData, `"_id"`)
	}
}

// An id without a datetime takes the time inside it.
func TestTimeInAnID(t *testing.T) {
	e := started(t, nil)
	at := testNow.Add(-90 * time.Minute)
	v7 := activity.ID{6: 0x70, 8: 0x80, 15: 1}
	for i, ms := 5, at.UnixMilli(); i >= 0; i-- {
		v7[i] = byte(ms)
		ms >>= 8
	}
	anULID, err := ulid.New(ulid.Timestamp(at), nil)
	require.NoError(t, err)
	foreign := v7
	foreign[8] = 0xc0 // of another variant, which has no versions
	future := v7
	future[0] = 0xff // beyond every int64 of nanoseconds
	for _, tt := range []struct {
		name, id string
		stamp    pcommon.Timestamp
		observed pcommon.Timestamp
		want     time.Time
	}{
		{name: "UUIDv7", id: v7.String(), want: at},
		{name: "ULID", id: anULID.String(), want: at},
		{name: "the id before the SDK's clock", id: v7.String(), observed: pcommon.NewTimestampFromTime(testNow.Add(-time.Hour)), want: at},
		{name: "the datetime before the id", id: v7.String(), stamp: pcommon.NewTimestampFromTime(testNow.Add(-time.Minute)), want: testNow.Add(-time.Minute)},
		{name: "another variant holds none", id: foreign.String(), want: testNow},
		{name: "UUIDv4 holds none", id: "0190b5a0-c0de-4abc-8def-0123456789ab", want: testNow},
		{name: "UUIDv4 holds none, but an SDK saw it", id: "0190b5a0-c0de-4abc-8def-0123456789ab", observed: pcommon.NewTimestampFromTime(testNow.Add(-time.Hour)), want: testNow.Add(-time.Hour)},
		{name: "a time beyond all bounds", id: future.String(), want: testNow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ld := otlp(1)
			lr := record(ld)
			lr.Attributes().PutStr("log.record.uid", tt.id)
			lr.SetTimestamp(tt.stamp)
			lr.SetObservedTimestamp(tt.observed)
			got := eventsOf(t, e, ld)[0]
			assert.Equal(t, tt.want.UTC(), time.Unix(0, got.Datetime).UTC())
			assert.Equal(t, testNow.UnixNano(), got.ReceivedAt)
		})
	}
}

func TestDerivedIDs(t *testing.T) {
	e := started(t, nil)
	base := eventsOf(t, e, otlp(3))
	ids := map[activity.ID]bool{}
	for i := range base {
		id := base[i].ID
		ids[id] = true
		assert.Equal(t, byte(8), id[6]>>4, "version")
		assert.Equal(t, byte(2), id[8]>>6, "variant")
	}
	assert.Len(t, ids, 3, "equal siblings are several events")

	other := started(t, nil) // another process
	retry := eventsOf(t, other, otlp(3))
	for i := range base {
		assert.Equal(t, base[i].ID, retry[i].ID, "a retry is the same event")
	}
	assert.Equal(t, base[0].ID, eventsOf(t, e, otlp(1))[0].ID, "the ordinal counts within one request")

	for name, change := range map[string]func(plog.Logs, plog.LogRecord){
		"resource": func(ld plog.Logs, _ plog.LogRecord) {
			ld.ResourceLogs().At(0).Resource().Attributes().PutStr("host.name", "b")
		},
		"scope": func(ld plog.Logs, _ plog.LogRecord) {
			ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().SetVersion("2")
		},
		"scope attribute": func(ld plog.Logs, _ plog.LogRecord) {
			ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().PutBool("a", true)
		},
		"time":          func(_ plog.Logs, lr plog.LogRecord) { lr.SetTimestamp(lr.Timestamp() + 1) },
		"observed time": func(_ plog.Logs, lr plog.LogRecord) { lr.SetObservedTimestamp(1) },
		"severity":      func(_ plog.Logs, lr plog.LogRecord) { lr.SetSeverityNumber(17) },
		"severity text": func(_ plog.Logs, lr plog.LogRecord) { lr.SetSeverityText("x") },
		"flags":         func(_ plog.Logs, lr plog.LogRecord) { lr.SetFlags(1) },
		"trace":         func(_ plog.Logs, lr plog.LogRecord) { lr.SetTraceID([16]byte{1}) },
		"span":          func(_ plog.Logs, lr plog.LogRecord) { lr.SetSpanID([8]byte{1}) },
		"body":          func(_ plog.Logs, lr plog.LogRecord) { lr.Body().SetStr("x") },
		"body, nested": func(_ plog.Logs, lr plog.LogRecord) {
			lr.Body().SetEmptySlice().AppendEmpty().SetEmptyMap().PutInt("x", 1)
		},
		"body, nested too": func(_ plog.Logs, lr plog.LogRecord) {
			lr.Body().SetEmptyMap().PutEmptySlice("x").AppendEmpty().SetInt(1)
		},
		"attribute":        func(_ plog.Logs, lr plog.LogRecord) { lr.Attributes().PutBool("odd", false) },
		"attribute's type": func(_ plog.Logs, lr plog.LogRecord) { lr.Attributes().PutStr("odd", "true") },
		"a header":         func(_ plog.Logs, lr plog.LogRecord) { lr.Attributes().PutStr("http.request.header.x", "1") },
		"bytes":            func(_ plog.Logs, lr plog.LogRecord) { lr.Attributes().PutEmptyBytes("b").FromRaw([]byte{1}) },
		"a double":         func(_ plog.Logs, lr plog.LogRecord) { lr.Attributes().PutDouble("b", 1) },
		"an int":           func(_ plog.Logs, lr plog.LogRecord) { lr.Attributes().PutInt("b", 1) },
	} {
		ld := otlp(1)
		change(ld, record(ld))
		id := eventsOf(t, e, ld)[0].ID
		assert.False(t, ids[id], "%s makes no difference", name)
		ids[id] = true
	}
}
