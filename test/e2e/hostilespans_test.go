package e2e

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// hostileSpans is one batch with everything a span may do wrong, and how many
// events it is.
func hostileSpans(t *testing.T) (ptrace.Traces, int) {
	t.Helper()
	td := ptrace.NewTraces()
	good := td.ResourceSpans().AppendEmpty()
	good.Resource().Attributes().PutStr("service.name", "shop")
	list := good.ScopeSpans().AppendEmpty().Spans()
	now := pcommon.NewTimestampFromTime(time.Now())
	add := func(list ptrace.SpanSlice, path string, attrs map[string]any) ptrace.Span {
		s := list.AppendEmpty()
		require.NoError(t, s.Attributes().FromRaw(attrs))
		s.Attributes().PutStr("http.request.method", "GET")
		if path != "" {
			s.Attributes().PutStr("url.path", path)
		}
		s.SetKind(ptrace.SpanKindServer)
		s.SetTraceID(pcommon.TraceID{1, byte(list.Len())})
		s.SetSpanID(pcommon.SpanID{1, byte(list.Len())})
		s.SetStartTimestamp(now)
		s.SetEndTimestamp(now + 1000)
		return s
	}
	add(list, "/good", nil)
	huge := strings.Repeat("x", 2<<20)
	add(list, "/huge", map[string]any{"user_agent.original": huge, "http.request.header." + huge: huge, "db.statement": huge, "activity.reason": huge})
	add(list, "", map[string]any{
		"url.path": []any{1}, "http.response.status_code": "teapot", "client.address": map[string]any{"a": []any{}}, "network.peer.address": 7,
		"user.id": math.NaN(), "http.request.body.size": -1, "http.request.header.authorization": []any{1, nil}, "session.id": []byte{0xff, 0},
	})
	add(list, "/\x00\xff/../<script>", map[string]any{"user.id": "\xed\xa0\x80", "activity.auth.verification": "verified", "activity.integrity.hash": []byte("x")})
	boom := add(list, "/boom", map[string]any{"http.response.status_code": 500}).Events().AppendEmpty()
	boom.SetName("exception")
	boom.Attributes().PutStr("exception.type", "OperationalError")
	boom.Attributes().PutStr("exception.message", "cannot connect to postgres://app:hunter2secret@db/shop?password=hunter2secret")
	boom.Attributes().PutStr("exception.stacktrace", "in connect("+huge+")")
	add(list, "/backwards", nil).SetEndTimestamp(now - 5e9)
	add(list, "/no-start", nil).SetStartTimestamp(0)
	add(list, "/unfinished", nil).SetEndTimestamp(0)
	add(list, "/client", nil).SetKind(ptrace.SpanKindClient)
	bare := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for range 2 { // equal siblings without ids
		s := add(bare, "/no-ids", nil)
		s.SetTraceID(pcommon.TraceID{})
		s.SetSpanID(pcommon.SpanID{})
	}
	return td, 9
}

// export sends traces as an SDK would and gives the status.
func export(t *testing.T, c *collector, td ptrace.Traces) int {
	t.Helper()
	body, err := ptraceotlp.NewExportRequestFromTraces(td).MarshalProto()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.OTLPHTTP+"/v1/traces", bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// TestHostileSpans: every request of the batch is stored, once however often it
// is sent, and nothing in a span is believed that is ours to say.
func TestHostileSpans(t *testing.T) {
	c := startCollector(t, spansConfig)
	td, want := hostileSpans(t)
	for range 3 {
		require.Equal(t, http.StatusOK, export(t, c, td))
	}
	l := c.List("request", "?page_size=100")
	require.Len(t, l.Results, want)
	byURL := map[any]map[string]any{}
	for _, row := range l.Results {
		assert.Contains(t, []any{"not_checked", "failed"}, row["auth_verified"])
		assert.Equal(t, "verified", row["integrity"])
		byURL[row["url"]] = row
	}
	assert.Equal(t, "shop", byURL["/good"]["service"])
	assert.Contains(t, byURL["/huge"]["truncated_fields"], "user_agent")
	assert.Contains(t, byURL["/boom"]["reason"], "OperationalError: cannot connect")
	assert.NotContains(t, byURL["/boom"]["reason"], "hunter2", "a secret in the text of an exception")
	assert.Nil(t, byURL["/backwards"]["response_time_ms"])
	assert.Nil(t, byURL["/no-start"]["response_time_ms"])
	assert.NotNil(t, byURL["/no-ids"])
	assert.NotContains(t, byURL, "/unfinished")
	assert.NotContains(t, byURL, "/client")
	assert.True(t, c.Verify("request").OK)
	assert.NotContains(t, c.logs.String(), "panic")
	c.Stop()
}
