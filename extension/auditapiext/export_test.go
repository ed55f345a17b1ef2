package auditapiext

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// largeExport is more than the socket buffers of both ends hold.
const (
	largeEvents = 400
	largeEvent  = 60_000
)

// download asks for an export over a connection of its own, with a small
// receive buffer, and gives the answer's body.
func (s *subject) download(t *testing.T, path string) (*http.Response, net.Conn) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", strings.TrimPrefix(s.base(t), "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(16<<10))
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, s.token(t))
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	return res, conn
}

// idle waits until no export holds a place.
func (s *subject) idle(t *testing.T) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, http.StatusOK, s.status(t, "/api/activity/crud-events/export_csv"))
	}, 10*time.Second, 10*time.Millisecond)
}

func largeExports(t *testing.T, stall time.Duration) *subject {
	t.Helper()
	s := start(t, func(c *Config) {
		c.ReadBudget, c.Server.WriteTimeout, c.StallTimeout, c.MaxExports = 100*time.Millisecond, 300*time.Millisecond, stall, 1
	})
	s.write(t, largeEvents, largeEvent)
	return s
}

func TestAnExportOutlivesTheWriteTimeoutWithASlowReader(t *testing.T) {
	s := largeExports(t, 5*time.Second)
	begun := time.Now()
	res, _ := s.download(t, "/api/activity/system-events/export_ndjson/")
	defer func() { assert.NoError(t, res.Body.Close()) }()
	lines := 0
	for reader := bufio.NewReaderSize(res.Body, largeEvent*2); ; lines++ {
		line, err := reader.ReadString('\n')
		if errors.Is(err, io.EOF) {
			require.Empty(t, line)
			break
		}
		require.NoError(t, err)
		time.Sleep(4 * time.Millisecond)
	}
	assert.Equal(t, largeEvents, lines)
	assert.Greater(t, time.Since(begun), 4*s.cfg.Server.WriteTimeout, "the reader was slow enough for the test to mean something")
	s.idle(t)
}

func TestAStalledClientLosesItsExport(t *testing.T) {
	s := largeExports(t, 300*time.Millisecond)
	res, conn := s.download(t, "/api/activity/system-events/export_json/")
	status, header, _ := s.get(t, "/api/activity/system-events/export_json/")
	assert.Equal(t, http.StatusTooManyRequests, status, "it holds the one place")
	assert.Equal(t, "5", header.Get("Retry-After"))
	s.idle(t) // without one byte being read
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := io.Copy(io.Discard, res.Body)
	_ = res.Body.Close() // broken as it is
	require.Error(t, err, "a broken export never ends cleanly")
	assert.Less(t, n, int64(largeEvents*largeEvent))
	require.Len(t, s.logs.FilterMessage("An export was broken off").All(), 1)
}

func TestALeavingClientFreesItsPlaceAtOnce(t *testing.T) {
	s := largeExports(t, time.Minute)
	_, conn := s.download(t, "/api/activity/system-events/export_csv/") //nolint:bodyclose // the connection is cut
	require.NoError(t, conn.Close())
	s.idle(t)
}

func TestShutdownCutsAnExportOff(t *testing.T) {
	s := largeExports(t, time.Minute)
	res, conn := s.download(t, "/api/activity/system-events/export_csv/")
	begun := time.Now()
	require.NoError(t, s.Shutdown(context.Background()))
	assert.Less(t, time.Since(begun), shutdownGrace+3*time.Second)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err := io.Copy(io.Discard, res.Body)
	_ = res.Body.Close() // broken as it is
	require.Error(t, err)
}

func TestAReportOutlivesTheWriteTimeout(t *testing.T) {
	s := start(t, func(c *Config) { c.ReadBudget, c.Server.WriteTimeout = time.Millisecond, 3*time.Millisecond })
	s.write(t, 4000, 4000) // tens of milliseconds of hashing
	status, _, body := s.get(t, "/api/activity/system-events/verify_integrity/")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, string(body), `"verified":4000`)
}
