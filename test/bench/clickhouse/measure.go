package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen/client"
	"github.com/activitylog/otelcol-activitylog/test/bench/chserver"
	"github.com/activitylog/otelcol-activitylog/test/bench/process"
)

// candidate is a collector and how it is configured. The configuration takes
// the OTLP address, the health address and the DSN.
type candidate struct {
	name, table string
	ours        bool
	config      string
	health      string // path of the health address
}

// measurement is one run.
type measurement struct {
	client.Report
	storedPerSecond float64 // from the first request until the last row was stored
	stored          float64
	cpu             float64 // microseconds of the collector a stored event
	peakMiB         float64
	bytes           float64 // on disk an event, merged
}

const (
	database = "activitylog_bench"
	// drainTime is how long rows may still arrive after the last answer.
	drainTime = 3 * time.Minute
)

// measure runs one candidate against an empty database.
func measure(ctx context.Context, s *settings, db *chserver.Server, c *candidate, load shape) (m measurement, err error) {
	if err := db.Fresh(ctx, database); err != nil {
		return m, err
	}
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "bench-")
	if err != nil {
		return m, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	otlp, err := process.FreeAddress(ctx)
	if err != nil {
		return m, err
	}
	health, err := process.FreeAddress(ctx)
	if err != nil {
		return m, err
	}
	file := filepath.Join(dir, "collector.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, c.config, otlp, health, db.DSN(database), dir), 0o600); err != nil {
		return m, fmt.Errorf("write the configuration: %w", err)
	}
	binary := s.peer
	if c.ours {
		binary = s.collector
	}
	p, err := process.Start(binary, "--config", file)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	if err := p.Ready(ctx, "http://"+health+c.health); err != nil {
		return m, err
	}
	err = m.take(ctx, s, db, c, p, otlp, load)
	return m, err
}

func (m *measurement) take(ctx context.Context, s *settings, db *chserver.Server, c *candidate, p *process.Process, otlp string, load shape) error {
	before, err := p.CPU()
	if err != nil {
		return err
	}
	begin := time.Now()
	cmd := exec.CommandContext(ctx, s.auditload, "run", "--endpoint", "http://"+otlp, "--protocol", "otlp-http", "--json",
		"--batch", strconv.Itoa(load.batch), "--clients", strconv.Itoa(load.clients), "--duration", s.duration.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("run auditload: %w", err)
	}
	if err := json.Unmarshal(out, &m.Report); err != nil {
		return fmt.Errorf("read auditload's report: %w", err)
	}
	end, err := m.drained(ctx, db, c)
	if err != nil {
		return err
	}
	after, err := p.CPU()
	if err != nil {
		return err
	}
	if m.peakMiB, err = p.PeakRSS(); err != nil {
		return err
	}
	if m.stored == 0 {
		return fmt.Errorf("nothing was stored: %s", out)
	}
	m.cpu = (after - before) * 1e6 / m.stored
	m.storedPerSecond = m.stored / end.Sub(begin).Seconds()
	return m.size(ctx, db, c)
}

// drained waits until every acknowledged row is there, or no further one comes
// for ten seconds; it gives the time of the last.
func (m *measurement) drained(ctx context.Context, db *chserver.Server, c *candidate) (time.Time, error) {
	last := time.Now()
	for deadline := last.Add(drainTime); time.Now().Before(deadline); {
		n, err := db.Numbers(ctx, "SELECT count() FROM "+database+"."+c.table)
		if err != nil {
			return last, err
		}
		if n[0] > m.stored {
			m.stored, last = n[0], time.Now()
		}
		if m.stored >= float64(m.Acknowledged) || time.Since(last) > 10*time.Second {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return last, nil
}

// size merges the table and gives its bytes an event.
func (m *measurement) size(ctx context.Context, db *chserver.Server, c *candidate) error {
	if _, err := db.Value(ctx, "OPTIMIZE TABLE "+database+"."+c.table+" FINAL"); err != nil {
		return err
	}
	n, err := db.Numbers(ctx, "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts WHERE active AND database = '"+
		database+"' AND table = '"+c.table+"'")
	if err != nil {
		return err
	}
	m.bytes = n[0] / n[1]
	return nil
}
