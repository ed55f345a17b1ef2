package activitylogs_test

import (
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// filled gives an event of the kind with every field that the kind can carry.
func filled(kind activity.Kind, r *rand.Rand) activity.Event {
	e := activity.Event{Kind: kind}
	for _, f := range activity.Fields() {
		if p := e.Text(f); p != nil {
			*p = f.String() + string(rune('a'+r.IntN(26))) + "é"
		} else if p := e.Int(f); p != nil {
			*p = 1 + r.Int64N(1<<40)
		} else if p := e.Opt(f); p != nil {
			*p = activity.Some(r.Int64N(1 << 30))
		}
	}
	e.StoredNS = 0
	e.SeverityNumber = 1 + r.Int64N(24)
	e.Allowed = activity.Allowed(1 + r.Int64N(2))
	e.Latitude = activity.Some(r.Int64N(1_800_000_001) - 900_000_000)
	e.Longitude = activity.Some(r.Int64N(3_600_000_001) - 1_800_000_000)
	e.ResponseTimeUS = activity.Some(r.Int64N(1 << 50))
	e.UserRoles = `["admin","a\"b<é>"]`
	e.TruncatedFields = "message,url"
	e.ID, e.TraceID, e.SpanID = activity.ID{1, 15: 2}, [16]byte{3, 15: 4}, [8]byte{5, 7: 6}
	e.IntegrityHash, e.IntegritySalts, e.IntegrityCommitments = []byte{1}, []byte{2}, []byte{0, 3}
	if kind == activity.KindRequest || kind == activity.KindCORS {
		e.Type = ""
	}
	return e
}

func roundTrip(t *testing.T, e *activity.Event) activity.Event {
	t.Helper()
	var b activitylogs.Builder
	b.Add(e, nil)
	events, err := activitylogs.Events(b.Logs())
	require.NoError(t, err)
	require.Len(t, events, 1)
	return events[0]
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, kind := range activity.Kinds() {
		for range 200 {
			e := filled(kind, r)
			require.Equal(t, e, roundTrip(t, &e))
		}
		empty := activity.Event{Kind: kind}
		require.Equal(t, empty, roundTrip(t, &empty))
	}
}

func TestGolden(t *testing.T) {
	for _, kind := range activity.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			e := filled(kind, rand.New(rand.NewPCG(7, 7)))
			var b activitylogs.Builder
			b.Add(&e, nil)
			raw, err := (&plog.JSONMarshaler{}).MarshalLogs(b.Logs())
			require.NoError(t, err)
			path := filepath.Join("testdata", kind.String()+".json")
			if *update {
				require.NoError(t, os.WriteFile(path, indented(t, raw), 0o600))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.JSONEq(t, string(want), string(raw))

			ld, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(want)
			require.NoError(t, err)
			events, err := activitylogs.Events(ld)
			require.NoError(t, err)
			assert.Equal(t, []activity.Event{e}, events)
		})
	}
}

func indented(t *testing.T, raw []byte) []byte {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(raw, &v))
	out, err := json.MarshalIndent(v, "", "  ")
	require.NoError(t, err)
	return append(out, '\n')
}

func TestRoles(t *testing.T) {
	for _, text := range []string{`[]`, `["a"]`, `["a", "b"]`, `[1,"b"]`, `null`, `{"_truncated":9}`, `["\u0061"]`} {
		e := activity.Event{Kind: activity.KindLogin, UserRoles: text}
		got := roundTrip(t, &e)
		assert.Equal(t, text, got.UserRoles)
	}
}

func TestUnits(t *testing.T) {
	none := activity.OptInt64{}
	for _, tt := range []struct {
		in   float64
		want activity.OptInt64
	}{
		{0, activity.Some(0)},
		{math.Copysign(0, -1), activity.Some(0)},
		{90, activity.Some(900_000_000)},
		{90.0000001, none},
		{math.NaN(), none},
		{math.Inf(1), none},
		{math.Inf(-1), none},
		{0.00000005, activity.Some(1)},
		{-0.00000005, activity.Some(-1)},
		{0.000000049, activity.Some(0)},
	} {
		assert.Equal(t, tt.want, activitylogs.Degrees(tt.in, activitylogs.MaxLatitude), tt.in)
	}
	assert.Equal(t, activity.Some(1), activitylogs.Micros(0.0005))
	assert.Equal(t, activity.Some(1500), activitylogs.Micros(1.5))
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1), 1e300} {
		assert.Equal(t, none, activitylogs.Micros(bad), bad)
	}
}

func TestInputsNeverReachAnEvent(t *testing.T) {
	var b activitylogs.Builder
	b.Add(&activity.Event{Kind: activity.KindCRUD, Service: "shop"}, &activitylogs.Inputs{
		Headers:     map[string][]string{"authorization": {"Bearer x"}, "accept": {"a", "b"}},
		PeerAddress: "192.0.2.1", Before: `{"a":1}`, After: `{"a":2}`,
	})
	ld := b.Logs()
	attrs := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes()
	assert.Equal(t, map[string]any{
		"http.request.header.accept": []any{"a", "b"}, "http.request.header.authorization": []any{"Bearer x"},
		"network.peer.address": "192.0.2.1", "activity.object.before": `{"a":1}`, "activity.object.after": `{"a":2}`,
	}, attrs.AsRaw())
	events, err := activitylogs.Events(ld)
	require.NoError(t, err)
	assert.Equal(t, []activity.Event{{Kind: activity.KindCRUD, Service: "shop"}}, events)
}

func TestWrongTypesAreNamed(t *testing.T) {
	lr := plog.NewLogRecord()
	var e activity.Event
	require.ErrorIs(t, activitylogs.Decode(plog.NewResourceLogs().Resource(), lr, &e), activity.ErrInvalid)
	lr.SetEventName("activity.crud")
	lr.Attributes().PutInt("user.id", 7)
	err := activitylogs.Decode(plog.NewResourceLogs().Resource(), lr, &e)
	require.ErrorIs(t, err, activity.ErrInvalid)
	assert.ErrorContains(t, err, "user.id")
}

func TestEncodeSeal(t *testing.T) {
	lr := plog.NewLogRecord()
	e := activity.Event{Kind: activity.KindCRUD, SchemaVersion: 1, IntegrityHash: []byte{1}, IntegritySalts: []byte{2}}
	lr.SetEventName("activity.crud")
	lr.Attributes().PutStr("user.id", "7")
	activitylogs.EncodeSeal(&e, lr)
	var got activity.Event
	require.NoError(t, activitylogs.Decode(plog.NewResourceLogs().Resource(), lr, &got))
	e.UserID = "7"
	assert.Equal(t, e, got)
}

func FuzzEvents(f *testing.F) {
	e := filled(activity.KindRequest, rand.New(rand.NewPCG(1, 1)))
	var b activitylogs.Builder
	b.Add(&e, nil)
	raw, err := (&plog.ProtoMarshaler{}).MarshalLogs(b.Logs())
	require.NoError(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(raw)
		if err != nil {
			return
		}
		events, _ := activitylogs.Events(ld)
		for i := range events {
			if o := events[i].ResponseTimeUS; o.Value > 1<<50 {
				continue
			}
			again := roundTrip(t, &events[i])
			require.Equal(t, events[i].UserRoles, again.UserRoles)
			require.Equal(t, events[i].Latitude, again.Latitude)
			require.Equal(t, events[i].URL, again.URL)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	e := filled(activity.KindRequest, rand.New(rand.NewPCG(1, 1)))
	var build activitylogs.Builder
	build.Add(&e, nil)
	rl := build.Logs().ResourceLogs().At(0)
	lr := rl.ScopeLogs().At(0).LogRecords().At(0)
	b.ReportAllocs()
	for b.Loop() {
		if err := activitylogs.Decode(rl.Resource(), lr, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	e := filled(activity.KindRequest, rand.New(rand.NewPCG(1, 1)))
	lr := plog.NewLogRecord()
	b.ReportAllocs()
	for b.Loop() {
		activitylogs.Encode(&e, lr)
	}
}
