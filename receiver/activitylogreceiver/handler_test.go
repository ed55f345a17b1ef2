package activitylogreceiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/identity"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/test/hostile"
)

func textBody(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }

const eventAt = `{"kind":"request","id":"%s","datetime":"2026-01-01T00:00:00Z"}`

func ids(names ...string) (out []activity.ID) {
	for _, name := range names {
		id, _ := identity.FromText(name)
		out = append(out, id)
	}
	return out
}

func list(names ...string) string {
	var events []string
	for _, name := range names {
		events = append(events, fmt.Sprintf(eventAt, name))
	}
	return `[` + strings.Join(events, ",") + `]`
}

func (r *running) answer(t *testing.T, body string) (int, map[string]json.RawMessage) {
	t.Helper()
	resp, err := r.client.Post(r.base+path, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var out map[string]json.RawMessage
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
	return resp.StatusCode, out
}

// noting is a pipeline that writes into the receipt.
func noting(t *testing.T, note func(*receipt.Receipt)) consumer.Logs {
	t.Helper()
	next, err := consumer.NewLogs(func(ctx context.Context, _ plog.Logs) error {
		note(receipt.FromContext(ctx))
		return nil
	})
	require.NoError(t, err)
	return next
}

func TestAnswerFromTheReceipt(t *testing.T) {
	r := startReceiver(t, noting(t, func(r *receipt.Receipt) {
		r.Reject(receipt.Rejection{ID: ids("b")[0], Code: codeTenant, Reason: "not yours"})
		r.Filter(1)
		r.Fill(receipt.Sink{Name: "sink", Written: 1, Duplicates: ids("c"), Conflicts: ids("d")})
	}), nil)
	status, got := r.answer(t, strings.Replace(list("a", "b", "c", "d", "e"), "[", `[7,`, 1))
	require.Equal(t, 200, status)
	quote := func(names ...string) string {
		b, err := json.Marshal(ids(names...))
		require.NoError(t, err)
		return string(b)
	}
	require.JSONEq(t, "1", string(got["accepted"]))
	require.JSONEq(t, "1", string(got["filtered"]))
	require.JSONEq(t, quote("c"), string(got["duplicates"]))
	require.JSONEq(t, quote("d"), string(got["conflicts"]))
	require.JSONEq(t, quote("a", "c", "d", "e"), string(got["ids"]))
	require.JSONEq(t, fmt.Sprintf(`[{"index":0,"code":"not_an_object","reason":"want an object, got an integer"},
		{"index":2,"id":%q,"code":"tenant_not_allowed","reason":"not yours"}]`, ids("b")[0]), string(got["rejected"]))
}

func TestAnswerWithoutAReceipt(t *testing.T) {
	r := startReceiver(t, consumertest.NewNop(), func(c *Config) { c.SuccessStatus = http.StatusAccepted })
	status, got := r.answer(t, list("a"))
	require.Equal(t, 202, status)
	require.NotContains(t, got, "duplicates")
	require.NotContains(t, got, "conflicts")
	require.JSONEq(t, "1", string(got["accepted"]))
	require.JSONEq(t, "[]", string(got["rejected"]))
}

// The cors events that enrich makes of requests are in the store and in no
// answer, unless the client sent an event under that id itself.
func TestTheAnswerIsAboutTheClientsEvents(t *testing.T) {
	f := func(accepted string, duplicates, conflicts []activity.ID, sink receipt.Sink) {
		t.Helper()
		r := startReceiver(t, noting(t, func(r *receipt.Receipt) {
			for _, id := range ids("b", "x", "y") {
				r.Derive(id)
			}
			r.Fill(sink)
		}), nil)
		status, got := r.answer(t, list("a", "b"))
		require.Equal(t, 200, status)
		require.JSONEq(t, accepted, string(got["accepted"]))
		for key, want := range map[string][]activity.ID{"duplicates": duplicates, "conflicts": conflicts} {
			text, err := json.Marshal(nonNil(want))
			require.NoError(t, err)
			require.JSONEq(t, string(text), string(got[key]))
		}
	}
	f("2", nil, nil, receipt.Sink{Written: 5})
	f("2", nil, nil, receipt.Sink{Written: 2, Duplicates: ids("x"), Conflicts: ids("y")})
	f("1", ids("a"), nil, receipt.Sink{Duplicates: ids("x", "a", "y")})
	f("1", nil, ids("b"), receipt.Sink{Conflicts: ids("b", "x")})
}

func TestAnswerWhenOnlyDuplicates(t *testing.T) {
	r := startReceiver(t, noting(t, func(r *receipt.Receipt) { r.Fill(receipt.Sink{Duplicates: ids("a", "b")}) }), nil)
	status, got := r.answer(t, list("a", "b"))
	require.Equal(t, 200, status)
	require.JSONEq(t, "0", string(got["accepted"]))
	require.JSONEq(t, "[]", string(got["conflicts"]))
}

// A conflict stays one however often it is sent; the answer says so.
func TestAnswerWhenOnlyConflicts(t *testing.T) {
	f := func(want int, code string, note func(*receipt.Receipt)) {
		t.Helper()
		r := startReceiver(t, noting(t, note), nil)
		status, got := r.answer(t, strings.Replace(list("a", "b"), "[", `[7,`, 1))
		require.Equal(t, want, status)
		if code != "" {
			require.JSONEq(t, `"`+code+`"`, string(got["code"]))
			require.JSONEq(t, "0", string(got["accepted"]))
		}
		require.NotEqual(t, "[]", string(got["conflicts"]))
		require.NotEqual(t, "[]", string(got["rejected"]))
	}
	f(400, codeConflict, func(r *receipt.Receipt) { r.Fill(receipt.Sink{Conflicts: ids("a", "b")}) })
	f(400, codeConflict, func(r *receipt.Receipt) {
		r.Reject(receipt.Rejection{ID: ids("b")[0], Code: codeTenant})
		r.Fill(receipt.Sink{Conflicts: ids("a")})
	})
	f(200, "", func(r *receipt.Receipt) { r.Fill(receipt.Sink{Conflicts: ids("a"), Duplicates: ids("b")}) })
	f(200, "", func(r *receipt.Receipt) { r.Fill(receipt.Sink{Conflicts: ids("a"), Written: 1}) })
	f(200, "", func(r *receipt.Receipt) {
		r.Filter(1)
		r.Fill(receipt.Sink{Conflicts: ids("a")})
	})
}

func TestAnswerWhenEverythingIsFiltered(t *testing.T) {
	r := startReceiver(t, noting(t, func(r *receipt.Receipt) { r.Filter(2) }), nil)
	status, got := r.answer(t, list("a", "b"))
	require.Equal(t, 200, status)
	require.JSONEq(t, "2", string(got["filtered"]))
	require.JSONEq(t, "0", string(got["accepted"]))
}

func TestAnswerWhenEveryEventIsRefusedByAProcessor(t *testing.T) {
	f := func(code string, want int) {
		t.Helper()
		r := startReceiver(t, noting(t, func(r *receipt.Receipt) {
			r.Reject(receipt.Rejection{ID: ids("a")[0], Code: code, Reason: "no"})
		}), nil)
		status, got := r.answer(t, list("a"))
		require.Equal(t, want, status)
		require.JSONEq(t, `"all_rejected"`, string(got["code"]))
		require.JSONEq(t, "0", string(got["accepted"]))
		require.JSONEq(t, "[]", string(got["ids"]))
	}
	f(codeTenant, 403)
	f("other", 400)
}

// Two events of one id in a request are refused one by one.
func TestMergeTellsEqualIDsApart(t *testing.T) {
	a := ids("a")[0]
	b := &batch{ids: []activity.ID{a, a}, indexes: []int{0, 4}}
	b.merge([]receipt.Rejection{{ID: a, Code: "x"}, {ID: ids("unknown")[0]}})
	require.Equal(t, []activity.ID{a}, b.ids)
	require.Len(t, b.rejected, 1)
	require.Zero(t, b.rejected[0].Index)
}

func TestAtomic(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := startReceiver(t, sink, nil)
	c := hostile.Case{Path: path + "?atomic=true", Body: textBody(`[` + hostile.Good + `,{"kind":"x"}]`)}
	got := r.post(t, c)
	require.Equal(t, 400, got.Status)
	require.Equal(t, codeAtomic, got.Code)
	require.Empty(t, got.IDs)
	require.Equal(t, 1, got.Rejected[0].Index)
	require.Zero(t, sink.LogRecordCount())
	c.Body = textBody(`[` + hostile.Good + `,` + hostile.Good + `]`)
	require.Equal(t, 2, r.post(t, c).Accepted)
}

// The connection's peer and headers are the reporter's: none of it is in a record.
func TestNothingOfTheConnectionEntersAnEvent(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := startReceiver(t, sink, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+path, strings.NewReader(fmt.Sprintf(eventAt, "a")))
	require.NoError(t, err)
	for name, v := range map[string]string{
		"Content-Type": "application/json", "X-Forwarded-For": "203.0.113.9", "User-Agent": "reporter-agent", "Authorization": "Bearer reporter-token",
		"Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Origin": "https://reporter.example",
	} {
		req.Header.Set(name, v)
	}
	resp, err := r.client.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	text, err := (&plog.JSONMarshaler{}).MarshalLogs(sink.AllLogs()[0])
	require.NoError(t, err)
	for _, leak := range []string{"203.0.113.9", "127.0.0.1", "reporter", "4bf92f35"} {
		require.False(t, bytes.Contains(text, []byte(leak)), "%s in %s", leak, text)
	}
}

func TestIdempotencyKeyGivesTheSameIDs(t *testing.T) {
	r := startReceiver(t, consumertest.NewNop(), nil)
	body := `[{"kind":"request","datetime":"2026-01-01T00:00:00Z"},7,{"kind":"request","datetime":"2026-01-01T00:00:00Z"}]`
	c := hostile.Case{Header: map[string]string{"Idempotency-Key": "k1"}, Body: textBody(body)}
	first, again := r.post(t, c), r.post(t, c)
	require.Equal(t, first.IDs, again.IDs)
	require.Equal(t, []string{identity.FromKey("k1", 0).String(), identity.FromKey("k1", 2).String()}, first.IDs)
}

func TestCloudEvents(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := startReceiver(t, sink, nil)
	event := `{"specversion":"1.0","id":"77","source":"/orders","type":"activity.crud","subject":"order 7","time":"2026-01-01T00:00:00Z",
		"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","unset":null,"data":{"event_type":"create","id":"inner","object_id":7}}`
	got := r.post(t, hostile.Case{Header: map[string]string{"Content-Type": "application/cloudevents+json; charset=UTF-8"}, Body: textBody(event)})
	require.Equal(t, 200, got.Status)
	require.Equal(t, []string{identity.FromCloudEvent("/orders", "77").String()}, got.IDs)
	lr := sink.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	require.Equal(t, "activity.crud", lr.EventName())
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", lr.TraceID().String())
	extra, _ := lr.Attributes().Get("activity.extra_data")
	require.JSONEq(t, `{"_attributes":{"id":"inner"},"_cloudevent":{"specversion":"1.0","id":"77","source":"/orders","type":"activity.crud",
		"subject":"order 7","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}`, extra.Str())

	batch := `[` + event + `,{"specversion":"1.0","id":"78","source":"/orders","type":"com.example.order","time":"2026-01-01T00:00:00Z",
		"data_base64":"eyJraW5kIjoic3lzdGVtIiwibWVzc2FnZSI6ImhpIn0="},{"id":"79"}]`
	got = r.post(t, hostile.Case{Header: map[string]string{"Content-Type": "application/cloudevents-batch+json"}, Body: textBody(batch)})
	require.Equal(t, 2, got.Accepted)
	require.Equal(t, "79", got.Rejected[0].ID)
	require.Equal(t, codeCloudEvent, got.Rejected[0].Code)
}

func TestPipelineErrors(t *testing.T) {
	plain, permanent := errors.New("boom"), consumererror.NewPermanent(errors.New("never"))
	f := func(err error, want int) {
		t.Helper()
		p := pipelineProblem(err)
		require.Equal(t, want, p.Status, "%v", err)
		require.Equal(t, want == 429 || want == 503, p.retryAfter > 0)
		require.NotContains(t, p.Detail, "boom")
	}
	f(plain, 503)
	f(context.DeadlineExceeded, 503)
	f(storage.ErrRetryable, 503)
	f(storage.ErrClosed, 503)
	f(fmt.Errorf("exporter: %w: %w", storage.ErrOverloaded, plain), 429)
	f(permanent, 500)
	f(fmt.Errorf("wrapped: %w", permanent), 500)
	f(consumererror.NewPermanent(fmt.Errorf("%w: boom", activity.ErrInvalid)), 400)
	f(consumererror.NewRetryableError(plain), 503)
	f(consumererror.NewOTLPHTTPError(plain, 429), 429)
	f(consumererror.NewOTLPHTTPError(plain, 502), 503)
	f(consumererror.NewOTLPHTTPError(plain, 413), 413)
	f(consumererror.NewOTLPHTTPError(plain, 404), 400)
	f(consumererror.NewOTLPGRPCError(plain, status.New(codes.ResourceExhausted, "")), 429)
	f(consumererror.NewOTLPGRPCError(plain, status.New(codes.PermissionDenied, "")), 403)
	f(errors.Join(permanent, plain), 503)
	f(errors.Join(permanent, storage.ErrOverloaded), 429)
	f(errors.Join(permanent, permanent), 500)
	f(fmt.Errorf("fan-out: %w", errors.Join(permanent, consumererror.NewRetryableError(plain))), 503)
	f(consumererror.NewPermanent(errors.Join(permanent, consumererror.NewRetryableError(plain))), 503)
}

func TestPipelineErrorIsAProblem(t *testing.T) {
	r := startReceiver(t, consumertest.NewErr(storage.ErrRetryable), nil)
	resp, err := r.client.Post(r.base+path, "application/json", strings.NewReader(hostile.Good))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, 503, resp.StatusCode)
	require.Equal(t, "5", resp.Header.Get("Retry-After"))
	require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
}
