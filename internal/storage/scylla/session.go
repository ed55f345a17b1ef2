package scylla

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

const reconnectEvery = 2 * time.Second

// connect opens the session. No retry policy: a driver of ours never retries by
// itself. No client timestamps: every write that competes with another brings its own.
func (s *store) connect(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := gocql.NewCluster(s.target.hosts...)
	c.Consistency, c.SerialConsistency = gocql.LocalQuorum, gocql.LocalSerial
	c.Timeout, c.WriteTimeout, c.ConnectTimeout = s.cfg.RequestTimeout, s.cfg.RequestTimeout, s.cfg.ConnectTimeout
	c.NumConns = s.cfg.Connections
	c.DefaultTimestamp = false
	c.NextPagePrefetch = 0
	c.ReconnectInterval = reconnectEvery
	c.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 1, Interval: reconnectEvery / 2}
	if s.target.username != "" {
		c.Authenticator = gocql.PasswordAuthenticator{Username: s.target.username, Password: s.target.password}
	}
	secure, err := s.cfg.TLS.LoadTLSConfig(ctx)
	if err != nil {
		return fmt.Errorf("%w: tls: %w", activity.ErrInvalid, err)
	}
	if secure != nil { // it is nil when tls says insecure
		c.SslOpts = sslOptions(secure)
	}
	fallback := gocql.RoundRobinHostPolicy()
	if s.target.datacenter != "" {
		fallback = gocql.DCAwareRoundRobinPolicy(s.target.datacenter)
	}
	s.policy = &routed{HostSelectionPolicy: gocql.TokenAwareHostPolicy(fallback), keyspace: s.target.keyspace}
	c.PoolConfig.HostSelectionPolicy = s.policy
	if s.session, err = s.newSession(ctx, c); err != nil {
		return failure(ctx, err)
	}
	return nil
}

func sslOptions(secure *tls.Config) *gocql.SslOptions {
	return &gocql.SslOptions{Config: secure, EnableHostVerification: !secure.InsecureSkipVerify}
}

// newSession makes the session. The driver takes no context for that and tries
// host after host, so it works in a goroutine of its own. When the context ends
// first, that one connects to no other host, and closes what it has made.
func (s *store) newSession(ctx context.Context, c *gocql.ClusterConfig) (*gocql.Session, error) {
	wanted, abandon := context.WithCancel(context.WithoutCancel(ctx))
	keep := context.AfterFunc(ctx, abandon)
	dialer := &net.Dialer{Timeout: c.ConnectTimeout, KeepAlive: c.SocketKeepalive}
	c.Dialer = dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		if err := wanted.Err(); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(wanted, cancel)()
		return dialer.DialContext(ctx, network, address)
	})
	type result struct {
		session *gocql.Session
		err     error
	}
	made := make(chan result)
	go func() {
		session, err := c.CreateSession()
		if err == nil {
			s.learnReplicas()
		}
		select {
		case made <- result{session, err}:
		case <-wanted.Done():
			if err == nil {
				session.Close()
			}
		}
	}()
	select {
	case <-wanted.Done():
		return nil, ctx.Err()
	case r := <-made:
		if keep() || r.err != nil {
			return r.session, r.err
		}
		r.session.Close() // the context ended at this moment: it would connect to nothing more
		return nil, ctx.Err()
	}
}

// dialFunc implements gocql.Dialer.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// DialContext implements gocql.Dialer.
func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// learnReplicas tells the token-aware policy about the keyspace. The session
// is in none, so that it can be opened before there is one.
func (s *store) learnReplicas() {
	s.policy.KeyspaceChanged(gocql.KeyspaceUpdateEvent{Keyspace: s.target.keyspace})
}

// routed sends a batch to a replica of its partition. The driver takes it to be
// for the keyspace of the session; a single statement knows its own.
type routed struct {
	gocql.HostSelectionPolicy
	keyspace string
}

// Pick implements gocql.HostSelectionPolicy.
func (r *routed) Pick(statement gocql.ExecutableStatement) gocql.NextHost {
	if statement != nil {
		if _, batch := statement.Statement().(*gocql.Batch); batch {
			statement = ofKeyspace{statement, r.keyspace}
		}
	}
	return r.HostSelectionPolicy.Pick(statement)
}

// ofKeyspace is a statement of a keyspace.
type ofKeyspace struct {
	gocql.ExecutableStatement
	keyspace string
}

// Keyspace implements gocql.ExecutableStatement.
func (s ofKeyspace) Keyspace() string { return s.keyspace }
