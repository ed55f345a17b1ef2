package scylla

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// requestError is what a server answers that cannot be made to here.
type requestError struct {
	code    int
	message string
}

func (e requestError) Code() int       { return e.code }
func (e requestError) Message() string { return e.message }
func (e requestError) Error() string   { return e.message }

func TestClassify(t *testing.T) {
	cfg := emptyKeyspace(t)
	st := openTest(t, cfg, Options{})
	ctx := context.Background()
	exec := func(text string, args ...any) error {
		return st.session.Query(st.named(text), args...).ExecContext(ctx)
	}
	long := bytes.Repeat([]byte("x"), 70_000)
	require.NoError(t, exec("CREATE INDEX ON {keyspace}.events (content)"), "somebody's")
	indexed := &activity.Event{Kind: activity.KindSystem, Message: string(long[:60_000]), Traceback: string(long[:60_000])}
	b := st.eventBucket(indexed)
	content := cell{newAcceptance(indexed, 1, 1), activity.GroupContent}

	t.Run("an event is at fault", func(t *testing.T) {
		for name, err := range map[string]error{
			"key too long":       exec("INSERT INTO {keyspace}.settings (name, value) VALUES (?, 1)", string(long)),
			"in a composite key": exec("INSERT INTO {keyspace}.tenants (one, tenant_id, kind) VALUES (0, ?, '')", string(long)),
			"in the partition":   exec("INSERT INTO {keyspace}.buckets (tenant_id, source, value, hour, shard) VALUES (?, '', 0x, 0, 0)", string(long)),
			"request too large":  exec("INSERT INTO {keyspace}.ids (id, datetime_ns, tenant_id, kind) VALUES (0x01, 0, ?, '')", string(make([]byte, 6<<20))),
			"in an index":        exec("INSERT INTO {keyspace}.events (tenant_id, kind, hour, shard, datetime_ns, id, content) VALUES (?, ?, ?, ?, 1, 0x01, ?)", b.tenant, b.source, b.hour, b.shard, content),
			"oversized, 5.0":     requestError{gocql.ErrCodeInvalid, "Rejected an oversized mutation (16777300/16777216) for keyspace: activitylog. Top keys are: events.:login"},
			"oversized, 4.0":     requestError{gocql.ErrCodeInvalid, "Encountered an oversized mutation (16777300/16777216) for keyspace: activitylog. Top keys are: events.:login"},
			"ScyllaDB's key":     requestError{gocql.ErrCodeInvalid, "Key size too large: 70000 > 65535"},
			"the driver's limit": gocql.ErrFrameTooBig,
		} {
			require.ErrorIs(t, classify(err), storage.ErrContent, "%s: %v", name, err)
			require.ErrorContains(t, classify(err), err.Error(), "the cause is kept")
		}
	})
	t.Run("the store is in the way", func(t *testing.T) {
		require.NoError(t, exec("CREATE KEYSPACE activitylog_unavailable WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 3}"))
		t.Cleanup(func() { require.NoError(t, exec("DROP KEYSPACE activitylog_unavailable")) })
		require.NoError(t, exec("CREATE TABLE activitylog_unavailable.t (a int PRIMARY KEY)"))
		unavailable := exec("INSERT INTO activitylog_unavailable.t (a) VALUES (1)")
		var typed *gocql.RequestErrUnavailable
		require.ErrorAs(t, unavailable, &typed)

		for name, err := range map[string]error{
			"unavailable":       unavailable,
			"no such table":     exec("INSERT INTO {keyspace}.nothing (a) VALUES (1)"),
			"no such keyspace":  exec("INSERT INTO activitylog_nothing.t (a) VALUES (1)"),
			"no such column":    exec("INSERT INTO {keyspace}.tenants (nothing) VALUES (1)"),
			"a syntax error":    exec("INSERT INTO"),
			"a reserved time":   exec("INSERT INTO {keyspace}.settings (name, value) VALUES ('x', 1) USING TIMESTAMP ?", int64(-1<<63)),
			"write timeout":     &gocql.RequestErrWriteTimeout{Consistency: gocql.LocalQuorum, WriteType: "SIMPLE"},
			"write failure":     &gocql.RequestErrWriteFailure{},
			"read timeout":      &gocql.RequestErrReadTimeout{},
			"bootstrapping":     requestError{gocql.ErrCodeBootstrapping, "Bootstrapping"},
			"not permitted":     requestError{gocql.ErrCodeUnauthorized, "User writer has no MODIFY permission"},
			"no answer in time": gocql.ErrTimeoutNoResponse,
			"connection closed": gocql.ErrConnectionClosed,
			"no host is up":     gocql.ErrNoConnections,
		} {
			require.ErrorIs(t, classify(err), storage.ErrRetryable, "%s: %v", name, err)
			require.NotErrorIs(t, classify(err), storage.ErrContent, name)
		}
	})
	t.Run("others", func(t *testing.T) {
		require.NoError(t, classify(nil))
		require.ErrorIs(t, classify(requestError{gocql.ErrCodeOverloaded, "Request timed out"}), storage.ErrOverloaded)
		require.ErrorIs(t, classify(gocql.ErrNoStreams), storage.ErrOverloaded)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		err := st.session.Query(st.cql.ping, 1).ExecContext(ended)
		require.ErrorIs(t, classify(err), context.Canceled)
		require.NotErrorIs(t, classify(err), storage.ErrRetryable)
		closed := openTest(t, cfg, Options{})
		closed.session.Close()
		require.ErrorIs(t, classify(closed.session.Query(closed.cql.ping, 1).Exec()), storage.ErrClosed)
	})
}

// proxy forwards to the server until it is cut.
type proxy struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
	owned sync.WaitGroup
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return startProxy(t, l, server)
}

func startProxy(t *testing.T, l net.Listener, server string) *proxy {
	t.Helper()
	p := &proxy{listener: l, server: server, conns: map[net.Conn]bool{}}
	p.owned.Go(p.run)
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		p.setCut(true)
		p.owned.Wait()
	})
	return p
}

func (p *proxy) run() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.server)
		if err != nil || !p.keep(in, out) {
			_ = in.Close()
			continue
		}
		p.owned.Go(func() { p.forward(in, out) })
		p.owned.Go(func() { p.forward(out, in) })
	}
}

func (p *proxy) keep(in, out net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		_ = out.Close()
		return false
	}
	p.conns[in], p.conns[out] = true, true
	return true
}

func (p *proxy) forward(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), from.Close()
}

// setCut closes every connection and refuses others, or takes them again.
func (p *proxy) setCut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if cut {
		for c := range p.conns {
			_ = c.Close()
		}
		p.conns = map[net.Conn]bool{}
	}
}

// throughProxy puts a proxy in the place of the server of a DSN.
func throughProxy(dsn configopaque.String, server string, p *proxy) configopaque.String {
	return configopaque.String(strings.Replace(string(dsn), server, p.listener.Addr().String(), 1))
}

// An outage is answered in time and over when the server is back.
func TestOutage(t *testing.T) {
	cfg := emptyKeyspace(t)
	require.NoError(t, openTest(t, cfg, Options{}).Close())
	target, err := cfg.target()
	require.NoError(t, err)
	p := newProxy(t, target.hosts[0])
	cfg.DSN = throughProxy(cfg.DSN, target.hosts[0], p)
	cfg.RequestTimeout = 2 * time.Second
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 10)...)

	p.setCut(true)
	_, err = st.Write(context.Background(), newEvents(10, 20))
	require.ErrorIs(t, err, storage.ErrRetryable)
	_, err = st.Get(context.Background(), activity.AllTenants(), newEvent(1).ID)
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.ErrorIs(t, st.Ping(context.Background()), storage.ErrRetryable)

	p.setCut(false)
	back := time.Now()
	require.Eventually(t, func() bool {
		_, err := st.Write(context.Background(), newEvents(10, 20))
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)
	t.Logf("writing again after %s", time.Since(back))
	require.NoError(t, st.Ping(context.Background()))
	assert.Equal(t, 20, rows(t, st, "events"))
}

func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	cfg := NewDefaultConfig()
	cfg.DSN = configopaque.String("scylla://ann:secret@" + address + "/activitylog")
	cfg.TLS.Insecure = true
	_, err = Open(context.Background(), cfg, Options{})
	require.ErrorIs(t, err, storage.ErrRetryable)
	assert.NotContains(t, err.Error(), "secret")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Open(ended, cfg, Options{})
	require.ErrorIs(t, err, context.Canceled)
}
