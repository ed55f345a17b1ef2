package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// shop is the running demo of examples/go.
type shop struct {
	t    *testing.T
	cmd  *exec.Cmd
	env  []string
	http string
	grpc string
	logs lockedBuffer

	spool string
}

// buildShop builds the demo as a user would, in its own module.
func buildShop(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	cmd.Dir = filepath.Join(repo, "examples", "go")
	out, code := output(t, cmd)
	require.Equal(t, 0, code, out)
	return path
}

func startShop(t *testing.T, binary string, c *collector) *shop {
	t.Helper()
	s := &shop{t: t, http: freeAddress(t), grpc: freeAddress(t), spool: filepath.Join(t.TempDir(), "spool")}
	s.env = []string{
		"ACTIVITYLOG_ENDPOINT=http://" + c.Events + "/v1/events", "ACTIVITYLOG_SPOOL_DIR=" + s.spool, "SHOP_HTTP=" + s.http, "SHOP_GRPC=" + s.grpc,
	}
	s.start(binary)
	return s
}

func (s *shop) start(binary string) {
	s.t.Helper()
	s.cmd = exec.Command(binary)
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.logs, &s.logs
	require.NoError(s.t, s.cmd.Start())
	s.t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	require.Eventually(s.t, func() bool { code, _ := s.try(http.MethodHead, "/orders/none", ""); return code == http.StatusNotFound },
		10*time.Second, 20*time.Millisecond, "the demo does not answer")
}

// stop ends the demo with SIGTERM; it must end cleanly.
func (s *shop) stop() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(s.t, s.cmd.Wait(), s.logs.String())
}

// try makes a request and gives status and cookies; the status is 0 when there
// was no answer.
func (s *shop) try(method, path, body string, headers ...string) (int, []*http.Cookie) {
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.http+path, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Cookies()
}

// do makes a request that must be answered.
func (s *shop) do(status int, method, path, body string, headers ...string) []*http.Cookie {
	s.t.Helper()
	code, cookies := s.try(method, path, body, headers...)
	require.Equal(s.t, status, code, "%s %s", method, path)
	return cookies
}

// row waits for the one event of a kind that a query finds.
func row(t *testing.T, c *collector, kind, query string) map[string]any {
	t.Helper()
	var l list
	require.Eventually(t, func() bool { l = c.List(kind, query); return len(l.Results) > 0 }, 10*time.Second, 50*time.Millisecond, kind+query)
	require.Len(t, l.Results, 1)
	return l.Results[0]
}

// bearer makes a token that the collector verifies.
func bearer(t *testing.T, c *collector, user string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"user_id": user, "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(c.env["ACTIVITYLOG_JWT_SECRET"]))
	require.NoError(t, err)
	return "Bearer " + token
}

const (
	demoSecret  = "a secret of at least thirty-two bytes"
	traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
)

// TestGoProducer: what the demo does is what is read back.
func TestGoProducer(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	c.env["ACTIVITYLOG_JWT_SECRET"] = demoSecret
	c.env["ACTIVITYLOG_TRUSTED_PROXIES"] = "127.0.0.1"
	c.Start()
	s := startShop(t, buildShop(t), c)
	token := bearer(t, c, "42")

	t.Run("requests and what they change", func(t *testing.T) {
		said := []string{"Authorization", token, "Traceparent", traceparent, "X-Forwarded-For", "203.0.113.5", "User-Agent", "e2e/1"}
		s.do(http.StatusOK, http.MethodPut, "/orders/1001?page=2&token=hush", `{"state":"new","total":10}`, said...)
		s.do(http.StatusOK, http.MethodPut, "/orders/1001", `{"state":"paid","total":10}`, said...)
		s.do(http.StatusNoContent, http.MethodDelete, "/orders/1001", "", said...)

		request := row(t, c, "request", "?url=/orders/1001&method=PUT&query_string__icontains=page")
		for name, want := range map[string]any{
			"user_id": "42", "auth_verified": "verified", "auth_method": "jwt", "remote_ip": "203.0.113.5", "user_agent": "e2e/1", "service": "shop",
			"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "route": "/orders/{id}", "response_status": 200., "request_body_size": 26.,
			"response_body_size": 27., "outcome": "success",
		} {
			assert.Equal(t, want, request[name], name)
		}
		assert.Positive(t, request["response_time_ms"])
		assert.NotContains(t, request["query_string"], "hush")

		update := row(t, c, "crud", "?object_id=1001&event_type=2")
		for name, want := range map[string]any{
			"user_id": "42", "auth_verified": "verified", "remote_ip": "203.0.113.5", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
			"content_type": "shop.order", "changed_fields": `{"state":["new","paid"]}`,
		} {
			assert.Equal(t, want, update[name], name)
		}
		row(t, c, "crud", "?object_id=1001&event_type=1")
		row(t, c, "crud", "?object_id=1001&event_type=3")
	})

	t.Run("sessions", func(t *testing.T) {
		form := []string{"Content-Type", "application/x-www-form-urlencoded"}
		s.do(http.StatusUnauthorized, http.MethodPost, "/login", url.Values{"username": {"eve"}, "password": {"guess"}}.Encode(), form...)
		cookies := s.do(http.StatusNoContent, http.MethodPost, "/login", url.Values{"username": {"ada"}, "password": {"correct horse"}}.Encode(), form...)
		require.Len(t, cookies, 1)
		s.do(http.StatusNotFound, http.MethodGet, "/orders/of-ada", "", "Cookie", "session="+cookies[0].Value)

		failed := row(t, c, "login", "?username=eve")
		assert.Equal(t, "login_failed", failed["login_type_display"])
		assert.Equal(t, "failure", failed["outcome"])
		assert.Equal(t, "127.0.0.1", failed["remote_ip"])
		assert.Equal(t, "login", row(t, c, "login", "?username=ada")["login_type_display"])
		of := row(t, c, "request", "?url=/orders/of-ada")
		assert.Equal(t, "ada", of["username"])
		assert.Equal(t, "not_checked", of["auth_verified"])
		assert.Equal(t, "session", of["auth_method"])
		assert.Len(t, of["session_key"], 64, "hashed")
	})

	t.Run("panics, streams and system events", func(t *testing.T) {
		code, _ := s.try(http.MethodPost, "/panic", "") // net/http repeats a GET whose connection ends
		assert.Zero(t, code, "net/http ends the connection, as without the middleware")
		broken := row(t, c, "request", "?url=/panic")
		assert.EqualValues(t, 500, broken["response_status"])
		assert.Equal(t, "failure", broken["outcome"])
		s.do(http.StatusOK, http.MethodGet, "/ticks", "")
		assert.GreaterOrEqual(t, row(t, c, "request", "?url=/ticks")["response_time_ms"], 150.)
		started := row(t, c, "system", "?event_name=shop.started")
		assert.Equal(t, "starting", started["message"])
		assert.EqualValues(t, 1, started["producer_seq"])
	})

	t.Run("gRPC", func(t *testing.T) {
		conn, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", token, "traceparent", traceparent)
		_, err = healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: "none"})
		require.Error(t, err)
		call := row(t, c, "request", "?url=/grpc.health.v1.Health/Check")
		for name, want := range map[string]any{
			"user_id": "42", "auth_verified": "verified", "remote_ip": "127.0.0.1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
			"outcome": "failure", "reason": "NotFound", "response_status": 404.,
		} {
			assert.Equal(t, want, call[name], name)
		}
	})

	silent, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.http)
	require.NoError(t, err)
	defer func() { require.NoError(t, silent.Close()) }()
	s.stop() // cleanly, though a client is connected that has said nothing
	assert.NotContains(t, s.logs.String(), "eyJ", "no token in the log")
	for _, kind := range kinds {
		require.True(t, c.Verify(kind).OK, kind)
	}
}

// stats reads the demo's own counts.
func (s *shop) stats() map[string]int64 {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.http+"/stats", http.NoBody)
	require.NoError(s.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer func() { _ = resp.Body.Close() }()
	counts := map[string]int64{}
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&counts))
	return counts
}

// TestGoProducerOutage: with the collector away no request fails; what happened
// survives even a kill of the service, and arrives once, with its time.
func TestGoProducerOutage(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	c.env["ACTIVITYLOG_JWT_SECRET"] = demoSecret
	c.Start()
	binary := buildShop(t)
	s := startShop(t, binary, c)
	token := bearer(t, c, "42")
	c.Kill()

	before := time.Now()
	for n := range 100 {
		s.do(http.StatusOK, http.MethodPut, fmt.Sprintf("/orders/%d", n), `{"state":"new"}`, "Authorization", token)
	}
	after := time.Now()
	// 200 events and the spool's: on disk, no token among them.
	require.Eventually(t, func() bool { n := s.stats(); return n["Waiting"] == 0 && n["SpoolBytes"] > 0 }, 10*time.Second, 50*time.Millisecond)
	onDisk := spooled(t, s.spool)
	assert.Equal(t, 100, strings.Count(onDisk, `"event_type":"create"`))
	for part := range strings.SplitSeq(strings.TrimPrefix(token, "Bearer "), ".") {
		assert.Zero(t, strings.Count(onDisk, part), "a token is on disk")
	}

	c.Start()
	require.Eventually(t, func() bool { return c.List("crud", "").Count == 100 }, 30*time.Second, 100*time.Millisecond)
	for _, e := range c.List("crud", "?page_size=200").Results {
		assert.Equal(t, "verified", e["auth_verified"], "the actor is known after the outage")
		assert.Equal(t, "42", e["user_id"])
		at, err := time.Parse(time.RFC3339Nano, e["datetime"].(string))
		require.NoError(t, err)
		assert.WithinRange(t, at, before, after)
	}

	// Collector and service both die; the service comes back first.
	c.Kill()
	for n := range 100 {
		s.do(http.StatusNoContent, http.MethodDelete, fmt.Sprintf("/orders/%d", n), "", "Authorization", token)
	}
	require.Eventually(t, func() bool { return s.stats()["Waiting"] == 0 }, 10*time.Second, 20*time.Millisecond)
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait()
	s.start(binary)
	c.Start()
	require.Eventually(t, func() bool { return c.List("crud", "?event_type=3").Count == 100 }, 60*time.Second, 100*time.Millisecond, "deletions: %v %s", s.stats(), s.logs.String())
	s.stop()
	assert.Empty(t, spooled(t, s.spool))
}

// spooled gives the text of the spool.
func spooled(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.spool"))
	require.NoError(t, err)
	var all strings.Builder
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(raw)
	}
	return all.String()
}

// TestGoProducerKill kills the collector under load, again and again: every
// request is stored exactly once.
func TestGoProducerKill(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	s := startShop(t, buildShop(t), c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	asked := map[string]bool{}
	for client := range 4 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				path := fmt.Sprintf("/orders/%d-%d", client, n)
				if code, _ := s.try(http.MethodGet, path, ""); code != http.StatusNotFound {
					t.Errorf("%s: the answer was %d", path, code)
					return
				}
				mu.Lock()
				asked[path] = true
				mu.Unlock()
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	for kill := range 10 {
		time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond)
		c.Kill()
		time.Sleep(300 * time.Millisecond) // long enough to be noticed
		c.Start()
		require.Eventually(t, func() bool {
			return strings.Count(s.logs.String(), "the collector is back") > kill && s.stats()["SpoolBytes"] == 0
		},
			30*time.Second, 10*time.Millisecond, "kill %d: %s", kill, s.logs.String())
	}
	cancel()
	wg.Wait()
	require.Eventually(t, func() bool { n := s.stats(); return n["Waiting"] == 0 && n["SpoolBytes"] == 0 }, 60*time.Second, 100*time.Millisecond, "%v", s.stats())
	s.stop()

	require.Greater(t, len(asked), 500, "too little to prove anything")
	found := map[string]int{}
	next := "?page_size=1000&url__icontains=-"
	for range 100 {
		l := c.List("request", next)
		for _, e := range l.Results {
			found[e["url"].(string)]++
		}
		if l.NextCursor == nil {
			break
		}
		next = "?page_size=1000&url__icontains=-&cursor=" + url.QueryEscape(*l.NextCursor)
	}
	for path := range asked {
		assert.Equal(t, 1, found[path], path)
	}
	assert.Len(t, found, len(asked))
	t.Log(len(asked), "requests,", s.logs.String())
}
