package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// row is one candidate at one batch size, over the turns.
type row struct {
	candidate string
	shape
	runs []measurement
}

func (r *row) of(field func(*measurement) float64) float64 {
	var all []float64
	for i := range r.runs {
		all = append(all, field(&r.runs[i]))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func write(s *settings, version string, rows []row) error {
	text := markdown(s, version, rows)
	if err := os.WriteFile(s.out, text, 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	_, err := os.Stdout.Write(text)
	return err
}

func markdown(s *settings, version string, rows []row) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# ClickHouse, beside contrib's exporter\n\n%s. %d cores, %s, ClickHouse %s. Command: `make bench-clickhouse` (%d rounds of %s, median, OTLP/HTTP).\n\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.Version(), version, s.rounds, s.duration)
	b.WriteString("Both collectors get the same events on the same machine and write to the same server. Stored rows are counted in the table; the rate is from the first\n" +
		"request until the last row is there. CPU is the whole collector's, from OTLP on. Behind enrich and integrity both exporters store the same\n" +
		"information; alone a copy of what was sent, with no identity checked and no seal. Bytes are of the merged table.\n\n" +
		"| | batch | clients | acknowledged/s | stored/s | of acknowledged | collector us/event | peak RSS MiB | bytes/event | p99 ms |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(&b, "| %s | %d | %d | %.0f | %.0f | %.2f | %.1f | %.0f | %.0f | %.0f |\n", r.candidate, r.batch, r.clients,
			r.of(func(m *measurement) float64 { return m.EventsPerSecond }),
			r.of(func(m *measurement) float64 { return m.storedPerSecond }),
			r.of(func(m *measurement) float64 { return m.stored / float64(m.Acknowledged) }),
			r.of(func(m *measurement) float64 { return m.cpu }),
			r.of(func(m *measurement) float64 { return m.peakMiB }),
			r.of(func(m *measurement) float64 { return m.bytes }),
			r.of(func(m *measurement) float64 { return m.P99 }))
	}
	return b.Bytes()
}
