package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// backend is a database and where its tests are.
type backend struct {
	name string
	// pkg is the driver's package, below the root of the repository.
	pkg string
	// word is in the name of every top-level test of this backend where a
	// package has several; "" takes those that no other one has.
	word string
}

func backends() []backend {
	return []backend{
		{"sqlite", "internal/storage/sqldb", ""},
		{"postgres", "internal/storage/sqldb", "Postgres"},
		{"mysql", "internal/storage/sqldb", "MySQL"},
		{"clickhouse", "internal/storage/clickhouse", ""},
		{"mongodb", "internal/storage/mongodb", ""},
		{"cassandra", "internal/storage/scylla", ""},
	}
}

// suite begins the name of the tests that run the conformance suite.
const suite = "TestConformance"

// The cases through the built binary are the tests TestBackends/<backend>/...
// of one package.
const (
	binaryPackage = "test/e2e"
	binaryTest    = "TestBackends"
)

// counts of one backend. A case is a test without tests of its own.
type counts struct{ ran, passed, failed, skipped int }

func (c *counts) add(action string) {
	switch action {
	case "pass":
		c.ran++
		c.passed++
	case "fail":
		c.ran++
		c.failed++
	case "skip":
		c.skipped++
	}
}

type row struct {
	suite, binary, other counts
	reasons              map[string]int
}

type table struct {
	order []backend
	rows  map[string]*row
	// binary: the cases through the built binary are required, too.
	binary bool
	// by package and test: two packages run at a time
	parents map[string]bool
	output  map[string][]string
}

func newTable(order []backend, binary bool) *table {
	t := &table{order: order, binary: binary, rows: map[string]*row{}, parents: map[string]bool{}, output: map[string][]string{}}
	for _, b := range order {
		t.rows[b.name] = &row{reasons: map[string]int{}}
	}
	return t
}

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output, ImportPath string
}

// read takes the output of go test -json; that of failed tests and packages
// goes to out.
func (t *table) read(r io.Reader, out io.Writer) error {
	lines := json.NewDecoder(r)
	for {
		var e event
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read go test's output: %w", err)
		}
		if err := t.take(&e, out); err != nil {
			return err
		}
	}
}

func (t *table) take(e *event, out io.Writer) error {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		_, err := io.WriteString(out, e.Output)
		return err
	case "run":
		for name := e.Test; ; {
			i := strings.LastIndexByte(name, '/')
			if i < 0 {
				break
			}
			name = name[:i]
			t.parents[e.Package+" "+name] = true
		}
	case "output":
		t.output[key] = append(t.output[key], e.Output)
	case "pass", "fail", "skip":
		said := t.output[key]
		delete(t.output, key)
		if e.Action == "fail" {
			if _, err := io.WriteString(out, strings.Join(said, "")); err != nil {
				return err
			}
		}
		if e.Test != "" && !t.parents[key] {
			t.count(e, said)
		}
	}
	return nil
}

func (t *table) count(e *event, said []string) {
	r := t.rows[t.backendOf(e)]
	if r == nil {
		return
	}
	top, _, _ := strings.Cut(e.Test, "/")
	switch {
	case top == binaryTest:
		r.binary.add(e.Action)
	case strings.HasPrefix(top, suite):
		r.suite.add(e.Action)
	default:
		r.other.add(e.Action)
	}
	if e.Action == "skip" {
		r.reasons[reason(said)]++
	}
}

// backendOf gives the backend of a test, "" when it has none.
func (t *table) backendOf(e *event) string {
	top, below, _ := strings.Cut(e.Test, "/")
	if strings.HasSuffix(e.Package, binaryPackage) && top == binaryTest {
		name, _, _ := strings.Cut(below, "/")
		return name
	}
	whole := ""
	for _, b := range backends() {
		_, at, found := strings.Cut(e.Package, b.pkg)
		if !found || at != "" && !strings.HasPrefix(at, "/") {
			continue
		}
		if b.word == "" {
			whole = b.name
		} else if strings.Contains(top, b.word) {
			return b.name
		}
	}
	return whole
}

// reason is what a skipped test said, without its place in the source.
func reason(said []string) string {
	for _, line := range said {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
			continue
		}
		if _, text, found := strings.Cut(line, ".go:"); found {
			_, line, _ = strings.Cut(text, ": ")
		}
		return line
	}
	return "no reason given"
}

func (t *table) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	const heads = "run\tpassed\tfailed\tskipped"
	lines := []string{"", "backend\tsuite: " + heads + "\tthrough the binary: " + heads + "\tdriver's own: " + heads}
	for _, b := range t.order {
		r := t.rows[b.name]
		cells := []string{b.name}
		for _, c := range []counts{r.suite, r.binary, r.other} {
			cells = append(cells, fmt.Sprintf("%d\t%d\t%d\t%d", c.ran, c.passed, c.failed, c.skipped))
		}
		lines = append(lines, strings.Join(cells, "\t"))
	}
	if _, err := fmt.Fprintln(w, strings.Join(lines, "\n")); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, b := range t.order {
		reasons := t.rows[b.name].reasons
		for _, text := range slices.Sorted(maps.Keys(reasons)) {
			if _, err := fmt.Fprintf(out, "%s: %d skipped: %s\n", b.name, reasons[text], text); err != nil {
				return err
			}
		}
	}
	return nil
}

// err names the backends that proved nothing.
func (t *table) err() error {
	var errs []error
	for _, b := range t.order {
		switch r := t.rows[b.name]; {
		case r.suite.ran == 0:
			errs = append(errs, fmt.Errorf("%s ran no conformance case", b.name))
		case t.binary && r.binary.ran == 0:
			errs = append(errs, fmt.Errorf("%s ran no case through the built binary", b.name))
		case r.suite.failed+r.binary.failed+r.other.failed > 0:
			errs = append(errs, fmt.Errorf("%s: %d cases failed", b.name, r.suite.failed+r.binary.failed+r.other.failed))
		}
	}
	return errors.Join(errs...)
}
