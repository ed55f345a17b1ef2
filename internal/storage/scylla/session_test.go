package scylla

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// silent takes connections and never says anything.
type silent struct {
	listener net.Listener

	mu    sync.Mutex
	conns []net.Conn
	owned sync.WaitGroup
}

func newSilent(t *testing.T) *silent {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &silent{listener: l}
	s.owned.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		s.owned.Wait()
		s.hangUp()
	})
	return s
}

func (s *silent) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *silent) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range s.conns {
		_ = conn.Close()
	}
}

// Opening ends with its context, whatever the hosts do, and then leaves those
// alone that it has not come to.
func TestOpeningEndsWithItsContext(t *testing.T) {
	one, two := newSilent(t), newSilent(t)
	cfg := NewDefaultConfig()
	cfg.DSN = configopaque.String("scylla://" + one.listener.Addr().String() + "," + two.listener.Addr().String() + "/activitylog")
	cfg.TLS.Insecure = true
	cfg.ConnectTimeout = time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := Open(ctx, cfg, Options{})
		ended <- err
	}()
	require.Eventually(t, func() bool { return one.taken()+two.taken() == 1 }, 10*time.Second, time.Millisecond)
	cancel()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(10 * time.Second):
		t.Fatal("still opening")
	}
	one.hangUp()
	two.hangUp()
	assert.Never(t, func() bool { return one.taken()+two.taken() > 1 }, 200*time.Millisecond, 10*time.Millisecond)
}

// A session outlives the context that it was opened with.
func TestASessionOutlivesTheContextOfItsStart(t *testing.T) {
	cfg := emptyKeyspace(t)
	target, err := cfg.target()
	require.NoError(t, err)
	p := newProxy(t, target.hosts[0])
	cfg.DSN = throughProxy(cfg.DSN, target.hosts[0], p)
	ctx, cancel := context.WithCancel(context.Background())
	opened, err := Open(ctx, cfg, Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	cancel()
	require.NoError(t, opened.Migrate(context.Background()))
	p.setCut(true)
	p.setCut(false)
	require.Eventually(t, func() bool { return opened.Ping(context.Background()) == nil }, 30*time.Second, 50*time.Millisecond, "it connects again")
}

// routing is what a policy asks of a statement.
type routing struct {
	gocql.ExecutableStatement
	of gocql.Statement
}

func (r routing) Statement() gocql.Statement { return r.of }
func (r routing) Keyspace() string           { return "its own" }

// picked is a policy that notes what it is asked for.
type picked struct {
	gocql.HostSelectionPolicy
	statement gocql.ExecutableStatement
}

func (p *picked) Pick(statement gocql.ExecutableStatement) gocql.NextHost {
	p.statement = statement
	return nil
}

// The session is in no keyspace, and a batch does not know that of its statements.
func TestABatchGoesToAReplicaOfItsPartition(t *testing.T) {
	policy := &picked{}
	r := &routed{HostSelectionPolicy: policy, keyspace: "activitylog"}
	r.Pick(routing{of: &gocql.Batch{}})
	assert.Equal(t, "activitylog", policy.statement.Keyspace())
	r.Pick(routing{of: &gocql.Query{}})
	assert.Equal(t, "its own", policy.statement.Keyspace())
	r.Pick(nil)
	assert.Nil(t, policy.statement)
}

// TestAConnectionThatEnds: gocql answers what it carried with "context canceled",
// though the caller still waits.
func TestAConnectionThatEnds(t *testing.T) {
	err := failure(t.Context(), fmt.Errorf("get event: %w", context.Canceled))
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.NotErrorIs(t, err, context.Canceled)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, failure(ended, errors.New("cut")), context.Canceled)
}
