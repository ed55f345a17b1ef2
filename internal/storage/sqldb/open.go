package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/groupcommit"
)

// Options of Open.
type Options = storage.Options

// store implements storage.Store over a dialect.
type store struct {
	dialect      dialect
	createSchema bool

	readers *pool
	group   *groupcommit.Group // nil when read-only
	writer  *writer            // of commits; nil when read-only
	upkeep  *writer            // of retention and erasure, the same where one may write
	dropper dropper            // nil when read-only
	unlock  func() error

	// closing is held for reading by every read: Close waits for them.
	closing sync.RWMutex
	closed  bool
}

var _ storage.Store = (*store)(nil)

// parts are what a dialect opens.
type parts struct {
	dialect      dialect
	createSchema bool // Migrate may change the schema
	readers      *sql.DB
	readersMax   int
	// readTimeout bounds a statement of a read, and its end, on this side; 0 = the
	// driver does, or the database cannot fall silent.
	readTimeout time.Duration
	unlock      func() error // nil = nothing to unlock

	// Of a writing store.
	writer  *sql.DB
	keeper  keeper
	dropper dropper
	upkeep  *sql.DB // nil = the writer does retention and erasure, too
	// timeout bounds a transaction that writes; 0 = it is not bounded.
	timeout time.Duration
	// group bounds a commit; zero = the defaults.
	group groupcommit.Settings
}

func (p *parts) close() error {
	var errs []error
	if p.readers != nil {
		errs = append(errs, p.readers.Close())
	}
	if p.writer != nil {
		errs = append(errs, p.writer.Close())
	}
	if p.upkeep != nil {
		errs = append(errs, p.upkeep.Close())
	}
	if p.unlock != nil {
		errs = append(errs, p.unlock())
	}
	return errors.Join(errs...)
}

// Open opens the store. A writing store must be migrated before it is used; a
// read-only one is checked here. A second writing process gets
// storage.ErrLocked.
func Open(ctx context.Context, cfg Config, opts Options) (storage.Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", activity.ErrInvalid, err)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	db, err := cfg.database()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", activity.ErrInvalid, err)
	}
	p, err := db.open(ctx, &opts)
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", cfg.Identity(), err)
	}
	s := &store{dialect: p.dialect, createSchema: p.createSchema, unlock: p.unlock, readers: newPool(p.readers, p.readersMax, p.dialect)}
	s.readers.timeout = p.readTimeout
	if opts.ReadOnly {
		if err := s.checkReadable(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("open the store %s: %w", cfg.Identity(), err), s.Close())
		}
		return s, nil
	}
	s.writer, s.dropper = newWriter(s, p.writer, p.keeper, p.timeout), p.dropper
	s.upkeep = s.writer
	if p.upkeep != nil {
		s.upkeep = newWriter(s, p.upkeep, upkeeper{}, upkeepTimeout)
	}
	s.group = groupcommit.New(s.writer.commit, p.group) //nolint:contextcheck // a commit outlives the wait of its caller
	return s, nil
}

func (s *store) checkReadable(ctx context.Context) error {
	sc, err := s.dialect.schema()
	if err != nil {
		return err
	}
	return s.read(ctx, func(c *session) error {
		have, mine, err := versions(ctx, c.conn, s.dialect, sc)
		if err == nil && have < mine {
			return fmt.Errorf("the schema has version %d and this binary reads version %d: start the collector once, or run auditctl migrate",
				have, mine)
		}
		return err
	})
}

// read runs fn in a read transaction unless the store is closed.
func (s *store) read(ctx context.Context, fn func(*session) error) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return storage.ErrClosed
	}
	err := s.readers.read(ctx, fn)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return s.dialect.classify(err)
}

// Migrate implements storage.Admin.
func (s *store) Migrate(ctx context.Context) error {
	if s.writer == nil {
		return fmt.Errorf("migrate: %w", storage.ErrReadOnly)
	}
	return s.writer.migrate(ctx)
}

// Ping implements storage.Admin.
func (s *store) Ping(ctx context.Context) error {
	err := s.read(ctx, func(c *session) error {
		b := &builder{dialect: s.dialect}
		if _, err := c.number(ctx, b.add("SELECT max(version) FROM schema_version")); err != nil {
			return fmt.Errorf("read the store: %w", err)
		}
		return nil
	})
	if err != nil || s.writer == nil {
		return err
	}
	return s.writer.ping(ctx)
}

// Capabilities implements storage.Admin.
func (s *store) Capabilities() storage.Capabilities {
	return storage.Capabilities{
		Name: s.dialect.name(), DetectsDuplicates: true, Contains: true, OrderByResponseTime: true,
		Count: true, Aggregate: true, Feed: true,
		// A read-only store answers dry runs of retention, no more.
		Retention: s.writer != nil, Erasure: s.writer != nil,
	}
}

// Close implements storage.Admin.
func (s *store) Close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	if s.group != nil {
		errs = append(errs, s.group.Close())
	}
	errs = append(errs, s.readers.close())
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.upkeep != s.writer {
		errs = append(errs, s.upkeep.close())
	}
	if s.unlock != nil {
		errs = append(errs, s.unlock())
	}
	return errors.Join(errs...)
}
