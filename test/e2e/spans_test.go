package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const spansConfig = "deploy/examples/spans.yaml"

// callerTrace is a trace that its caller did not sample: with always_on it is
// audited nevertheless.
const callerTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

// call asks a service as a browser behind a proxy would; headers are name and
// value in turn.
func call(t *testing.T, target string, headers ...string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	req.Header.Set("X-Forwarded-For", "203.0.113.5")
	req.Header.Set("Traceparent", "00-"+callerTrace+"-00f067aa0ba902b7-00")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// requests waits for n request events and gives them by path.
func requests(t *testing.T, c *collector, n int) map[string]map[string]any {
	t.Helper()
	var l list
	require.Eventually(t, func() bool { l = c.List("request", "?page_size=1000"); return l.Count >= n }, 30*time.Second, 100*time.Millisecond,
		"the requests are there")
	require.Len(t, l.Results, n)
	out := map[string]map[string]any{}
	for _, row := range l.Results {
		out[row["url"].(string)] = row
	}
	return out
}

// flask starts the Python service, instrumented from outside, and gives its URL.
func flask(t *testing.T, collectorURL string, env ...string) string {
	t.Helper()
	python := os.Getenv("E2E_PYTHON")
	require.NotEmpty(t, python, "E2E_PYTHON names a python with testdata/requirements.txt; make e2e sets it")
	bin := filepath.Dir(python)
	address := freeAddress(t)
	_, port, _ := bytes.Cut([]byte(address), []byte(":"))
	cmd := exec.Command(filepath.Join(bin, "opentelemetry-instrument"), filepath.Join(bin, "flask"), "--app", "testdata/service.py", "run", "--port", string(port))
	cmd.Env = append(os.Environ(),
		"OTEL_SERVICE_NAME=shop-python", "OTEL_TRACES_SAMPLER=always_on", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT="+collectorURL,
		"OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none", "OTEL_BSP_SCHEDULE_DELAY=200", "OTEL_PYTHON_EXCLUDED_URLS=ready",
		"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST=x-forwarded-for,authorization")
	cmd.Env = append(cmd.Env, env...)
	var logs lockedBuffer
	cmd.Stdout, cmd.Stderr = &logs, &logs
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(logs.String())
		}
	})
	base := "http://" + address
	require.Eventually(t, func() bool {
		resp, err := http.Get(base + "/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 30*time.Second, 100*time.Millisecond, "the service answers: %s", &logs)
	return base
}

// TestSpansOfPython: a Flask service without a line of code is audited, with the
// older conventions of HTTP (the default of its SDK) and the stable ones. The
// answer to its first export is lost, and its retry stores nothing twice. The
// captured token names the actor and is stored nowhere.
func TestSpansOfPython(t *testing.T) {
	for _, conventions := range []string{"", "http", "http/dup"} {
		t.Run("conventions="+conventions, func(t *testing.T) {
			c := newCollector(t, spansConfig)
			c.env["ACTIVITYLOG_TRUSTED_PROXIES"] = "127.0.0.1"
			c.env["ACTIVITYLOG_JWT_SECRET"] = "a secret of at least thirty-two bytes"
			c.Start()
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
				"user_id": 42, "exp": time.Now().Add(time.Hour).Unix(),
			}).SignedString([]byte(c.env["ACTIVITYLOG_JWT_SECRET"]))
			require.NoError(t, err)
			proxy := newAnswerLosingProxy(t, c.OTLPHTTP, 1)
			base := flask(t, "http://"+proxy.address, "OTEL_SEMCONV_STABILITY_OPT_IN="+conventions)
			require.Equal(t, 200, call(t, base+"/orders/7?page=2&token=s3cr3t", "Authorization", "Bearer "+token))
			require.Equal(t, 500, call(t, base+"/boom"))
			require.Eventually(t, func() bool { return proxy.forwarded.Load() >= 2 }, 20*time.Second, 50*time.Millisecond, "the SDK tried again")
			rows := requests(t, c, 2)

			order := rows["/orders/7"]
			checkOrder(t, order, "shop-python")
			assert.Equal(t, "/orders/<int:order>", order["route"])
			assert.Equal(t, "203.0.113.5", order["remote_ip"], "the peer is a trusted proxy")
			assert.Contains(t, order["query_string"], "page=2&token=")
			assert.NotContains(t, order["query_string"], "s3cr3t")
			assert.NotContains(t, fmt.Sprint(order), "forwarded", "headers are consumed")
			assert.Equal(t, "42", order["user_id"])
			assert.Equal(t, "verified", order["auth_verified"])
			assert.NotContains(t, fmt.Sprint(order)+c.logs.String(), token)

			boom := rows["/boom"]
			assert.EqualValues(t, 500, boom["response_status"])
			assert.Equal(t, "failure", boom["outcome"])
			assert.Equal(t, "ValueError: out of stock", boom["reason"])
			assert.EqualValues(t, 1, proxy.lost.Load())
			assert.True(t, c.Verify("request").OK)
		})
	}
}

// checkOrder checks what both services say of GET /orders/7.
func checkOrder(t *testing.T, row map[string]any, service string) {
	t.Helper()
	require.NotNil(t, row)
	assert.Equal(t, service, row["service"])
	assert.Equal(t, "GET", row["method"])
	assert.EqualValues(t, 200, row["response_status"])
	assert.Equal(t, "success", row["outcome"])
	assert.Positive(t, row["response_time_ms"])
	assert.Equal(t, callerTrace, row["trace_id"])
	assert.Len(t, row["span_id"], 16)
	assert.Contains(t, row["user_agent"], "Firefox/140.0")
	assert.Equal(t, "Firefox", row["browser"])
}

// goService is net/http with otelhttp, sending over OTLP to the endpoint.
func goService(t *testing.T, endpoint string, sampler trace.Sampler) (base string, provider *trace.TracerProvider) {
	t.Helper()
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpoint(endpoint), otlptracehttp.WithInsecure(),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: 50 * time.Millisecond, MaxInterval: 500 * time.Millisecond, MaxElapsedTime: time.Minute,
		}))
	require.NoError(t, err)
	provider = trace.NewTracerProvider(trace.WithSampler(sampler),
		trace.WithBatcher(exporter, trace.WithBatchTimeout(50*time.Millisecond), trace.WithExportTimeout(time.Minute), trace.WithBlocking()),
		trace.WithResource(resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName("shop-go"), semconv.ServiceVersion("1.2.3"),
			semconv.ProcessCommandLine("shop --password=hunter2"))))
	mux := http.NewServeMux()
	order := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.PathValue("id")) })
	// Inside the mux: around it otelhttp does not see the route.
	mux.Handle("GET /orders/{id}", otelhttp.NewHandler(order, "order",
		otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(propagation.TraceContext{})))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, provider
}

// TestSpansOfGo: net/http with otelhttp, which names the peer and what it read in
// X-Forwarded-For: the latter counts only behind a trusted proxy.
func TestSpansOfGo(t *testing.T) {
	for trusted, address := range map[string]string{"127.0.0.1": "203.0.113.5", "": "127.0.0.1"} {
		t.Run("trusted="+trusted, func(t *testing.T) {
			c := newCollector(t, spansConfig)
			c.env["ACTIVITYLOG_TRUSTED_PROXIES"] = trusted
			c.Start()
			proxy := newAnswerLosingProxy(t, c.OTLPHTTP, 1)
			base, provider := goService(t, proxy.address, trace.AlwaysSample())
			require.Equal(t, 200, call(t, base+"/orders/7"))
			require.NoError(t, provider.Shutdown(t.Context()))
			require.GreaterOrEqual(t, proxy.forwarded.Load(), int64(2), "the SDK tried again")
			row := requests(t, c, 1)["/orders/7"]
			checkOrder(t, row, "shop-go")
			assert.Equal(t, "/orders/{id}", row["route"])
			assert.Equal(t, address, row["remote_ip"])
			assert.Equal(t, "not_checked", row["auth_verified"])
			assert.Equal(t, "anonymous", row["actor_type"])
			assert.EqualValues(t, 1, row["response_body_size"])
			extra := fmt.Sprint(row["extra_data"])
			assert.Contains(t, extra, "1.2.3")
			assert.NotContains(t, extra, "hunter2")
			assert.True(t, c.Verify("request").OK)
		})
	}
}

// TestSamplingLosesRequests shows why the README asks for always_on: with the
// default of an SDK a caller who says that his trace is not sampled leaves no
// event.
func TestSamplingLosesRequests(t *testing.T) {
	c := startCollector(t, spansConfig)
	base, provider := goService(t, c.OTLPHTTP, trace.ParentBased(trace.AlwaysSample()))
	require.Equal(t, 200, call(t, base+"/orders/1"))
	require.Equal(t, 200, call(t, base+"/orders/2", "Traceparent", "00-"+callerTrace+"-00f067aa0ba902b7-01"))
	require.NoError(t, provider.Shutdown(t.Context()))
	assert.Contains(t, requests(t, c, 1), "/orders/2")
}

// acknowledgements passes exports on to a collector, and notes the server spans
// of those that were answered with success. While the collector is away it says
// so, as a gateway does.
type acknowledgements struct {
	address string
	mu      sync.Mutex
	spans   map[string]bool
	refused int
}

func newAcknowledgements(t *testing.T, target string) *acknowledgements {
	t.Helper()
	a := &acknowledgements{spans: map[string]bool{}}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: target}) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			a.mu.Lock()
			a.refused++
			a.mu.Unlock()
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		forward.ServeHTTP(answer, r)
		if answer.Code == http.StatusOK {
			a.note(body)
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	a.address = server.Listener.Addr().String()
	return a
}

func (a *acknowledgements) note(body []byte) {
	request := ptraceotlp.NewExportRequest()
	if err := request.UnmarshalProto(body); err != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, rs := range request.Traces().ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				if s.Kind() == ptrace.SpanKindServer {
					a.spans[s.SpanID().String()] = true
				}
			}
		}
	}
}

// TestSpansSurviveKills kills the collector under load, again and again: every
// span that was acknowledged is stored, once, and so is every request made.
func TestSpansSurviveKills(t *testing.T) {
	c := startCollector(t, spansConfig)
	acks := newAcknowledgements(t, c.OTLPHTTP)
	base, provider := goService(t, acks.address, trace.AlwaysSample())
	made, stop := 0, make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
				call(t, fmt.Sprintf("%s/orders/%d", base, made))
				made++
			}
		}
	})
	for range 5 {
		time.Sleep(300 * time.Millisecond)
		c.Kill()
		time.Sleep(200 * time.Millisecond) // exports meet nobody
		c.Start()
	}
	close(stop)
	load.Wait()
	require.NoError(t, provider.Shutdown(t.Context()))
	require.Greater(t, made, 100)
	require.Positive(t, acks.refused, "no export met a dead collector")
	stored := map[string]int{}
	for path := "/api/activity/request-events/?page_size=1000"; path != ""; {
		var l list
		require.Equal(t, http.StatusOK, c.Get(path, &l))
		for _, row := range l.Results {
			stored[row["span_id"].(string)]++
		}
		path = ""
		if l.Next != nil {
			next, err := url.Parse(*l.Next)
			require.NoError(t, err)
			path = next.RequestURI()
		}
	}
	for span := range acks.spans {
		assert.Equal(t, 1, stored[span], "the acknowledged span %s", span)
	}
	assert.Len(t, acks.spans, made)
	assert.Len(t, stored, made)
	assert.True(t, c.Verify("request").OK)
	t.Logf("%d requests, %d exports refused while the collector was away", made, acks.refused)
}

// TestSpansWithoutEnrich: such a pipeline does not start, and says why.
func TestSpansWithoutEnrich(t *testing.T) {
	c := newCollector(t, spansConfig)
	c.Launch("--config", "yaml:service::pipelines::logs/bare: {receivers: [activityspan], exporters: [debug]}", "--config", "yaml:exporters::debug: {}")
	require.NotEqual(t, 0, c.Wait(20*time.Second))
	require.Contains(t, c.logs.String(), "the connector activityspan feeds this pipeline")
}
