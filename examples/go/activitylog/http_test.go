package activitylog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// web serves a handler behind the middleware, on a real connection.
func web(t *testing.T, s *Sender, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(s.Middleware(h))
	server.Config.ErrorLog = quiet()
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func do(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw)
}

func TestMiddlewareReportsTheRequest(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t)
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "twelve bytes")
	})
	server := web(t, s, mux)
	code, _ := do(t, "PUT", server.URL+"/orders/17?page=2&q=%20", "five!",
		"Authorization", "Bearer t", "X-Forwarded-For", "a", "X-Forwarded-For", "b", "Cookie", "session=secret", "X-Other", "no")
	require.Equal(t, http.StatusAccepted, code)
	e := c.only(t)
	for name, want := range map[string]any{
		"kind": "request", "method": "PUT", "url": "/orders/17", "query_string": "page=2&q=%20", "route": "/orders/{id}",
		"response_status": 202., "request_body_size": 5., "response_body_size": 12.,
	} {
		assert.Equal(t, want, e[name], name)
	}
	assert.Positive(t, e["response_time_ms"])
	assert.Regexp(t, `^127\.0\.0\.1:\d+$`, e["peer_address"])
	headers := e["headers"].(map[string]any)
	assert.Equal(t, []any{"a", "b"}, headers["x-forwarded-for"])
	assert.Equal(t, []any{"Bearer t"}, headers["authorization"])
	assert.NotContains(t, headers, "cookie")
	assert.NotContains(t, headers, "x-other")
}

func TestStatusAndSizes(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t)
	for name, tc := range map[string]struct {
		method    string
		h         http.HandlerFunc
		status    any
		sent, got any
		client    int
	}{
		"nothing written": {"GET", func(http.ResponseWriter, *http.Request) {}, 200., 0., 0., 200},
		"HEAD":            {"HEAD", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }, 200., nil, 0., 200},
		"ReadFrom": {"GET", func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("12345"))
			assert.NoError(t, err)
		}, 200., 5., 0., 200},
		"the first status stands": {"GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			w.WriteHeader(http.StatusInternalServerError)
		}, 404., 0., 0., 404},
		"panic": {"GET", func(http.ResponseWriter, *http.Request) { panic(errors.New("secret")) }, 500., 0., 0., 0},
		"panic in an answer": {"GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			panic("secret")
		}, 201., 0., 0., 0},
		"abort": {"GET", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, 0., 0., 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := web(t, s, tc.h)
			before := len(c.all())
			code, _ := do(t, tc.method, server.URL, "")
			assert.Equal(t, tc.client, code)
			e := c.wait(t, before+1)[before]
			assert.Equal(t, tc.status, e["response_status"])
			assert.Equal(t, tc.sent, e["response_body_size"])
			assert.Equal(t, tc.got, e["request_body_size"])
			if tc.client == 0 {
				assert.Equal(t, "failure", e["outcome"])
				assert.NotEmpty(t, e["reason"])
				assert.NotContains(t, e["reason"], "secret")
			}
		})
	}
}

// TestPanicGoesOn: an outer recovery sees the very value.
func TestPanicGoesOn(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t)
	broken := func(http.ResponseWriter, *http.Request) {
		_ = c.all()[5]
	}
	assert.PanicsWithError(t, "runtime error: index out of range [5] with length 0", func() {
		s.Middleware(http.HandlerFunc(broken)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	})
	assert.Equal(t, "panic: runtime error: index out of range [5] with length 0", c.only(t)["reason"])
}

// TestBodyWithoutLength: a chunked body is counted as it is read.
func TestBodyWithoutLength(t *testing.T) {
	c := newCollector(t)
	server := web(t, c.sender(t), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, io.MultiReader(strings.NewReader("123"), strings.NewReader("4567")))
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.EqualValues(t, 7, c.only(t)["request_body_size"])
}

// TestStreamsAndHijackers: what a handler could do with its writer, it still can.
func TestStreamsAndHijackers(t *testing.T) {
	c := newCollector(t)
	first := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, _ *http.Request) {
		control := http.NewResponseController(w)
		assert.NoError(t, control.SetWriteDeadline(time.Now().Add(time.Minute)))
		assert.NoError(t, control.SetReadDeadline(time.Now().Add(time.Minute)))
		_, _ = fmt.Fprint(w, "first,")
		assert.NoError(t, control.Flush())
		<-first // the client has read it before the handler goes on
		_, _ = fmt.Fprint(w, "second")
		w.(http.Flusher).Flush()
	})
	mux.HandleFunc("GET /hijack", func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if assert.NoError(t, err) {
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello")
			assert.NoError(t, errors.Join(rw.Flush(), conn.Close()))
		}
	})
	server := web(t, c.sender(t), mux)

	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	for line := ""; !strings.Contains(line, "first,"); {
		line, err = r.ReadString('\n')
		require.NoError(t, err)
	}
	close(first)
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Contains(t, string(rest), "second")
	e := c.only(t)
	assert.EqualValues(t, 12, e["response_body_size"])
	assert.EqualValues(t, 200, e["response_status"])

	code, _ := do(t, "GET", server.URL+"/hijack", "", "Connection", "Upgrade", "Upgrade", "x")
	assert.Equal(t, http.StatusSwitchingProtocols, code)
	e = c.wait(t, 2)[1]
	assert.EqualValues(t, 101, e["response_status"])
	assert.NotContains(t, e, "response_body_size")

	// A writer without these abilities does not pretend to have them.
	_, can := watch(struct{ http.ResponseWriter }{httptest.NewRecorder()}).w.(http.Hijacker)
	assert.False(t, can)
}

// TestEventsOfARequest: what is recorded with a request's context has its
// address, headers and actor, unless it says otherwise.
func TestEventsOfARequest(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t, func(o *Options) {
		o.Trace = func(context.Context) (traceID, spanID string) {
			return "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
		}
	})
	server := web(t, s, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.Record(r.Context(), Event{Kind: KindCRUD, EventType: "read"})
		SetActor(r.Context(), Actor{UserID: "7", Username: "ada"})
		SetRoute(r.Context(), "/of/another/router")
		s.Record(r.Context(), Event{Kind: KindCRUD, EventType: "update"})
		s.Record(r.Context(), Event{Kind: KindLogin, LoginType: "login_failed", Actor: Actor{Username: "eve"}, RemoteIP: "192.0.2.1"})
		r.Pattern = "/not/this"
	}))
	do(t, "GET", server.URL, "", "User-Agent", "test")
	got := c.wait(t, 4)
	assert.NotContains(t, got[0], "user_id")
	assert.Equal(t, "7", got[1]["user_id"])
	assert.NotContains(t, got[2], "user_id")
	assert.Equal(t, "eve", got[2]["username"])
	assert.NotContains(t, got[2], "peer_address")
	assert.Equal(t, "ada", got[3]["username"])
	assert.Equal(t, "/of/another/router", got[3]["route"])
	for _, e := range got {
		assert.Equal(t, []any{"test"}, e["headers"].(map[string]any)["user-agent"])
		assert.Equal(t, "00f067aa0ba902b7", e["span_id"])
	}
	SetActor(t.Context(), Actor{UserID: "nobody's request"}) // does nothing
	SetRoute(t.Context(), "/")
}

// TestLargeRequests: what a client sends cannot keep its request from being
// reported, or pass off a part of an address list as the whole.
func TestLargeRequests(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL.Path, r.URL.RawQuery = "/"+strings.Repeat("<", 1<<20), strings.Repeat("<", 1<<20)
	r.Header = http.Header{
		"Authorization": {"Bearer " + strings.Repeat("<", 32<<10)}, "User-Agent": {strings.Repeat("<", 28<<10)},
		"X-Forwarded-For": {strings.Repeat("9", 64<<10), "203.0.113.5"}, "Origin": {"https://app.example"},
	}
	s.Middleware(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	e := c.only(t)
	raw, err := json.Marshal(e)
	require.NoError(t, err)
	assert.Less(t, len(raw), 1<<20)
	assert.Len(t, e["url"], maxTextBytes)
	headers := e["headers"].(map[string]any)
	assert.Contains(t, headers, "authorization")
	assert.Contains(t, headers, "origin")
	assert.NotContains(t, headers, "x-forwarded-for")
}

func TestPatterns(t *testing.T) {
	for pattern, want := range map[string]string{"": "", "GET /a/{id}": "/a/{id}", "/": "/", "POST example.com/x": "/x", "example.com/": "/"} {
		assert.Equal(t, want, (&scope{}).routeOr(pattern), pattern)
	}
}

func BenchmarkMiddleware(b *testing.B) {
	s := &Sender{opts: Options{QueueBytes: 1 << 40, BatchEvents: 1 << 40, Headers: DefaultHeaders()}}
	h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	r := httptest.NewRequest(http.MethodGet, "/orders/17?page=2", nil)
	r.Header.Set("Authorization", "Bearer "+strings.Repeat("x", 500))
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
		s.pending = s.pending[:0]
	}
}
