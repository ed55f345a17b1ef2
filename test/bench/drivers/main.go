// Command drivers runs each driver's benchmark of writing beside the bare loop
// of its database and writes docs/benchmarks/drivers.md. It is run by
// "make bench-drivers", which gives it the servers.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pair is what is compared: two benchmarks of one package that report
// events/s, or one that reports both.
type pair struct {
	name, pkg  string
	ours, bare string // benchmarks
	unit       string // of the bare loop's rate
	what       string
	goal       float64
}

var pairs = []pair{
	{"SQLite", "sqldb", "BenchmarkWrite/stored=0", "BenchmarkBareLoop", "events/s", "one prepared statement, a transaction a batch, synchronous=FULL", 0.6},
	{"PostgreSQL", "sqldb", "BenchmarkPostgresWrite", "BenchmarkPostgresBareLoop", "events/s", "pgx COPY into a staging table and an insert from it", 0.7},
	{"MariaDB", "sqldb", "BenchmarkMySQLWrite", "BenchmarkMySQLBareLoop", "events/s", "a multi-row insert", 0.7},
	{"MongoDB", "mongodb", "BenchmarkWrite", "BenchmarkWrite", "bare/s", "an unordered InsertMany, majority and journal", 0.8},
	{"Cassandra", "scylla", "BenchmarkWrite", "BenchmarkWrite", "bare/s", "the same statements at the same consistency", 0.8},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := flag.String("out", "docs/benchmarks/drivers.md", "where the table goes")
	count := flag.Int("count", 3, "turns")
	benchtime := flag.String("benchtime", "20x", "batches of one turn, as go test says it")
	flag.Parse()
	if err := run(ctx, *out, *count, *benchtime); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called above
	}
}

func run(ctx context.Context, out string, count int, benchtime string) error {
	got := map[string]rates{}
	for range count {
		for i := range pairs {
			p := &pairs[i]
			if got[p.pkg] == nil {
				got[p.pkg] = rates{}
			}
			for _, name := range slices.Compact([]string{p.ours, p.bare}) {
				text, err := goTest(ctx, p.pkg, name, benchtime)
				if err != nil {
					return fmt.Errorf("%s: %w: %s", name, err, text)
				}
				got[p.pkg].parse(text)
			}
			if err := p.reported(got[p.pkg]); err != nil {
				return err
			}
		}
	}
	text := markdown(got, count, benchtime)
	if err := os.WriteFile(out, text, 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	_, err := os.Stdout.Write(text)
	return err
}

// reported refuses a turn that gave no rate to compare.
func (p *pair) reported(got rates) error {
	if len(got[p.ours]["events/s"]) == 0 || len(got[p.bare][p.unit]) == 0 {
		return errors.New(p.name + ": the benchmarks reported nothing; is its server there?")
	}
	return nil
}

// goTest runs one benchmark.
func goTest(ctx context.Context, pkg, name, benchtime string) ([]byte, error) {
	expr := "^" + strings.ReplaceAll(name, "/", "$/^") + "$"
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-timeout", "30m", "-bench", expr,
		"-benchtime", benchtime, "./internal/storage/"+pkg)
	return cmd.CombinedOutput()
}

// rates holds what benchmarks reported, by name and unit.
type rates map[string]map[string][]float64

// parse reads the lines of go test: a name, a number of runs, and values with
// their units.
func (out rates) parse(text []byte) {
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := words[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i] // without the number of processors
		}
		if out[name] == nil {
			out[name] = map[string][]float64{}
		}
		for i := 2; i+1 < len(words); i += 2 {
			if v, err := strconv.ParseFloat(words[i], 64); err == nil {
				out[name][words[i+1]] = append(out[name][words[i+1]], v)
			}
		}
	}
}

func markdown(got map[string]rates, count int, benchtime string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Drivers beside bare loops\n\n%s. %d cores, %s. Command: `make bench-drivers` (%d turns of %s batches of 1,000 events, median; servers of scripts/services).\n\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.Version(), count, strings.TrimSuffix(benchtime, "x"))
	b.WriteString("Both write the same rows into the same tables with the same indexes, durable by the same settings; the driver also assigns the order of\n" +
		"commits and tells duplicates from conflicts.\n\n| | events/s | bare loop | ratio | goal | the bare loop is |\n|---|---|---|---|---|---|\n")
	for i := range pairs {
		p := &pairs[i]
		ours, bare := got[p.pkg][p.ours]["events/s"], got[p.pkg][p.bare][p.unit]
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.2f | %.2f | %s |\n", p.name, median(ours), median(bare), median(ours)/median(bare), p.goal, p.what)
	}
	return b.Bytes()
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
