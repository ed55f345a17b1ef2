package scylla

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/groupcommit"
)

// Options of Open.
type Options = storage.Options

// store implements storage.Store over one session of the driver.
type store struct {
	cfg     Config
	target  *target
	session *gocql.Session
	policy  gocql.HostSelectionPolicy
	cql     statements
	now     func() time.Time

	group  *groupcommit.Group // nil when read-only
	known  *known
	writer int64 // tells the acceptances of this process from others
	// lastStored belongs to the goroutine that commits.
	lastStored int64
	maxTested  int // events on which one page tests conditions

	settled sync.Mutex
	shards  int // of the keyspace; 0 until it was read

	// closing is held for reading by every call: Close waits for them.
	closing sync.RWMutex
	closed  bool
}

var _ storage.Store = (*store)(nil)

// Open connects to the cluster. The keyspace need not be there yet: a writing
// store must be migrated before it is used.
func Open(ctx context.Context, cfg Config, opts Options) (storage.Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", activity.ErrInvalid, err)
	}
	t, err := cfg.target()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", activity.ErrInvalid, err)
	}
	s := &store{cfg: cfg, target: t, cql: newStatements(t.keyspace), now: opts.Now, maxTested: maxTested}
	if s.now == nil {
		s.now = time.Now
	}
	s.known = newKnown(s.now)
	s.writer = newWriterID()
	if err := s.connect(ctx); err != nil {
		return nil, fmt.Errorf("open the store %s: %w", cfg.Identity(), err)
	}
	if opts.ReadOnly {
		if err := s.checkVersion(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("open the store %s: %w", cfg.Identity(), err), s.Close())
		}
		return s, nil
	}
	s.group = groupcommit.New(s.commit, groupcommit.Settings{MaxBatchEvents: maxCommit}) //nolint:contextcheck // a commit outlives the wait of its caller
	return s, nil
}

func newWriterID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:])                           // never fails, says its documentation
	return int64(binary.BigEndian.Uint64(b[:]) >> 1) // 63 bits
}

// enter begins a call that uses the session, and gives what ends it.
func (s *store) enter(ctx context.Context) (leave func(), err error) {
	s.closing.RLock()
	if s.closed {
		err = storage.ErrClosed
	} else {
		err = ctx.Err()
	}
	if err != nil {
		s.closing.RUnlock()
		return nil, err
	}
	return s.closing.RUnlock, nil
}

// use is enter for a store whose settings are needed.
func (s *store) use(ctx context.Context) (leave func(), err error) {
	if leave, err = s.enter(ctx); err != nil {
		return nil, err
	}
	if err := s.settle(ctx); err != nil {
		leave()
		return nil, failure(ctx, err)
	}
	return leave, nil
}

// failure gives an error of a call: the context's, when that has ended.
func failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, ours := range []error{activity.ErrInvalid, activity.ErrNotFound} {
		if errors.Is(err, ours) {
			return err
		}
	}
	// The driver ends what a connection carried with a context of its own, which
	// must not be taken for the caller's.
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: the connection ended: %s", storage.ErrRetryable, err.Error())
	}
	return classify(err)
}

// Ping implements storage.Admin: a read and, for a writing store, a write, both
// at the consistency of every other.
func (s *store) Ping(ctx context.Context) error {
	leave, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if s.group == nil {
		var version, compatible int
		err = s.session.Query(s.cql.version).ScanContext(ctx, &version, &compatible)
	} else {
		err = s.session.Query(s.cql.ping, s.now().UnixNano()).ExecContext(ctx)
	}
	if err != nil {
		return fmt.Errorf("ping the store: %w", failure(ctx, err))
	}
	return nil
}

// Capabilities implements storage.Admin. CQL has no substring search, no order
// that is not in a key, and no count or aggregate that does not read every row;
// a live feed would need a table that every writer of an instant writes to.
func (s *store) Capabilities() storage.Capabilities {
	return storage.Capabilities{Name: Driver, Retention: s.group != nil, Erasure: s.group != nil}
}

// Close implements storage.Admin.
func (s *store) Close() error {
	if s.group != nil {
		if err := s.group.Close(); err != nil {
			return err
		}
	}
	s.closing.Lock()
	defer s.closing.Unlock()
	if !s.closed {
		s.closed = true
		s.session.Close()
	}
	return nil
}
