// Package process runs a binary that is measured and reads what it uses.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	readyTime = 30 * time.Second
	stopTime  = 30 * time.Second
)

// Process is a running binary.
type Process struct {
	cmd  *exec.Cmd
	done chan error
	log  bytes.Buffer // read once the process has ended
}

// Start runs a binary.
func Start(binary string, args ...string) (*Process, error) { return StartWith(nil, binary, args...) }

// StartWith runs a binary with more variables in its environment.
func StartWith(env []string, binary string, args ...string) (*Process, error) {
	p := &Process{done: make(chan error, 1), cmd: exec.Command(binary, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s (build it first): %w", binary, err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

// Ready waits until the URL answers 200.
func (p *Process) Ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	for {
		if answers(ctx, url) {
			return nil
		}
		select {
		case err := <-p.done:
			p.done <- nil // Stop finds it ended
			return fmt.Errorf("%s ended: %w: %s", p.cmd.Path, err, p.log.String())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", p.cmd.Path, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// Stop ends the process with SIGTERM and waits for it.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.cmd.Path, err)
	}
	select {
	case err := <-p.done:
		if err != nil {
			return fmt.Errorf("%s ended: %w: %s", p.cmd.Path, err, p.log.String())
		}
		return nil
	case <-time.After(stopTime):
		return errors.Join(fmt.Errorf("%s does not stop", p.cmd.Path), p.cmd.Process.Kill())
	}
}

// ticksPerSecond is USER_HZ, 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// CPU is what the process has used, user and system, in seconds.
func (p *Process) CPU() (float64, error) { return CPU(p.PID()) }

// CPU is what a process has used, user and system, in seconds.
func CPU(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in brackets, may hold spaces; utime and stime are fields 14, 15.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticksPerSecond, err
}

// RSS is the resident memory in MiB.
func (p *Process) RSS() (float64, error) { return RSS(p.PID()) }

// RSS is the resident memory of a process in MiB.
func RSS(pid int) (float64, error) { return status(pid, "VmRSS:") }

// PeakRSS is the most the resident memory has been, in MiB.
func (p *Process) PeakRSS() (float64, error) { return status(p.PID(), "VmHWM:") }

func status(pid int, key string) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc", key)
}

// FreeAddress gives a port of the loopback interface that nobody listens on.
func FreeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
