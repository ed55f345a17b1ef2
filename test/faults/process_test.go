package faults

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// repo is the root of the repository.
const repo = "../.."

// binary gives the path of a built binary; a missing one fails the test.
func binary(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(repo, "build", name))
	require.NoError(t, err)
	_, err = os.Stat(path)
	require.NoError(t, err, "run make build first")
	return path
}

// freeAddress gives a loopback address that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

// process is one program that runs until it is stopped or killed.
type process struct {
	t    *testing.T
	name string
	args []string
	env  []string
	dir  string
	log  string // file of its output

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

func newProcess(t *testing.T, name string, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, name: binary(t, name), args: args, dir: dir, log: filepath.Join(dir, "log")}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the end of what %s said:\n%s", name, p.tail())
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(p.t, err)
	defer func() { _ = out.Close() }() // the child has its own
	cmd := exec.Command(p.name, p.args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = out, out, p.dir, append(os.Environ(), p.env...)
	require.NoError(p.t, cmd.Start())
	done := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.done = cmd, done
	p.mu.Unlock()
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(done)
	}()
}

// kill ends the process with SIGKILL and waits for it.
func (p *process) kill() {
	p.mu.Lock()
	cmd, done := p.cmd, p.done
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-done
}

// stop asks the process to end, which it must do well and in time.
func (p *process) stop(limit time.Duration) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.Equal(p.t, 0, p.wait(limit), "%s did not end well", filepath.Base(p.name))
}

// wait gives the exit code.
func (p *process) wait(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		require.FailNow(p.t, filepath.Base(p.name)+" did not end in "+limit.String())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(p.t, p.err)
	return 0
}

// tail gives the last 4 KiB of the output.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-4096):])
}

// status gives the HTTP status of a GET, 0 when there is no answer.
func status(ctx context.Context, url string) int {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
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

// tool runs a program to its end and gives its output and exit code.
func tool(t *testing.T, name string, args ...string) (string, int) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary(t, name), args...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	require.NoError(t, err)
	return string(out), 0
}
