package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

func write(s *settings, all []series) error {
	text := markdown(s, all)
	if err := os.WriteFile(s.out, text, 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	_, err := os.Stdout.Write(text)
	return err
}

func markdown(s *settings, all []series) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Growing stores\n\n%s. %d cores, %s. Command: `make bench-long`.\n\n", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.Version())
	fmt.Fprintf(&b, "The drivers themselves, events one second apart. The rate is that of %d events in batches of %d by one caller, the making of events not counted;\n"+
		"the page is the newest 100 events of a kind in the default tenant, %d times. Filling is the rate in batches of %d up to there, the making\n"+
		"of events counted. Memory is that of the process, which holds the driver and makes the events.\n\n", s.measured, measureBatch, pages, fillBatch)
	b.WriteString("| | events stored | events/s | of the first size | filling, events/s | page p50 ms | page p99 ms | RSS MiB |\n|---|---|---|---|---|---|---|---|\n")
	for i := range all {
		for k := range all[i].points {
			p := &all[i].points[k]
			fmt.Fprintf(&b, "| %s | %d | %.0f | %.2f | %.0f | %.2f | %.2f | %.0f |\n", all[i].name, p.size, p.rate, p.rate/all[i].points[0].rate, p.filledPerSecs, p.p50, p.p99, p.rss)
		}
	}
	plot(&b, "events/s by events stored", s, all, func(p *point) float64 { return p.rate })
	plot(&b, "first page, p50 in ms, by events stored", s, all, func(p *point) float64 { return p.p50 })
	return b.Bytes()
}

// plot draws one line a store, in their order in the table.
func plot(b *bytes.Buffer, title string, s *settings, all []series, of func(*point) float64) {
	axis := make([]string, len(s.sizes))
	for i, size := range s.sizes {
		axis[i] = fmt.Sprintf("%q", fmt.Sprintf("%gM", float64(size)/1e6))
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}
	fmt.Fprintf(b, "\n```mermaid\nxychart-beta\n  title %q\n  x-axis [%s]\n", title+": "+strings.Join(names, ", "), strings.Join(axis, ", "))
	for i := range all {
		values := make([]string, len(all[i].points))
		for k := range all[i].points {
			values[k] = fmt.Sprintf("%.2f", of(&all[i].points[k]))
		}
		fmt.Fprintf(b, "  line [%s]\n", strings.Join(values, ", "))
	}
	b.WriteString("```\n")
}
