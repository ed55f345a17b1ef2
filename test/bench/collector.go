package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/activitylog/otelcol-activitylog/test/bench/process"
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
	*process.Process
	events, api, pprof string
}

func startCollector(ctx context.Context, binary, dir string) (*collector, error) {
	c := &collector{}
	for _, at := range []*string{&c.events, &c.api, &c.pprof} {
		var err error
		if *at, err = process.FreeAddress(ctx); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(dir, "collector.yaml")
	text := fmt.Sprintf(configuration, c.events, c.api, c.pprof, filepath.Join(dir, "data"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	var err error
	if c.Process, err = process.Start(binary, "--config", file); err != nil {
		return nil, err
	}
	if err := c.Ready(ctx, "http://"+c.api+"/readyz"); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer bench")
	return http.DefaultClient.Do(req)
}
