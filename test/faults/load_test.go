package faults

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen/client"
)

// load is a running auditload whose acknowledgements are recorded.
type load struct {
	*process
	acks string
}

// startLoad sends events to an endpoint until it is stopped, each again for as
// long as it takes. More flags of auditload may be given.
func startLoad(t *testing.T, events string, flags ...string) *load {
	t.Helper()
	acks := filepath.Join(t.TempDir(), "acks")
	args := append([]string{
		"run", "--endpoint", "http://" + events, "--protocol", "http", "--duration", "1h", "--json",
		"--retry", "--retry-for", "20m", "--with-ids", "--ack-log", acks,
	}, flags...)
	l := &load{process: newProcess(t, "auditload", args...), acks: acks}
	l.start()
	return l
}

// finish ends the generator, which first gets the answers it waits for.
func (l *load) finish() client.Report {
	l.t.Helper()
	require.NoError(l.t, l.cmd.Process.Signal(syscall.SIGTERM))
	return l.report()
}

// report waits for the end of a run.
func (l *load) report() client.Report {
	l.t.Helper()
	require.Equal(l.t, 0, l.wait(2*time.Minute), l.tail())
	raw, err := os.ReadFile(l.log)
	require.NoError(l.t, err)
	var r client.Report
	require.NoError(l.t, json.Unmarshal(raw, &r), string(raw))
	return r
}

// acknowledged is how many lines the log has now: it grows while events are
// answered.
func (l *load) size() int64 {
	info, err := os.Stat(l.acks)
	if err != nil {
		return 0
	}
	return info.Size()
}

// waitGrowth waits until something more was answered, and says how long it took.
func (l *load) waitGrowth(limit time.Duration) time.Duration {
	l.t.Helper()
	begin, size := time.Now(), l.size()
	for time.Since(begin) < limit {
		if l.size() > size {
			return time.Since(begin)
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.FailNow(l.t, "nothing was answered for "+limit.String())
	return 0
}

// verdict is what auditload check found.
type verdict struct {
	acknowledged, unknown, lost, doubled, wrong, dead, extra int
	ok                                                       bool
	text                                                     string
}

var (
	sentLine  = regexp.MustCompile(`acknowledged (\d+), unknown (\d+)`)
	foundLine = regexp.MustCompile(`lost (\d+), doubled (\d+), wrong (\d+), only in the dead letters (\d+), not in the log (\d+)`)
)

// check compares the log with what a sink holds and with its dead letters.
func (l *load) check(config, exporter string) verdict {
	l.t.Helper()
	out, code := tool(l.t, "auditload", "check", "--ack-log", l.acks, "--config", config, "--exporter", exporter)
	v := verdict{ok: code == 0, text: out}
	a, b := sentLine.FindStringSubmatch(out), foundLine.FindStringSubmatch(out)
	if a == nil || b == nil {
		v.ok = false
		return v
	}
	for i, at := range []*int{&v.acknowledged, &v.unknown} {
		*at, _ = strconv.Atoi(a[i+1])
	}
	for i, at := range []*int{&v.lost, &v.doubled, &v.wrong, &v.dead, &v.extra} {
		*at, _ = strconv.Atoi(b[i+1])
	}
	return v
}

// settle waits until a sink holds everything: a spooled one delivers later.
// It gives the last verdict and how long that took.
func (l *load) settle(config, exporter string, limit time.Duration) (verdict, time.Duration) {
	l.t.Helper()
	begin := time.Now()
	for {
		v := l.check(config, exporter)
		if v.ok || v.lost == 0 || time.Since(begin) > limit {
			return v, time.Since(begin)
		}
		time.Sleep(2 * time.Second)
	}
}
