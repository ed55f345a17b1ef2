package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/groupcommit"
)

// Driver is the name of the driver in a configuration.
const Driver = "clickhouse"

// Options of Open.
type Options = storage.Options

// store implements storage.Store over one database.
type store struct {
	config Config
	conn   driver.Conn // of everything but inserts
	web    *transport
	http   bool // else native
	now    func() time.Time
	extent atomic.Pointer[extent]

	group  *groupcommit.Group // nil when read-only
	writer *writer            // nil when read-only

	// closing is held for reading by every call: Close waits for them.
	closing sync.RWMutex
	closed  bool
}

var _ storage.Store = (*store)(nil)

// Open prepares the store; the first call connects. A writing store must be
// migrated before it is used, a read-only one is checked here.
func Open(ctx context.Context, cfg Config, opts Options) (storage.Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", activity.ErrInvalid, err)
	}
	o, err := cfg.options(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", activity.ErrInvalid, err)
	}
	web := &transport{}
	o.TransportFunc = web.wrap(cfg.MaxOpenConns + insertsAtOnce)
	conn, err := ch.Open(o)
	if err != nil {
		return nil, fmt.Errorf("%w: open %s: %w", activity.ErrInvalid, cfg.Identity(), err)
	}
	s := &store{web: web, config: cfg, conn: conn, http: o.Protocol == ch.HTTP, now: opts.Now}
	if s.now == nil {
		s.now = time.Now
	}
	if opts.ReadOnly {
		if err := s.Migrate(ctx); err != nil {
			return nil, errors.Join(err, s.Close())
		}
		return s, nil
	}
	// Reads that take every connection must not keep an insert waiting.
	o.MaxOpenConns, o.MaxIdleConns = insertsAtOnce, insertsAtOnce
	inserts, err := ch.Open(o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: open %s: %w", activity.ErrInvalid, cfg.Identity(), err), s.Close())
	}
	s.writer = newWriter(s, inserts)
	s.group = groupcommit.New(s.writer.commit, groupcommit.Settings{}) //nolint:contextcheck // a commit outlives the wait of its caller
	return s, nil
}

// use runs fn unless the store is closed, and classifies its error.
func (s *store) use(ctx context.Context, fn func() error) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return storage.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := fn()
	if ctx.Err() != nil && err != nil { // whatever it looked like on the wire
		return fmt.Errorf("%w: %w", storage.ErrRetryable, ctx.Err())
	}
	return classify(err)
}

// Ping implements storage.Admin. An insert of no row asks for the right and the
// state of the table, and makes no part.
func (s *store) Ping(ctx context.Context) error {
	statement := "INSERT INTO activity_events (tenant_id) SELECT '' WHERE 0"
	if s.writer == nil {
		statement = "SELECT tenant_id FROM activity_events LIMIT 0"
	}
	return s.use(ctx, func() error {
		b := &builder{}
		if err := s.exec(ctx, s.config.WriteTimeout, ch.Settings{"async_insert": 0}, b.add(statement)); err != nil {
			return fmt.Errorf("ping: %w", err)
		}
		return nil
	})
}

// Capabilities implements storage.Admin.
func (s *store) Capabilities() storage.Capabilities {
	return storage.Capabilities{
		Name: Driver, Contains: true, OrderByResponseTime: true,
		Count: true, Aggregate: true, Feed: true, Retention: true, Erasure: true,
	}
}

// Close implements storage.Admin.
func (s *store) Close() error {
	if s.group != nil {
		_ = s.group.Close() // always nil
	}
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	defer s.web.close()
	errs := []error{s.conn.Close()}
	if s.writer != nil {
		errs = append(errs, s.writer.conn.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the connections: %w", err)
	}
	return nil
}
