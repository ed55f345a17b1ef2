// Package e2e runs the built binary with the shipped configurations, as a user
// would: real ports, real files, real clients.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// repo is the root of the repository.
const repo = "../.."

// collector is one running process of the built binary.
type collector struct {
	t      *testing.T
	config string
	env    map[string]string

	DataDir  string
	Events   string
	OTLPHTTP string
	OTLPGRPC string
	API      string

	mu   sync.Mutex
	cmd  *exec.Cmd
	logs lockedBuffer
	done chan struct{}
	err  error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// binary gives the path of a built binary; a missing one fails the test.
func binary(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(repo, "build", name))
	require.NoError(t, err)
	_, err = os.Stat(path)
	require.NoError(t, err, "run make build first")
	return path
}

// newCollector prepares a collector on free ports and an empty data folder.
func newCollector(t *testing.T, config string) *collector {
	t.Helper()
	c := &collector{
		t: t, config: filepath.Join(repo, config), DataDir: filepath.Join(t.TempDir(), "data"),
		Events: freeAddress(t), OTLPHTTP: freeAddress(t), OTLPGRPC: freeAddress(t), API: freeAddress(t),
		env: map[string]string{},
	}
	t.Cleanup(c.Kill)
	return c
}

// startCollector starts a collector and waits until it is ready.
func startCollector(t *testing.T, config string) *collector {
	t.Helper()
	c := newCollector(t, config)
	c.Start()
	return c
}

// freeAddress gives a loopback address that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

// Launch starts the process without waiting for readiness.
func (c *collector) Launch(extra ...string) {
	c.t.Helper()
	// The tests run many collectors: none may claim the metrics port.
	args := append([]string{"--config", c.config, "--config", "yaml:service::telemetry::metrics::level: none"}, extra...)
	cmd := exec.Command(binary(c.t, "otelcol-activitylog"), args...)
	cmd.Env = c.environment()
	cmd.Stdout, cmd.Stderr = &c.logs, &c.logs
	require.NoError(c.t, cmd.Start())
	done := make(chan struct{})
	c.mu.Lock()
	c.cmd, c.done = cmd, done
	c.mu.Unlock()
	go func() {
		err := cmd.Wait()
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
		close(done)
	}()
}

// environment is what the configuration is read with.
func (c *collector) environment() []string {
	env := append(os.Environ(),
		"ACTIVITYLOG_DATA_DIR="+c.DataDir, "ACTIVITYLOG_SPOOL_DIR="+filepath.Join(c.DataDir, "spool"),
		"ACTIVITYLOG_EVENTS_ENDPOINT="+c.Events, "ACTIVITYLOG_OTLP_HTTP_ENDPOINT="+c.OTLPHTTP,
		"ACTIVITYLOG_OTLP_GRPC_ENDPOINT="+c.OTLPGRPC, "ACTIVITYLOG_API_ENDPOINT="+c.API)
	for k, v := range c.env {
		env = append(env, k+"="+v)
	}
	return env
}

// Tool runs one of the tools with the collector's environment and gives its
// output and exit code.
func (c *collector) Tool(name string, args ...string) (string, int) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), binary(c.t, name), args...)
	cmd.Env = c.environment()
	return output(c.t, cmd)
}

// Start starts the process and waits until it can accept events.
func (c *collector) Start(extra ...string) {
	c.t.Helper()
	c.Launch(extra...)
	c.WaitReady()
}

// WaitReady waits until /readyz answers 200.
func (c *collector) WaitReady() {
	c.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-c.done:
			require.FailNow(c.t, "the collector ended before it was ready", c.logs.String())
		default:
		}
		if c.status("http://"+c.API+"/readyz") == http.StatusOK {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.FailNow(c.t, "the collector was not ready in 30 s", c.logs.String())
}

func (c *collector) status(url string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// Kill ends the process with SIGKILL and waits for it.
func (c *collector) Kill() {
	c.mu.Lock()
	cmd, done := c.cmd, c.done
	c.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-done
}

// Signal sends a signal.
func (c *collector) Signal(s syscall.Signal) {
	c.t.Helper()
	require.NoError(c.t, c.cmd.Process.Signal(s))
}

// Wait waits for the end of the process and gives its exit code.
func (c *collector) Wait(limit time.Duration) int {
	c.t.Helper()
	select {
	case <-c.done:
	case <-time.After(limit):
		require.FailNow(c.t, fmt.Sprintf("the collector did not end in %s", limit), c.logs.String())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var exit *exec.ExitError
	if errors.As(c.err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(c.t, c.err)
	return 0
}

// Stop ends the process with SIGTERM; it must end cleanly.
func (c *collector) Stop() {
	c.t.Helper()
	c.Signal(syscall.SIGTERM)
	require.Equal(c.t, 0, c.Wait(20*time.Second), c.logs.String())
}

// Token gives the API token: the one set, or the generated one.
func (c *collector) Token() string {
	c.t.Helper()
	if token := c.env["ACTIVITYLOG_API_TOKEN"]; token != "" {
		return token
	}
	b, err := os.ReadFile(filepath.Join(c.DataDir, "api-token"))
	require.NoError(c.t, err)
	return strings.TrimSpace(string(b))
}

// answer is what POST /v1/events answers.
type answer struct {
	Accepted   int      `json:"accepted"`
	Duplicates []string `json:"duplicates"`
	Conflicts  []string `json:"conflicts"`
	Filtered   int      `json:"filtered"`
	IDs        []string `json:"ids"`
	Rejected   []struct {
		Index  int    `json:"index"`
		ID     string `json:"id"`
		Code   string `json:"code"`
		Reason string `json:"reason"`
	} `json:"rejected"`
}

// Post sends a body to the events endpoint.
func (c *collector) Post(contentType, body string) (int, answer) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://"+c.Events+"/v1/events", strings.NewReader(body))
	require.NoError(c.t, err)
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	var a answer
	_ = json.Unmarshal(raw, &a)
	return resp.StatusCode, a
}

// Get reads a path of the API.
func (c *collector) Get(path string, into any) int {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, "http://"+c.API+path, http.NoBody)
	require.NoError(c.t, err)
	req.Header.Set("Authorization", "Bearer "+c.Token())
	resp, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	if into != nil {
		require.NoError(c.t, json.Unmarshal(raw, into), string(raw))
	}
	return resp.StatusCode
}

// list is the envelope of a list.
type list struct {
	Count      int              `json:"count"`
	CountExact bool             `json:"count_exact"`
	Next       *string          `json:"next"`
	Previous   *string          `json:"previous"`
	Results    []map[string]any `json:"results"`
	NextCursor *string          `json:"next_cursor"`
	Complete   bool             `json:"complete"`
}

// List reads one page of a kind.
func (c *collector) List(kind, query string) list {
	c.t.Helper()
	var l list
	require.Equal(c.t, http.StatusOK, c.Get("/api/activity/"+kind+"-events/"+query, &l))
	return l
}

// report is the answer of verify_integrity.
type report struct {
	Total       int      `json:"total"`
	Verified    int      `json:"verified"`
	Tampered    int      `json:"tampered"`
	TamperedIDs []string `json:"tampered_ids"`
	Unsealed    int      `json:"unsealed"`
	UnsealedIDs []string `json:"unsealed_ids"`
	OK          bool     `json:"ok"`
}

// Verify reads the integrity report of a kind.
func (c *collector) Verify(kind string) report {
	c.t.Helper()
	var r report
	require.Equal(c.t, http.StatusOK, c.Get("/api/activity/"+kind+"-events/verify_integrity/", &r))
	return r
}

// auditctl runs the command line tool and gives its output and exit code.
func auditctl(t *testing.T, args ...string) (string, int) {
	t.Helper()
	return runTool(t, "auditctl", args...)
}

func runTool(t *testing.T, name string, args ...string) (string, int) {
	t.Helper()
	return output(t, exec.CommandContext(t.Context(), binary(t, name), args...))
}

func output(t *testing.T, cmd *exec.Cmd) (string, int) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	require.NoError(t, err)
	return string(out), 0
}
