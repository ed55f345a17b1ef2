package e2e

import (
	"context"
	"errors"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// emitFiveKinds logs one event of each kind with the OpenTelemetry Go SDK.
func emitFiveKinds(ctx context.Context, l log.Logger, at time.Time) {
	emit := func(event string, severity log.Severity, body string, attributes ...attribute.KeyValue) {
		var r log.Record
		r.SetEventName(event)
		r.SetTimestamp(at)
		r.SetSeverity(severity)
		if body != "" {
			r.SetBody(attribute.StringValue(body))
		}
		r.AddAttributes(attributes...)
		l.Emit(ctx, r)
	}
	emit("activity.crud", log.SeverityInfo, "", attribute.String("activity.crud.type", "update"), attribute.String("user.id", "42"),
		attribute.String("activity.object.type", "shop.order"), attribute.String("activity.object.id", "1001"),
		attribute.String("activity.object.before", `{"state":"new"}`), attribute.String("activity.object.after", `{"state":"paid"}`))
	emit("activity.login", log.SeverityInfo, "", attribute.String("activity.login.type", "login_failed"), attribute.String("user.name", "eve"),
		attribute.String("client.address", "203.0.113.9"))
	emit("activity.request", log.SeverityInfo, "", attribute.String("http.request.method", "GET"), attribute.String("url.path", "/orders/1001"),
		attribute.Int("http.response.status_code", 503), attribute.Float64("activity.http.duration_ms", 12.3456),
		attribute.String("http.request.header.authorization", "Bearer not.a.token"))
	emit("activity.cors", log.SeverityInfo, "", attribute.String("url.full", "https://app.example/cart"),
		attribute.String("activity.cors.origin", "https://app.example"), attribute.Bool("activity.cors.allowed", false))
	emit("activity.system", log.SeverityError, "disk full", attribute.String("activity.system.name", "backup.failed"),
		attribute.String("activity.system.category", "database"), attribute.String("my.own", "kept"))
	// Not an activity event: dropped, counted, never stored.
	emit("", log.SeverityDebug, "cache miss")
}

// checkFiveKinds reads back what emitFiveKinds, or the Python twin of it, sent.
func checkFiveKinds(t *testing.T, c *collector, service string) {
	t.Helper()
	crud := only(t, c, "crud")
	assert.Equal(t, service, crud["service"])
	assert.Equal(t, "42", crud["user_id"])
	assert.Equal(t, "shop.order", crud["content_type"])
	assert.Equal(t, "1001", crud["object_id"])
	assert.JSONEq(t, `{"state":["new","paid"]}`, crud["changed_fields"].(string))

	login := only(t, c, "login")
	assert.Equal(t, "login_failed", login["login_type_display"])
	assert.Equal(t, "eve", login["username"])
	assert.Equal(t, "203.0.113.9", login["remote_ip"])
	assert.Equal(t, "failure", login["outcome"])

	request := only(t, c, "request")
	assert.Equal(t, "/orders/1001", request["url"])
	assert.EqualValues(t, 503, request["response_status"])
	assert.InDelta(t, 12.346, request["response_time_ms"], 1e-9)
	assert.Equal(t, "failed", request["auth_verified"])
	assert.Nil(t, request["user_id"])

	cors := only(t, c, "cors")
	assert.Equal(t, "https://app.example/cart", cors["url"])
	assert.Equal(t, false, cors["allowed"])

	system := only(t, c, "system")
	assert.Equal(t, "backup.failed", system["event_name"])
	assert.Equal(t, "ERROR", system["severity"])
	assert.Equal(t, "disk full", system["message"])
	extra, isObject := system["extra_data"].(map[string]any)
	require.True(t, isObject, "%v", system["extra_data"])
	assert.Equal(t, map[string]any{"my.own": "kept"}, extra["_attributes"])

	for _, kind := range []string{"crud", "login", "request", "cors", "system"} {
		assert.True(t, c.Verify(kind).OK, kind)
	}
}

func newProvider(t *testing.T, exporter sdklog.Exporter) *sdklog.LoggerProvider {
	t.Helper()
	return sdklog.NewLoggerProvider(
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)),
		sdklog.WithResource(resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName("shop-go"))))
}

func TestGoSDKOverGRPC(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	exporter, err := otlploggrpc.New(t.Context(), otlploggrpc.WithEndpoint(c.OTLPGRPC), otlploggrpc.WithInsecure())
	require.NoError(t, err)
	provider := newProvider(t, exporter)
	emitFiveKinds(t.Context(), provider.Logger("shop"), time.Now())
	require.NoError(t, provider.Shutdown(t.Context()))
	checkFiveKinds(t, c, "shop-go")
}

// TestGoSDKRetryAfterALostAnswer loses the first answer on the way back: the
// SDK sends the same records again, and nothing is stored twice.
func TestGoSDKRetryAfterALostAnswer(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	proxy := newAnswerLosingProxy(t, c.OTLPHTTP, 1)
	exporter, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpoint(proxy.address), otlploghttp.WithInsecure(),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{
			Enabled: true, InitialInterval: 50 * time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: 20 * time.Second,
		}))
	require.NoError(t, err)
	provider := newProvider(t, exporter)
	emitFiveKinds(t.Context(), provider.Logger("shop"), time.Now())
	require.NoError(t, provider.Shutdown(t.Context()))
	require.EqualValues(t, 1, proxy.lost.Load())
	require.GreaterOrEqual(t, proxy.forwarded.Load(), int64(2), "the SDK tried again")
	checkFiveKinds(t, c, "shop-go")
}

func TestPythonSDK(t *testing.T) {
	python := os.Getenv("E2E_PYTHON")
	require.NotEmpty(t, python, "E2E_PYTHON names a python with testdata/requirements.txt; make e2e sets it")
	for protocol, endpoint := range map[string]func(*collector) string{
		"http": func(c *collector) string { return "http://" + c.OTLPHTTP + "/v1/logs" },
		"grpc": func(c *collector) string { return "http://" + c.OTLPGRPC },
	} {
		t.Run(protocol, func(t *testing.T) {
			c := startCollector(t, "otelcol-config.yaml")
			out, err := exec.CommandContext(t.Context(), python, "testdata/producer.py", protocol, endpoint(c)).CombinedOutput()
			require.NoError(t, err, string(out))
			checkFiveKinds(t, c, "shop-python")
		})
	}
}

// answerLosingProxy is a gateway between an SDK and the collector. It passes the
// first requests on, loses their answers, and tells the SDK that the upstream
// did not answer, as a real one does when its connection breaks.
type answerLosingProxy struct {
	address   string
	toLose    atomic.Int64
	lost      atomic.Int64
	forwarded atomic.Int64
}

func newAnswerLosingProxy(t *testing.T, target string, lose int64) *answerLosingProxy {
	t.Helper()
	p := &answerLosingProxy{}
	p.toLose.Store(lose)
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	forward.ModifyResponse = func(resp *http.Response) error {
		p.forwarded.Add(1)
		if p.toLose.Add(-1) < 0 {
			return nil
		}
		p.lost.Add(1)
		return errors.New("the answer is lost on its way back")
	}
	forward.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	forward.ErrorLog = stdlog.New(io.Discard, "", 0)
	server := httptest.NewServer(forward)
	t.Cleanup(server.Close)
	p.address = server.Listener.Addr().String()
	return p
}
