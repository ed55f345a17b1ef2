package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// killCycles is how often the collector is killed in each run.
const killCycles = 20

// TestKill kills the collector with SIGKILL under load, again and again, and
// then proves that every acknowledged event is stored exactly once.
func TestKill(t *testing.T) {
	for _, k := range []kill{
		{"committed/with ids", committedConfig, "http", "--with-ids"},
		{"committed/without ids", committedConfig, "http", "--no-ids"},
		{"committed/OTLP over gRPC", committedConfig, "otlp-grpc", "--with-ids"},
		{"spooled/with ids", spooledConfig, "http", "--with-ids"},
		{"spooled/without ids", spooledConfig, "http", "--no-ids"},
		{"spooled/OTLP over HTTP", spooledConfig, "otlp-http", "--no-ids"},
	} {
		t.Run(k.name, k.run)
	}
}

// The configurations of the two delivery profiles.
const (
	committedConfig = "otelcol-config.yaml"
	spooledConfig   = "deploy/spooled.yaml"
)

type kill struct{ name, config, protocol, ids string }

func (k *kill) run(t *testing.T) {
	c := startCollector(t, k.config)
	acks := filepath.Join(t.TempDir(), "acks")
	load := startLoad(t, c, k.protocol, acks, k.ids, time.Hour)
	for range killCycles {
		time.Sleep(time.Duration(150+rand.IntN(350)) * time.Millisecond)
		c.Kill()
		c.Start()
	}
	time.Sleep(500 * time.Millisecond)
	load.stop(t)
	drain(t, c)
	c.Stop()
	checkAcks(t, c, acks, 1000)
}

// load is a running auditload.
type load struct {
	cmd  *exec.Cmd
	logs *lockedBuffer
	done chan error
}

func startLoad(t *testing.T, c *collector, protocol, acks, ids string, d time.Duration) *load {
	t.Helper()
	endpoint := map[string]string{"http": "http://" + c.Events, "otlp-http": "http://" + c.OTLPHTTP, "otlp-grpc": c.OTLPGRPC}[protocol]
	l := &load{logs: &lockedBuffer{}, done: make(chan error, 1)}
	l.cmd = exec.Command(binary(t, "auditload"), "run", "--endpoint", endpoint, "--protocol", protocol,
		"--batch", "20", "--clients", "8", "--duration", d.String(), "--seed", "7", "--retry", ids, "--ack-log", acks)
	l.cmd.Stdout, l.cmd.Stderr = l.logs, l.logs
	require.NoError(t, l.cmd.Start())
	go func() { l.done <- l.cmd.Wait() }()
	t.Cleanup(func() { _ = l.cmd.Process.Kill() })
	return l
}

// stop ends the generator with SIGTERM; it finishes its requests and reports.
func (l *load) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, l.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-l.done:
		require.NoError(t, err, l.logs.String())
	case <-time.After(30 * time.Second):
		require.FailNow(t, "auditload did not end", l.logs.String())
	}
}

// drain waits until the spool holds nothing more for the store: the number of
// stored events stands still for two seconds.
func drain(t *testing.T, c *collector) {
	t.Helper()
	last := -1
	for range 60 {
		n := 0
		for _, kind := range kinds {
			n += c.Verify(kind).Total
		}
		if n == last {
			return
		}
		last = n
		time.Sleep(2 * time.Second) // a count reads everything
	}
	require.FailNow(t, "the store did not come to rest in two minutes")
}

// checkAcks proves that what was acknowledged is there once and verifies.
func checkAcks(t *testing.T, c *collector, acks string, atLeast int64) {
	t.Helper()
	info, err := os.Stat(acks)
	require.NoError(t, err)
	require.Greater(t, info.Size(), atLeast*16, "the run acknowledged too little to prove anything")
	out, code := runTool(t, "auditload", "check", "--ack-log", acks, "--sqlite-directory", c.DataDir)
	require.Equal(t, 0, code, out)
	t.Log(out)
	out, code = auditctl(t, "verify", "--sqlite-directory", c.DataDir)
	require.Equal(t, 0, code, out)
}

// TestSIGTERMUnderLoad: what was accepted is answered and stored, exit 0.
func TestSIGTERMUnderLoad(t *testing.T) {
	for profile, config := range map[string]string{"committed": committedConfig, "spooled": spooledConfig} {
		t.Run(profile, func(t *testing.T) {
			c := startCollector(t, config)
			acks := filepath.Join(t.TempDir(), "acks")
			l := startLoad(t, c, "http", acks, "--with-ids", 3*time.Second)
			time.Sleep(1500 * time.Millisecond)
			begin := time.Now()
			c.Stop()
			require.Less(t, time.Since(begin), 15*time.Second)
			c.Start()
			l.stop(t)
			drain(t, c)
			c.Stop()
			checkAcks(t, c, acks, 100)
		})
	}
}

// TestSIGTERMWithClientsThatHang: neither half a request nor a silent
// connection holds the process longer than 15 seconds.
func TestSIGTERMWithClientsThatHang(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	half := "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n[{"
	for address, said := range map[string]string{
		c.Events: fmt.Sprintf(half, "/v1/events"), c.OTLPHTTP: fmt.Sprintf(half, "/v1/logs"), c.OTLPGRPC: "", c.API: "GET / HTTP/1.1\r\n",
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, said)
		require.NoError(t, err)
	}
	time.Sleep(200 * time.Millisecond)
	begin := time.Now()
	c.Signal(syscall.SIGTERM)
	require.Equal(t, 0, c.Wait(15*time.Second), c.logs.String())
	t.Log("ended after", time.Since(begin))
	c.Start()
	require.True(t, c.Verify("crud").OK)
}

// TestReload reloads the configuration with SIGHUP: no port, lock or goroutine
// is left behind.
func TestReload(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	pprof := freeAddress(t)
	c.Start("--config", "yaml:extensions::pprof::endpoint: "+pprof, "--config", "yaml:service::extensions: [auditapi, pprof]")
	goroutines := func() int { return countGoroutines(t, pprof) }
	send := func() {
		code, a := c.Post("application/json", `{"kind":"system","event_name":"x","message":"m"}`)
		require.Equal(t, 200, code)
		require.Equal(t, 1, a.Accepted)
	}
	reload := func() {
		c.Signal(syscall.SIGHUP)
		time.Sleep(500 * time.Millisecond)
		c.WaitReady()
		send()
	}
	send()
	reload()
	before := goroutines()
	for range 5 {
		reload()
	}
	require.Eventually(t, func() bool { return goroutines() <= before+5 }, 10*time.Second, 200*time.Millisecond,
		"%d goroutines after the first reload, %d after six", before, goroutines())
	require.Equal(t, 7, c.List("system", "").Count)
	open, err := os.ReadDir("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/fd")
	require.NoError(t, err)
	require.Less(t, len(open), 80, "file descriptors")
	c.Stop()
}

// countGoroutines reads the number from the first line of the pprof page.
func countGoroutines(t *testing.T, pprof string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+pprof+"/debug/pprof/goroutine?debug=1", http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var n int
	_, err = fmt.Fscanf(resp.Body, "goroutine profile: total %d", &n)
	require.NoError(t, err)
	return n
}
