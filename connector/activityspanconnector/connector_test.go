package activityspanconnector

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/activitylog/otelcol-activitylog/connector/activityspanconnector/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/connector/activityspanconnector/internal/metadatatest"
)

// startNS is when the spans of the tests start.
const startNS = 1_767_323_045_000_000_000

// newSpans gives traces with one resource and scope, and the spans of it.
func newSpans() (ptrace.Traces, ptrace.SpanSlice) {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "shop")
	rs.Resource().Attributes().PutStr("service.instance.id", "shop-1")
	rs.Resource().Attributes().PutStr("service.version", "1.2.3")
	rs.Resource().Attributes().PutStr("process.command_line", "shop --password=hunter2")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName("otelhttp")
	ss.Scope().SetVersion("0.70.0")
	return td, ss.Spans()
}

// addServer appends a finished HTTP server span of 12.3456 ms with the
// attributes, in the stable conventions when they are nil.
func addServer(tb testing.TB, list ptrace.SpanSlice, attrs map[string]any) ptrace.Span {
	tb.Helper()
	s := list.AppendEmpty()
	s.SetKind(ptrace.SpanKindServer)
	s.SetName("GET /orders/{id}")
	s.SetTraceID(pcommon.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	s.SetSpanID(pcommon.SpanID{1, 2, 3, 4, 5, 6, 7, byte(list.Len())})
	s.SetStartTimestamp(startNS)
	s.SetEndTimestamp(startNS + 12_345_600)
	if attrs == nil {
		attrs = stable()
	}
	require.NoError(tb, s.Attributes().FromRaw(attrs))
	return s
}

func stable() map[string]any {
	return map[string]any{
		"http.request.method": "GET", "url.path": "/orders/7", "url.query": "page=2", "url.scheme": "https", "http.route": "/orders/{id}",
		"http.response.status_code": 200, "http.request.body.size": 0, "http.response.body.size": 512,
		"client.address": "203.0.113.9", "network.peer.address": "10.0.0.1", "user_agent.original": "curl/8",
		"user.id": "42", "session.id": "abc", "server.address": "shop.example", "network.protocol.version": "2",
	}
}

// run gives the records that the connector makes of the traces.
func run(tb testing.TB, cfg *Config, td ptrace.Traces) []plog.LogRecord {
	tb.Helper()
	sink := &consumertest.LogsSink{}
	c, err := newConnector(cfg, connectortest.NewNopSettings(metadata.Type), sink)
	require.NoError(tb, err)
	td.MarkReadOnly() // other exporters share it
	require.NoError(tb, c.ConsumeTraces(context.Background(), td))
	require.NoError(tb, c.Shutdown(context.Background()))
	var out []plog.LogRecord
	for _, ld := range sink.AllLogs() {
		for _, rl := range ld.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, lr := range sl.LogRecords().All() {
					out = append(out, lr)
				}
			}
		}
	}
	return out
}

// one gives the attributes of the record of a server span with the attributes.
func one(t *testing.T, attrs map[string]any, change ...func(ptrace.Span)) map[string]any {
	t.Helper()
	td, list := newSpans()
	s := addServer(t, list, attrs)
	for _, f := range change {
		f(s)
	}
	records := run(t, defaults(), td)
	require.Len(t, records, 1)
	return records[0].Attributes().AsRaw()
}

func defaults() *Config { return createDefaultConfig().(*Config) }

func TestStableConventions(t *testing.T) {
	td, list := newSpans()
	addServer(t, list, nil)
	records := run(t, defaults(), td)
	require.Len(t, records, 1)
	lr := records[0]
	assert.Equal(t, "activity.request", lr.EventName())
	assert.Equal(t, pcommon.Timestamp(startNS), lr.Timestamp())
	assert.Zero(t, lr.ObservedTimestamp())
	assert.Equal(t, list.At(0).TraceID(), lr.TraceID())
	assert.Equal(t, list.At(0).SpanID(), lr.SpanID())
	assert.Equal(t, map[string]any{
		// uuid.uuid5(UUID("bd61841c-dd1c-5e08-9b19-39c8c48f4132"), "span\0" + trace + "\0" + span + "\0\0shop\0shop-1") of Python
		"log.record.uid":      "c17e0e0d-f974-5e01-a20c-53cefef6ad58",
		"http.request.method": "GET", "url.path": "/orders/7", "url.query": "page=2", "http.route": "/orders/{id}",
		"http.response.status_code": int64(200), "activity.http.duration_ms": 12.346,
		"http.request.body.size": int64(0), "http.response.body.size": int64(512),
		"client.address": "203.0.113.9", "network.peer.address": "10.0.0.1", "user_agent.original": "curl/8",
		"user.id": "42", "session.id": "abc",
		"http.request.header.x-forwarded-for": "203.0.113.9",
	}, lr.Attributes().AsRaw())
}

// TestOlderConventions: the names before HTTP became stable give the same event.
func TestOlderConventions(t *testing.T) {
	got := one(t, map[string]any{
		"http.method": "GET", "http.target": "/orders/7?page=2", "http.scheme": "https", "http.route": "/orders/{id}", "http.status_code": 200,
		"http.request_content_length": 0, "http.response_content_length": 512, "http.client_ip": "203.0.113.9", "net.peer.ip": "10.0.0.1",
		"http.user_agent": "curl/8", "enduser.id": "42", "session.id": "abc", "http.flavor": "1.1",
	})
	assert.Equal(t, one(t, nil), got)
	got = one(t, map[string]any{"http.method": "GET", "http.url": "https://user:pw@shop.example/orders/7?page=2#top", "net.sock.peer.addr": "10.0.0.1"})
	assert.Equal(t, "/orders/7", got["url.path"])
	assert.Equal(t, "page=2", got["url.query"])
	assert.Equal(t, "10.0.0.1", got["network.peer.address"])
}

// TestStableNamesCountFirst: an SDK in transition sends both, in any order.
func TestStableNamesCountFirst(t *testing.T) {
	attrs := stable()
	for key, v := range map[string]any{
		"http.method": "POST", "http.target": "/old?x=1", "http.url": "http://x/older", "http.status_code": 500, "net.peer.ip": "192.0.2.1",
		"net.sock.peer.addr": "192.0.2.2", "http.client_ip": "192.0.2.3", "http.user_agent": "old", "enduser.id": "old",
		"http.request_content_length": 9, "http.response_content_length": 9,
	} {
		attrs[key] = v
	}
	for range 8 { // a map has another order each time
		assert.Equal(t, one(t, nil), one(t, attrs))
	}
}

func TestURL(t *testing.T) {
	f := func(attrs map[string]any, path, query any) {
		t.Helper()
		attrs["http.request.method"] = "GET"
		got := one(t, attrs)
		assert.Equal(t, path, got["url.path"], "%v", attrs)
		assert.Equal(t, query, got["url.query"], "%v", attrs)
	}
	f(map[string]any{}, nil, nil)
	f(map[string]any{"url.path": "/a", "url.query": "b=1", "url.full": "http://x/c?d"}, "/a", "b=1")
	f(map[string]any{"url.full": "http://x"}, "/", nil)
	f(map[string]any{"url.full": "http://x?b=1"}, "/", "b=1")
	f(map[string]any{"url.full": "http://x/a?b=http://y/z?c"}, "/a", "b=http://y/z?c")
	f(map[string]any{"http.target": "/a?b=1#frag"}, "/a", "b=1")
	f(map[string]any{"http.target": "/a?old=1", "url.query": "new=1"}, "/a", "new=1")
	f(map[string]any{"http.target": "", "http.url": "/relative"}, "/relative", nil)
	f(map[string]any{"http.target": "/a", "http.url": "http://x/a?b=1"}, "/a", "b=1") // as ASGI says it
	f(map[string]any{"http.target": "/a", "http.url": "http://x/other?b=1"}, "/a", nil)
	f(map[string]any{"http.route": "/orders/{id}"}, nil, nil) // a template is no path
}

func TestMethod(t *testing.T) {
	assert.Equal(t, "PURGE", one(t, map[string]any{"http.request.method": "_OTHER", "http.request.method_original": "PURGE"})["http.request.method"])
	assert.Equal(t, "_OTHER", one(t, map[string]any{"http.request.method": "_OTHER"})["http.request.method"])
	assert.Equal(t, "GET", one(t, map[string]any{"http.request.method": "GET", "http.request.method_original": "get"})["http.request.method"])
	assert.Equal(t, "GET", one(t, map[string]any{"http.scheme": "ws", "http.status_code": 101})["http.request.method"], "the handshake of a WebSocket")
}

func TestHeaders(t *testing.T) {
	got := one(t, map[string]any{
		"http.request.method": "GET", "http.request.header.X-Request-Id": []any{"a", "b"}, "http.request.header.sec_ch_ua": []any{"c"},
		"http.request.header.authorization": "Bearer x", "http.response.header.set_cookie": []any{"sessionid=1"},
		"http.request.header.accept_language": "de", "http.request.header.accept-language": "de",
	})
	assert.Equal(t, map[string]any{
		"log.record.uid": got["log.record.uid"], "http.request.method": "GET", "activity.http.duration_ms": 12.346,
		"http.request.header.x-request-id": []any{"a", "b"}, "http.request.header.sec-ch-ua": []any{"c"},
		"http.request.header.authorization": "Bearer x", "http.request.header.accept-language": "de",
	}, got)
}

// TestClientAddress: what an SDK read in a forwarding header reaches enrich as
// that header, so that it counts only behind a trusted proxy.
func TestClientAddress(t *testing.T) {
	f := func(attrs map[string]any, client, peer, forwarded any) {
		t.Helper()
		attrs["http.request.method"] = "GET"
		got := one(t, attrs)
		assert.Equal(t, client, got["client.address"])
		assert.Equal(t, peer, got["network.peer.address"])
		assert.Equal(t, forwarded, got["http.request.header.x-forwarded-for"])
	}
	f(map[string]any{"client.address": "c", "network.peer.address": "p"}, "c", "p", "c")
	f(map[string]any{"client.address": "p", "network.peer.address": "p"}, "p", "p", nil)
	f(map[string]any{"network.peer.address": "p"}, nil, "p", nil)
	f(map[string]any{"client.address": "c"}, "c", "c", nil)
	f(map[string]any{"client.address": "c", "http.request.header.x_forwarded_for": "x"}, "c", "c", "x")
	f(map[string]any{"client.address": "c", "network.peer.address": "p", "http.request.header.x-forwarded-for": "x, y"}, "c", "p", "x, y")
	f(map[string]any{"client.address": "c", "network.peer.address": "p", "http.request.header.forwarded": "for=x"}, "c", "p", nil)
	f(map[string]any{"client.address": "c", "network.peer.address": "p", "http.request.header.x-real-ip": "x"}, "c", "p", nil)
}

func TestReasonAndOutcome(t *testing.T) {
	f := func(status any, code ptrace.StatusCode, wantOutcome, wantReason any, exceptions ...map[string]any) {
		t.Helper()
		attrs := map[string]any{"http.request.method": "GET", "error.type": "500"}
		if status != nil {
			attrs["http.response.status_code"] = status
		}
		got := one(t, attrs, func(s ptrace.Span) {
			s.Status().SetCode(code)
			s.Status().SetMessage("why")
			for _, e := range exceptions {
				ev := s.Events().AppendEmpty()
				ev.SetName("exception")
				require.NoError(t, ev.Attributes().FromRaw(e))
			}
			s.Events().AppendEmpty().SetName("cache miss")
		})
		assert.Equal(t, wantOutcome, got["activity.outcome"])
		assert.Equal(t, wantReason, got["activity.reason"])
	}
	value := map[string]any{"exception.type": "ValueError", "exception.message": "bad", "exception.stacktrace": "Traceback: secret"}
	f(500, ptrace.StatusCodeError, nil, "ValueError: bad", map[string]any{"exception.type": "First"}, value)
	f(500, ptrace.StatusCodeError, nil, "why")
	f(500, ptrace.StatusCodeError, nil, "KeyError", map[string]any{"exception.type": "KeyError"}, map[string]any{"exception.message": 7})
	f(403, ptrace.StatusCodeError, nil, "why")
	f("404", ptrace.StatusCodeUnset, nil, "why")
	f(200, ptrace.StatusCodeUnset, nil, nil, value) // handled
	f(200, ptrace.StatusCodeError, "failure", "ValueError: bad", value)
	f(nil, ptrace.StatusCodeError, "failure", "why")
	f(nil, ptrace.StatusCodeUnset, nil, "why")
	f("none", ptrace.StatusCodeError, "failure", "why")

	attrs := map[string]any{"http.request.method": "GET", "http.response.status_code": 500, "error.type": "500"}
	assert.NotContains(t, one(t, attrs), "activity.reason", "the status says it")
	attrs["error.type"] = "timeout"
	assert.Equal(t, "timeout", one(t, attrs)["activity.reason"])
	attrs["activity.reason"], attrs["activity.outcome"] = "limit reached", "denied"
	got := one(t, attrs, func(s ptrace.Span) { s.Status().SetCode(ptrace.StatusCodeError) })
	assert.Equal(t, "limit reached", got["activity.reason"])
	assert.Equal(t, "denied", got["activity.outcome"])
}

func TestTimes(t *testing.T) {
	f := func(start, end, at pcommon.Timestamp, duration any) {
		t.Helper()
		td, list := newSpans()
		s := addServer(t, list, nil)
		s.SetStartTimestamp(start)
		s.SetEndTimestamp(end)
		records := run(t, defaults(), td)
		require.Len(t, records, 1)
		assert.Equal(t, at, records[0].Timestamp())
		assert.Equal(t, duration, records[0].Attributes().AsRaw()["activity.http.duration_ms"])
	}
	f(1000, 1000, 1000, 0.0)
	f(1000, 1499, 1000, 0.0)
	f(1000, 1500, 1000, 0.001)
	f(2000, 1000, 2000, nil)
	f(0, 1000, 1000, nil)
	f(1, math.MaxUint64, 1, 18446744073709.552)
}

// TestIdentity: an SDK's retry is the same event, whatever an agent between adds
// to the resource; another span or service is another one.
func TestIdentity(t *testing.T) {
	id := func(change func(ptrace.ResourceSpans, ptrace.Span)) any {
		td, list := newSpans()
		s := addServer(t, list, nil)
		change(td.ResourceSpans().At(0), s)
		records := run(t, defaults(), td)
		require.Len(t, records, 1)
		return records[0].Attributes().AsRaw()["log.record.uid"]
	}
	same := id(func(ptrace.ResourceSpans, ptrace.Span) {})
	require.NotNil(t, same)
	assert.Equal(t, same, id(func(rs ptrace.ResourceSpans, _ ptrace.Span) { rs.Resource().Attributes().PutStr("k8s.pod.name", "a") }))
	assert.Equal(t, same, id(func(_ ptrace.ResourceSpans, s ptrace.Span) { s.Attributes().PutStr("added", "by an agent") }))
	others := map[any]bool{same: true}
	for _, change := range []func(ptrace.ResourceSpans, ptrace.Span){
		func(_ ptrace.ResourceSpans, s ptrace.Span) { s.SetTraceID(pcommon.TraceID{9}) },
		func(_ ptrace.ResourceSpans, s ptrace.Span) { s.SetSpanID(pcommon.SpanID{9}) },
		func(rs ptrace.ResourceSpans, _ ptrace.Span) { rs.Resource().Attributes().PutStr("service.name", "b") },
		func(rs ptrace.ResourceSpans, _ ptrace.Span) {
			rs.Resource().Attributes().PutStr("service.namespace", "b")
		},
		func(rs ptrace.ResourceSpans, _ ptrace.Span) {
			rs.Resource().Attributes().PutStr("service.instance.id", "b")
		},
	} {
		other := id(change)
		assert.False(t, others[other])
		others[other] = true
	}
	// Without both ids nothing identifies the span: enrich derives the id from what it holds.
	assert.Nil(t, id(func(_ ptrace.ResourceSpans, s ptrace.Span) { s.SetTraceID(pcommon.TraceID{}) }))
	assert.Nil(t, id(func(_ ptrace.ResourceSpans, s ptrace.Span) { s.SetSpanID(pcommon.SpanID{}) }))
}

func TestAllowLists(t *testing.T) {
	td, list := newSpans()
	addServer(t, list, map[string]any{
		"http.request.method": "GET", "app.cart": 7, "app.secret": "x", "db.statement": "SELECT",
		"activity.integrity.hash": "forged", "activity.auth.verification": "verified", "activity.flags": 1, "log.record.uid": "mine",
		"activity.action": "order.view", "activity.object.id": "7",
	})
	td.ResourceSpans().At(0).Resource().Attributes().PutStr("activity.tenant.id", "acme")
	cfg := defaults()
	cfg.Attributes = []string{"app.cart"}
	records := run(t, cfg, td)
	require.Len(t, records, 1)
	got := records[0].Attributes().AsRaw()
	delete(got, "log.record.uid")
	assert.Equal(t, map[string]any{
		"http.request.method": "GET", "activity.http.duration_ms": 12.346, "app.cart": int64(7),
		"activity.action": "order.view", "activity.object.id": "7", "activity.tenant.id": "acme",
	}, got)

	td, list = newSpans()
	td.ResourceSpans().At(0).Resource().Attributes().PutStr("activity.tenant.id", "acme")
	addServer(t, list, map[string]any{"http.request.method": "GET", "activity.tenant.id": "globex"})
	sink := &consumertest.LogsSink{}
	c, err := newConnector(cfg, connectortest.NewNopSettings(metadata.Type), sink)
	require.NoError(t, err)
	require.NoError(t, c.ConsumeTraces(t.Context(), td))
	rl := sink.AllLogs()[0].ResourceLogs().At(0)
	assert.Equal(t, map[string]any{"service.name": "shop", "service.instance.id": "shop-1", "service.version": "1.2.3"}, rl.Resource().Attributes().AsRaw())
	assert.Equal(t, "otelhttp", rl.ScopeLogs().At(0).Scope().Name())
	assert.Equal(t, "0.70.0", rl.ScopeLogs().At(0).Scope().Version())
	require.Equal(t, 1, rl.ScopeLogs().At(0).LogRecords().Len())
	assert.Equal(t, "globex", rl.ScopeLogs().At(0).LogRecords().At(0).Attributes().AsRaw()["activity.tenant.id"], "the span's own word first")
}

// TestMixedBatch: only finished HTTP server spans become events, and every other
// span is counted with the reason.
func TestMixedBatch(t *testing.T) {
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	set := connectortest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = tel.NewTelemetrySettings()
	sink := &consumertest.LogsSink{}
	c, err := newConnector(defaults(), set, sink)
	require.NoError(t, err)

	td, list := newSpans()
	addServer(t, list, nil)
	for _, kind := range []ptrace.SpanKind{ptrace.SpanKindClient, ptrace.SpanKindInternal, ptrace.SpanKindProducer, ptrace.SpanKindConsumer, ptrace.SpanKindUnspecified} {
		addServer(t, list, nil).SetKind(kind)
	}
	addServer(t, list, map[string]any{"rpc.system": "grpc", "rpc.method": "Get"})
	addServer(t, list, map[string]any{"url.scheme": "https"})
	addServer(t, list, nil).SetEndTimestamp(0)
	addServer(t, list, nil)
	addServer(t, td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans(), nil).SetKind(ptrace.SpanKindClient)
	require.NoError(t, c.ConsumeTraces(t.Context(), td))
	require.Equal(t, 2, sink.LogRecordCount())
	require.Equal(t, 1, sink.AllLogs()[0].ResourceLogs().Len(), "no empty resources")
	metadatatest.AssertEqualActivityspanEvents(t, tel, []metricdata.DataPoint[int64]{{Value: 2}}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualActivityspanIgnored(t, tel, []metricdata.DataPoint[int64]{
		{Value: 6, Attributes: attribute.NewSet(attribute.String("reason", "not_server"))},
		{Value: 2, Attributes: attribute.NewSet(attribute.String("reason", "not_http"))},
		{Value: 1, Attributes: attribute.NewSet(attribute.String("reason", "unfinished"))},
	}, metricdatatest.IgnoreTimestamp())

	empty, none := newSpans()
	none.AppendEmpty()
	require.NoError(t, c.ConsumeTraces(t.Context(), empty))
	assert.Len(t, sink.AllLogs(), 1, "a batch without a request calls nobody")
	require.NoError(t, c.Shutdown(t.Context()))
}

// TestErrorsGoBackUnchanged: the sender has to know whether to try again, and
// counts nothing that was not taken.
func TestErrorsGoBackUnchanged(t *testing.T) {
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	for _, want := range []error{errors.New("away"), consumererror.NewPermanent(errors.New("never"))} {
		set := connectortest.NewNopSettings(metadata.Type)
		set.TelemetrySettings = tel.NewTelemetrySettings()
		next, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return want })
		require.NoError(t, err)
		c, err := newConnector(defaults(), set, next)
		require.NoError(t, err)
		td, list := newSpans()
		addServer(t, list, nil)
		list.AppendEmpty()
		got := c.ConsumeTraces(t.Context(), td)
		if got != want { //nolint:errorlint // the very error, not one that wraps it
			t.Errorf("got %v", got)
		}
	}
	_, err := tel.GetMetric("otelcol_activityspan_events")
	require.Error(t, err, "nothing is counted")
	_, err = tel.GetMetric("otelcol_activityspan_ignored")
	require.Error(t, err)
}
