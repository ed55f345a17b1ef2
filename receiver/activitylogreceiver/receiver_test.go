package activitylogreceiver

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/receiver/activitylogreceiver/internal/metadatatest"
	"github.com/activitylog/otelcol-activitylog/test/hostile"
)

// running is a started receiver with a client of its own.
type running struct {
	base   string
	client *http.Client
	tel    *componenttest.Telemetry
	*eventsReceiver
}

func startReceiver(tb testing.TB, next consumer.Logs, change func(*Config)) *running {
	tb.Helper()
	return startIn(tb, componenttest.NewNopHost(), next, change)
}

func startIn(tb testing.TB, host component.Host, next consumer.Logs, change func(*Config)) *running {
	tb.Helper()
	address := freeAddress(tb)
	cfg := createDefaultConfig().(*Config)
	cfg.Server.NetAddr.Endpoint = address
	if change != nil {
		change(cfg)
	}
	require.NoError(tb, cfg.Validate())
	tel := componenttest.NewTelemetry()
	set := metadatatest.NewSettings(tel)
	set.Logger = componenttest.NewNopTelemetrySettings().Logger
	rcv, err := newReceiver(set, cfg, next)
	require.NoError(tb, err)
	require.NoError(tb, rcv.Start(context.Background(), host))
	transport := &http.Transport{}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		assert.NoError(tb, rcv.Shutdown(context.Background()))
		assert.NoError(tb, tel.Shutdown(context.Background()))
	})
	return &running{base: "http://" + address, client: &http.Client{Transport: transport, Timeout: 40 * time.Second}, tel: tel, eventsReceiver: rcv}
}

// freeAddress is one where nobody listens.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	require.NoError(tb, listener.Close())
	return listener.Addr().String()
}

// startable is a receiver that is not started.
func startable(t *testing.T, cfg *Config) *eventsReceiver {
	t.Helper()
	tel := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tel.Shutdown(context.Background())) })
	r, err := newReceiver(metadatatest.NewSettings(tel), cfg, consumertest.NewNop())
	require.NoError(t, err)
	return r
}

func (r *running) post(tb testing.TB, c hostile.Case) hostile.Result {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	result, err := c.Send(ctx, r.client, r.base)
	require.NoError(tb, err)
	return result
}

func post(body string) hostile.Case {
	return hostile.Case{Name: "post", Body: textBody(body)}
}

// TestHostileInputs sends the whole corpus: a clear answer each time, the good
// neighbours stored, nothing else stored, and the memory bounded.
func TestHostileInputs(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := startReceiver(t, sink, nil)
	cases := hostile.Cases()
	require.GreaterOrEqual(t, len(cases), 100)
	names := map[string]bool{}
	for _, c := range cases {
		require.False(t, names[c.Name], "two cases are named %s", c.Name)
		names[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			sink.Reset()
			got := r.post(t, c)
			assert.True(t, slices.Contains(c.Want, got.Status), "want %v, got %d %s", c.Want, got.Status, got.Code)
			assert.Equal(t, c.Accepted, sink.LogRecordCount())
			assert.Equal(t, c.Accepted, got.Accepted)
			assert.Len(t, got.IDs, c.Accepted)
			assert.Len(t, got.Rejected, c.Rejected)
			code := got.Code
			if len(got.Rejected) > 0 {
				code = got.Rejected[0].Code
				assert.NotEmpty(t, got.Rejected[0].Reason)
				assert.Less(t, len(got.Rejected[0].Reason), 500)
			}
			if c.Code != "" {
				assert.Equal(t, c.Code, code)
			}
			if got.Status >= 400 && c.Raw == "" {
				assert.Equal(t, "application/problem+json", got.ContentType)
			}
		})
	}
	require.Equal(t, 1, r.post(t, post(hostile.Good)).Accepted, "still healthy")
}

func TestSlowBodyEndsWithTheReadTimeout(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := startReceiver(t, sink, func(c *Config) { c.Server.ReadTimeout = 300 * time.Millisecond })
	start := time.Now()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", strings.TrimPrefix(r.base, "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n[")
	require.NoError(t, err)
	answer := make([]byte, 4096)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	n, err := conn.Read(answer)
	require.NoError(t, err)
	require.Contains(t, string(answer[:n]), "408")
	require.Less(t, time.Since(start), 4*time.Second)
	require.Zero(t, sink.LogRecordCount())
	require.Equal(t, 200, r.post(t, post(hostile.Good)).Status)
}

// The read timeout ends with the body: a pipeline slower than it still answers.
func TestSlowPipelineOutlivesTheReadTimeout(t *testing.T) {
	next, err := consumer.NewLogs(func(ctx context.Context, _ plog.Logs) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
			return nil
		}
	})
	require.NoError(t, err)
	r := startReceiver(t, next, func(c *Config) { c.Server.ReadTimeout = 200 * time.Millisecond })
	require.Equal(t, 200, r.post(t, post(hostile.Good)).Status)
}

func TestShutdownAnswersWhatIsUnderWay(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	next, err := consumer.NewLogs(func(context.Context, plog.Logs) error {
		close(entered)
		<-release
		return nil
	})
	require.NoError(t, err)
	r := startReceiver(t, next, nil)
	status := make(chan int, 1)
	go func() {
		result, err := (&hostile.Case{Body: textBody(hostile.Good)}).Send(context.Background(), r.client, r.base)
		assert.NoError(t, err)
		status <- result.Status
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown(context.Background()) }()
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", strings.TrimPrefix(r.base, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 5*time.Second, 10*time.Millisecond, "still listening")
	close(release)
	require.Equal(t, 200, <-status)
	require.NoError(t, <-stopped)
}

func TestTooManyRequestsAtOnce(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	next, err := consumer.NewLogs(func(context.Context, plog.Logs) error {
		entered <- struct{}{}
		<-release
		return nil
	})
	require.NoError(t, err)
	r := startReceiver(t, next, func(c *Config) { c.MaxConcurrentRequests = 1 })
	done := make(chan int, 1)
	go func() {
		result, err := (&hostile.Case{Body: textBody(hostile.Good)}).Send(context.Background(), r.client, r.base)
		assert.NoError(t, err)
		done <- result.Status
	}()
	<-entered
	resp, err := r.client.Post(r.base+path, "application/json", strings.NewReader(hostile.Good))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	require.Equal(t, "1", resp.Header.Get("Retry-After"))
	close(release)
	require.Equal(t, 200, <-done)
}
