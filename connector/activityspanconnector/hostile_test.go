package activityspanconnector

import (
	"context"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/activitylog/otelcol-activitylog/connector/activityspanconnector/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// TestHostileSpans: nothing that a span may hold stops its neighbours, and what
// nobody asked for stays out.
func TestHostileSpans(t *testing.T) {
	huge := strings.Repeat("x", 4<<20)
	td, list := newSpans()
	addServer(t, list, map[string]any{
		"http.request.method": huge, "url.path": "/" + huge, "http.response.status_code": huge, "http.request.header." + huge: huge,
		"sql": huge, "user_agent.original": "a\x00b\xffc",
	})
	addServer(t, list, map[string]any{
		"http.request.method": map[string]any{"a": []any{1, nil}}, "url.path": []any{"/a"}, "http.target": 7, "url.full": true,
		"http.response.status_code": math.NaN(), "client.address": []any{}, "network.peer.address": map[string]any{},
		"http.request.header.x-forwarded-for": map[string]any{"a": 1}, "error.type": []byte{1}, "user.roles": "admin",
	})
	addServer(t, list, map[string]any{"http.method": "", "http.status_code": int64(math.MinInt64), "http.target": "?#", "http.request.header.": ""})
	noResource := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	s := addServer(t, noResource, nil)
	s.SetTraceID(pcommon.TraceID{})
	s.SetSpanID(pcommon.SpanID{})
	s.SetStartTimestamp(math.MaxUint64)
	s.SetEndTimestamp(1)
	s.Status().SetCode(ptrace.StatusCode(77))
	list.AppendEmpty().SetKind(ptrace.SpanKind(-5))
	list.AppendEmpty().SetKind(ptrace.SpanKindServer)
	many := map[string]any{"http.request.method": "GET"}
	for i := range 100_000 {
		many["http.request.header.h"+strconv.Itoa(i)] = "v"
	}
	addServer(t, list, many)
	td.ResourceSpans().AppendEmpty()
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty()

	records := run(t, defaults(), td)
	require.Len(t, records, 5)
	for _, lr := range records {
		assert.NotContains(t, lr.Attributes().AsRaw(), "sql")
	}
	empty := records[2].Attributes().AsRaw()
	assert.Empty(t, empty["http.request.method"])
	assert.NotContains(t, empty, "url.path")
	assert.Less(t, records[3].Attributes().Len(), 200, "headers without end")
	assert.Nil(t, records[4].Attributes().AsRaw()["activity.http.duration_ms"])
}

// allowed is every attribute that a record may have.
func allowed(key string) bool {
	if strings.HasPrefix(key, activitylogs.KeyHeaderPrefix) || key == "log.record.uid" || key == "kept.one" {
		return true
	}
	for _, k := range &keys {
		if k == key {
			return true
		}
	}
	return false
}

// check holds the records that a span became to what is true of every span.
func check(t *testing.T, span ptrace.Span, records []plog.LogRecord) {
	t.Helper()
	if len(records) == 0 {
		_, stable := span.Attributes().Get("http.request.method")
		_, older := span.Attributes().Get("http.method")
		require.False(t, span.Kind() == ptrace.SpanKindServer && (stable || older) && span.EndTimestamp() != 0, "a finished HTTP server span is lost")
		return
	}
	require.Len(t, records, 1)
	lr := records[0]
	require.Equal(t, "activity.request", lr.EventName())
	require.Equal(t, span.TraceID(), lr.TraceID())
	require.Equal(t, span.SpanID(), lr.SpanID())
	require.NotZero(t, lr.Timestamp(), "the time is part of the key: without it a retry is another event")
	seen := map[string]bool{}
	for key, v := range lr.Attributes().All() {
		require.False(t, seen[key], "%q twice", key)
		seen[key] = true
		require.True(t, allowed(key), key)
		if key == activitylogs.KeyDurationMS {
			require.GreaterOrEqual(t, v.Double(), 0.0)
		}
	}
	require.Equal(t, !span.TraceID().IsEmpty() && !span.SpanID().IsEmpty(), seen["log.record.uid"])
}

// TestAnySpan makes spans of every name that the mapping knows and some that it
// does not, with values of every type, in any order.
func TestAnySpan(t *testing.T) {
	names := []string{"kept.one", "left.out", "http.response.header.set-cookie", "http.request.header.a_b", "http.request.header.A-B", "activity.flags", "log.record.uid"}
	for key := range sources {
		names = append(names, key)
	}
	cfg := defaults()
	cfg.Attributes = []string{"kept.one"}
	random := rand.New(rand.NewPCG(1, 2))
	value := func(v pcommon.Value) {
		switch random.IntN(8) {
		case 0:
			v.SetInt(random.Int64())
		case 1:
			v.SetDouble(random.NormFloat64())
		case 2:
			v.SetBool(true)
		case 3:
			v.SetEmptySlice().AppendEmpty().SetStr("/a?b")
		case 4:
			v.SetEmptyMap().PutStr("a", "b")
		case 5:
			v.SetEmptyBytes().FromRaw([]byte{0xff})
		case 6: // empty
		default:
			v.SetStr([]string{"", "GET", "_OTHER", "ws", "/a?b#c", "http://u:p@h?q", "500", "10.0.0.1"}[random.IntN(8)])
		}
	}
	made := 0
	for range 5000 {
		td, list := newSpans()
		s := addServer(t, list, map[string]any{})
		s.SetKind(ptrace.SpanKind(random.IntN(6)))
		s.SetStartTimestamp(pcommon.Timestamp(random.IntN(3)))
		s.SetEndTimestamp(pcommon.Timestamp(random.IntN(3)))
		s.Status().SetCode(ptrace.StatusCode(random.IntN(3)))
		for _, i := range random.Perm(len(names))[:random.IntN(len(names))] {
			value(s.Attributes().PutEmpty(names[i]))
		}
		// An empty value says nothing.
		s.Attributes().RemoveIf(func(k string, v pcommon.Value) bool {
			return strings.HasSuffix(k, "method") && v.Type() == pcommon.ValueTypeEmpty
		})
		records := run(t, cfg, td)
		made += len(records)
		check(t, s, records)
		if len(records) == 1 {
			again := run(t, cfg, td)
			require.Equal(t, records[0].Attributes().AsRaw(), again[0].Attributes().AsRaw(), "a retry is the same event")
		}
	}
	require.Greater(t, made, 300)
}

// FuzzTraces reads whatever OTLP may carry.
func FuzzTraces(f *testing.F) {
	td, list := newSpans()
	addServer(f, list, nil)
	addServer(f, list, map[string]any{"http.method": "GET", "http.url": "http://x/a?b", "http.status_code": "500"}).Status().SetMessage("m")
	marshal := ptrace.ProtoMarshaler{}
	seed, err := marshal.MarshalTraces(td)
	require.NoError(f, err)
	f.Add(seed)
	cfg := defaults()
	cfg.Attributes = []string{"kept.one"}
	c, err := newConnector(cfg, connectortest.NewNopSettings(metadata.Type), consumertest.NewNop())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		unmarshal := ptrace.ProtoUnmarshaler{}
		td, err := unmarshal.UnmarshalTraces(data)
		if err != nil {
			return
		}
		td.MarkReadOnly()
		require.NoError(t, c.ConsumeTraces(context.Background(), td))
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					var r request
					if c.read(s, &r) == isRequest {
						lr := plog.NewLogRecord()
						r.write(s, &origin{}, lr)
						check(t, s, []plog.LogRecord{lr})
					}
				}
			}
		}
	})
}
