// Package hostile is a corpus of requests that no well-meaning client sends to
// POST /v1/events, and of what a healthy collector answers. The receiver's own
// tests and the end-to-end tests send the same ones.
package hostile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Case is one hostile request.
type Case struct {
	Name string
	// Method and Path default to POST and /v1/events.
	Method, Path string
	// Header defaults to Content-Type: application/json.
	Header map[string]string
	// Body makes the body anew for each request; nil for none.
	Body func() io.Reader
	// Raw is sent as it is over TCP, followed by the end of sending, in place
	// of a well-formed HTTP request.
	Raw string

	// Want lists the statuses that are right; 0 is a connection closed
	// without an answer, which only raw requests may get.
	Want []int
	// Accepted is how many events of the request are to be stored.
	Accepted int
	// Rejected is how many events the answer names as rejected.
	Rejected int
	// Code is the code of the problem or of the first rejected event; empty
	// when there is none or several are right.
	Code string
}

// Result is what came back.
type Result struct {
	Status      int
	ContentType string
	Code        string
	Accepted    int
	IDs         []string
	Rejected    []struct {
		Index            int
		ID, Code, Reason string
	}
}

// Send sends the case to a collector at base, for example "http://127.0.0.1:4319".
func (c *Case) Send(ctx context.Context, client *http.Client, base string) (Result, error) {
	if c.Raw != "" {
		return c.sendRaw(ctx, base)
	}
	method, path := c.Method, c.Path
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = "/v1/events"
	}
	var body io.Reader
	if c.Body != nil {
		body = c.Body()
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return Result{}, fmt.Errorf("case %s: %w", c.Name, err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, v := range c.Header {
		if v == "" {
			req.Header.Del(name)
			continue
		}
		req.Header.Set(name, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		return Result{}, fmt.Errorf("case %s: %w", c.Name, err)
	}
	defer func() { _ = resp.Body.Close() }()
	return read(resp)
}

func (c *Case) sendRaw(ctx context.Context, base string) (Result, error) {
	u, err := url.Parse(base)
	if err != nil {
		return Result{}, fmt.Errorf("case %s: %w", c.Name, err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return Result{}, fmt.Errorf("case %s: %w", c.Name, err)
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	// The server may have closed already; what matters is its answer.
	_, _ = io.WriteString(conn, c.Raw)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return Result{}, fmt.Errorf("case %s: neither an answer nor an end: %w", c.Name, err)
		}
		return Result{}, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return read(resp)
}

func read(resp *http.Response) (Result, error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return Result{}, fmt.Errorf("read the answer: %w", err)
	}
	r := Result{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type")}
	if !strings.Contains(r.ContentType, "json") {
		return r, nil
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return Result{}, fmt.Errorf("the answer is not JSON: %w", err)
	}
	r.Status = resp.StatusCode
	return r, nil
}

// Trickle gives text one byte at a time with a pause before each.
func Trickle(text string, pause time.Duration) io.Reader {
	return &trickle{rest: text, pause: pause}
}

type trickle struct {
	rest  string
	pause time.Duration
}

func (t *trickle) Read(p []byte) (int, error) {
	if t.rest == "" {
		return 0, io.EOF
	}
	time.Sleep(t.pause)
	p[0], t.rest = t.rest[0], t.rest[1:]
	return 1, nil
}

func text(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }

func raw(b []byte) func() io.Reader { return func() io.Reader { return bytes.NewReader(b) } }
