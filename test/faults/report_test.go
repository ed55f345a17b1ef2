package faults

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// row is one line of the table.
type row struct {
	backend, fault, profile string
	sent                    int // acknowledged
	answers                 string
	again, delivered        time.Duration
	p99                     float64 // milliseconds
	lost, doubled, dead     int
	note                    string // instead of figures
}

type results struct {
	mu   sync.Mutex
	rows []row
}

// table gathers what the tests of this run found, for TestMain.
var table results

func (r *results) add(line row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, line)
	fmt.Print(line.line()) // now: the whole takes an hour, and may be stopped
}

func (r *run) row(backend, fault string) row {
	return row{
		backend: backend, fault: fault, profile: r.profile, sent: r.found.acknowledged, answers: answers(r.report.Statuses),
		again: r.again, delivered: r.delivered, p99: r.report.P99, lost: r.found.lost, doubled: r.found.doubled, dead: r.found.dead,
	}
}

func keys(m map[string]int64) []string { return slices.Sorted(maps.Keys(m)) }

func answers(statuses map[string]int64) string {
	var out []string
	for _, code := range keys(statuses) {
		out = append(out, fmt.Sprintf("%s: %d", code, statuses[code]))
	}
	return strings.Join(out, ", ")
}

const heading = `# What survives what

Every line is one run of the built collector under load, with the database or the collector broken in the middle. The source is ` + "`auditload run`" + `, which
sends every event again until it is acknowledged; the judge is ` + "`auditload check`" + `, which compares its log with the store and with the dead letters.
*Answers* counts the attempts by status. *Again* is how long after the fault something was acknowledged, *delivered* how long after the end of the load
the store had everything (a check alone takes about a second).

Written by ` + "`make test-faults`" + ` on %s, %d cores, %s/%s.

| backend | fault | profile | acknowledged | answers | again | delivered | p99 | lost | doubled | dead letters |
|---|---|---|---|---|---|---|---|---|---|---|
`

// write renders the table to a file.
func (r *results) write(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, heading, time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	for i := range r.rows {
		b.WriteString(r.rows[i].line())
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func (r *row) line() string {
	if r.note != "" && r.profile == "" {
		return fmt.Sprintf("| %s | %s | not tried: %s | | | | | | | | |\n", r.backend, r.fault, r.note)
	}
	seconds := func(d time.Duration) string {
		if d == 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("| %s | %s | %s | %d | %s | %s | %s | %.0f ms | %d | %d | %d |\n", r.backend, r.fault, r.profile, r.sent, r.answers,
		seconds(r.again), seconds(r.delivered), r.p99, r.lost, r.doubled, r.dead)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if path := os.Getenv("FAULTS_REPORT"); path != "" {
		if err := table.write(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
