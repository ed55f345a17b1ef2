package activitylogreceiver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/test/hostile"
)

// peaks are the most that was seen, in bytes.
type peaks struct {
	live     int64 // what the garbage collector found alive
	resident int64 // of the process, 0 where the system does not tell
}

// watch samples until the function it gives is called.
func watch() (stop func() peaks) {
	quit, result := make(chan struct{}), make(chan peaks)
	go func() {
		var p peaks
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for {
			metrics.Read(sample)
			p.live = max(p.live, int64(sample[0].Value.Uint64()))
			p.resident = max(p.resident, resident())
			select {
			case <-quit:
				result <- p
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() peaks { close(quit); return <-result }
}

func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var total, pages int64
	_, _ = fmt.Sscan(string(text), &total, &pages)
	return pages * int64(os.Getpagesize())
}

// holding is a pipeline that holds the records and the events made of them, as
// an exporter does while it commits.
func holding(tb testing.TB, pause time.Duration) consumer.Logs {
	tb.Helper()
	next, err := consumer.NewLogs(func(_ context.Context, ld plog.Logs) error {
		events, err := activitylogs.Events(ld)
		time.Sleep(pause)
		runtime.KeepAlive(events)
		return err
	})
	require.NoError(tb, err)
	return next
}

// flood sends body from clients at once and counts the answers by status.
func flood(tb testing.TB, r *running, body []byte, clients int) map[int]int {
	tb.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses := map[int]int{}
	for range clients {
		wg.Go(func() {
			status := 0 // a connection cut while it was written to, because the answer was there
			resp, err := r.client.Post(r.base+path, "application/json", bytes.NewReader(body))
			if err == nil {
				status = resp.StatusCode
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	wg.Wait()
	return statuses
}

// What requests hold follows the configuration, not what clients send: small
// events cost many times their bytes, and still the budget is kept.
func TestMemoryIsBounded(t *testing.T) {
	const bodySize, clients = 2 << 20, 64
	small := []byte(repeated(`{"kind":"system"}`, maxEvents))
	large := []byte(repeated(`{"kind":"system","message":"`+strings.Repeat("x", 1000)+`"}`, bodySize/1100))
	for name, body := range map[string][]byte{"small": small, "large": large} {
		t.Run(name, func(t *testing.T) {
			r := startReceiver(t, holding(t, 20*time.Millisecond), func(c *Config) {
				c.Server.MaxRequestBodySize = bodySize
				c.MaxConcurrentRequests = clients
			})
			budget := freeBytes(r.handler.budget)
			require.Equal(t, int64(bodySize*clients), budget)
			before := heap()
			stop := watch()
			statuses := flood(t, r, body, clients)
			peak := stop()
			// What the test's own client and the connections take.
			const own = clients * 256 << 10
			assert.LessOrEqual(t, peak.live-before, budget+own)
			assert.Positive(t, statuses[http.StatusOK])
			assert.Equal(t, clients, statuses[http.StatusOK]+statuses[http.StatusTooManyRequests]+statuses[0], "%v", statuses)
			require.Equal(t, budget, freeBytes(r.handler.budget), "everything came back")
			require.Equal(t, 200, r.post(t, post(hostile.Good)).Status)
		})
	}
}

// BenchmarkLargeBodies is 64 clients that each send a body of 20 MiB at once,
// against the default configuration; the client is in the same process.
func BenchmarkLargeBodies(b *testing.B) {
	for name, event := range map[string]string{
		"events of 500 bytes": typicalEvent,
		"events of 2 KB":      `{"kind":"system","message":"` + strings.Repeat("x", 2050) + `"}`,
		"events of 1 MB":      `{"kind":"system","message":"` + strings.Repeat("x", 1_000_000) + `"}`,
	} {
		b.Run(name, func(b *testing.B) {
			r := startReceiver(b, holding(b, 100*time.Millisecond), nil)
			body := []byte(repeated(event, min((20<<20-2)/(len(event)+1), maxEvents)))
			before := heap()
			for b.Loop() {
				stop := watch()
				statuses := flood(b, r, body, 64)
				p := stop()
				b.ReportMetric(float64(p.live-before)/(1<<20), "live-MiB")
				b.ReportMetric(float64(p.resident)/(1<<20), "rss-MiB")
				b.ReportMetric(float64(statuses[http.StatusOK]), "ok")
				b.ReportMetric(float64(statuses[http.StatusTooManyRequests]), "429")
			}
		})
	}
}

// Clients that stop in the middle of a body hold no slot: others are served
// meanwhile, and the read timeout ends the idle ones with a 408.
func TestIdleBodiesHoldNobodyElse(t *testing.T) {
	const idle = 20
	r := startReceiver(t, holding(t, 0), func(c *Config) {
		c.MaxConcurrentRequests = 2
		c.Server.ReadTimeout = time.Second
	})
	var conns []net.Conn
	for range idle {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20000000\r\n\r\n[")
		require.NoError(t, err)
		conns = append(conns, conn)
	}
	for range 20 {
		require.Equal(t, 200, r.post(t, post(hostile.Good)).Status)
	}
	for _, conn := range conns {
		answer := make([]byte, 64)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
		n, err := conn.Read(answer)
		require.NoError(t, err)
		require.Contains(t, string(answer[:n]), " 408 ")
	}
	require.Eventually(t, func() bool { return freeBytes(r.handler.budget) == int64(80<<20+96<<20) },
		5*time.Second, 10*time.Millisecond, "everything came back")
}

// A body that is announced too long is refused before it is sent.
func TestAnnouncedTooLong(t *testing.T) {
	r := startReceiver(t, holding(t, 0), nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+path, strings.NewReader(strings.Repeat(" ", 21<<20)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue")
	r.client.Transport.(*http.Transport).ExpectContinueTimeout = 10 * time.Second
	resp, err := r.client.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
}
