package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// configuration is the default pipeline on free ports, with the profiler.
const configuration = `receivers:
  activitylog:
    endpoint: %[1]s
processors:
  enrich:
    tenant:
      from_event: true
  integrity:
exporters:
  auditsql:
    driver: sqlite
    sqlite:
      directory: %[4]s
    auditapi: auditapi
extensions:
  auditapi:
    endpoint: %[2]s
    token: bench
    storage:
      driver: sqlite
      sqlite:
        directory: %[4]s
  pprof:
    endpoint: %[3]s
service:
  telemetry:
    metrics:
      level: none
    logs:
      level: warn
  extensions: [auditapi, pprof]
  pipelines:
    logs:
      receivers: [activitylog]
      processors: [enrich, integrity]
      exporters: [auditsql]
`

// collector is the built binary with its own store.
type collector struct {
	cmd                *exec.Cmd
	done               chan error
	log                bytes.Buffer
	events, api, pprof string
}

func startCollector(ctx context.Context, binary, dir string) (*collector, error) {
	c := &collector{done: make(chan error, 1)}
	for _, at := range []*string{&c.events, &c.api, &c.pprof} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		*at = l.Addr().String()
		if err := l.Close(); err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
	}
	file := filepath.Join(dir, "collector.yaml")
	text := fmt.Sprintf(configuration, c.events, c.api, c.pprof, filepath.Join(dir, "data"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	c.cmd = exec.Command(binary, "--config", file)
	c.cmd.Stdout, c.cmd.Stderr = &c.log, &c.log
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the collector (run make build first): %w", err)
	}
	go func() { c.done <- c.cmd.Wait() }()
	err := c.ready(ctx)
	return c, err
}

func (c *collector) ready(ctx context.Context) error {
	for range 300 {
		resp, err := get(ctx, "http://"+c.api+"/readyz")
		if err == nil {
			err = resp.Body.Close()
			if resp.StatusCode == http.StatusOK && err == nil {
				return nil
			}
		}
		select {
		case err := <-c.done:
			return fmt.Errorf("the collector ended: %w: %s", err, c.log.String())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), c.stop())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.Join(errors.New("the collector is not ready after 30 s: "+c.log.String()), c.stop())
}

func (c *collector) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the collector: %w", err)
	}
	select {
	case err := <-c.done:
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the collector does not stop"), c.cmd.Process.Kill())
	}
}

func get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer bench")
	return http.DefaultClient.Do(req)
}

// ticksPerSecond is USER_HZ, 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// cpu is what the collector has used, user and system, in seconds.
func (c *collector) cpu() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
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

// rss is the resident memory in MiB.
func (c *collector) rss() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmRSS in /proc")
}
