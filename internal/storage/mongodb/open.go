package mongodb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/groupcommit"
)

// Options of Open.
type Options = storage.Options

// The collections.
const (
	eventCollection  = "activity_events"
	schemaCollection = "activity_schema"
)

// store implements storage.Store over one database.
type store struct {
	cfg      Config
	readOnly bool
	now      func() time.Time

	client *mongo.Client
	db     *mongo.Database
	events *mongo.Collection
	group  *groupcommit.Group // nil when read-only
	writer *writer            // nil when read-only

	// closing is held for reading by every call: Close waits for them.
	closing sync.RWMutex
	closed  bool
}

var _ storage.Store = (*store)(nil)

// Open gives the store of a configuration. It connects when it is first used,
// so that a server that is away fails the calls and not Open; a read-only store
// is checked here. A writing store must be migrated before it is used.
func Open(ctx context.Context, cfg Config, opts Options) (storage.Store, error) {
	d, database, err := cfg.resolve()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", activity.ErrInvalid, err)
	}
	s := &store{cfg: cfg, readOnly: opts.ReadOnly, now: opts.Now}
	if s.now == nil {
		s.now = time.Now
	}
	client, err := s.clientOptions(ctx, &d)
	if err != nil {
		return nil, err
	}
	if s.client, err = mongo.Connect(client); err != nil {
		return nil, fmt.Errorf("%w: open the store: %s", activity.ErrInvalid, d.mask(err.Error()))
	}
	s.db = s.client.Database(database)
	s.events = s.db.Collection(eventCollection)
	if opts.ReadOnly {
		if err := s.checkReadable(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("open the store: %w", err), s.Close()) //nolint:contextcheck // Close has a bound of its own
		}
		return s, nil
	}
	s.writer = newWriter(s)
	s.group = groupcommit.New(s.writer.commit, groupcommit.Settings{MaxBatchEvents: maxInsert}) //nolint:contextcheck // a commit outlives the wait of its caller
	return s, nil
}

// clientOptions takes what the connection string says of hosts, users and
// compression, and decides on everything that durability depends on.
func (s *store) clientOptions(ctx context.Context, d *dsn) (*options.ClientOptions, error) {
	o := options.Client().ApplyURI(d.text) // asks a name server when it is mongodb+srv
	if err := o.Validate(); err != nil {
		cause := activity.ErrInvalid
		if d.srv {
			cause = storage.ErrRetryable
		}
		return nil, fmt.Errorf("%w: dsn: %s", cause, d.mask(err.Error()))
	}
	tls, err := s.cfg.TLS.LoadTLSConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: tls: %w", activity.ErrInvalid, err)
	}
	journal := true
	concern := writeconcern.Majority()
	concern.Journal = &journal
	return o.SetTLSConfig(tls).SetWriteConcern(concern).SetReadConcern(readconcern.Majority()).SetReadPreference(readpref.Primary()).
		SetMaxPoolSize(s.cfg.MaxConnections).SetConnectTimeout(s.cfg.ConnectTimeout).SetServerSelectionTimeout(s.cfg.ConnectTimeout).
		SetAppName("otelcol-activitylog"), nil
}

// maxInsert bounds the events of one insert: a server of a few thousand
// documents a second must be able to store them within the write timeout.
const maxInsert = 1000

// call runs fn unless the store is closed, and gives its error a sentinel. The
// error of the caller's own context comes first.
func (s *store) call(ctx context.Context, fn func(context.Context) error) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return storage.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := fn(ctx)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return classify(err)
}

// leastTime is what a bounded read may take beyond its budget: one window of
// documents from a cold disk, so that each call gets further.
const leastTime = 5 * time.Second

// forgetTime bounds telling the server that a cursor is not needed any more.
const forgetTime = time.Second

// within is call with a time after which the server gives up; 0 = none.
func (s *store) within(ctx context.Context, budget time.Duration, fn func(context.Context) error) error {
	return s.call(ctx, func(ctx context.Context) error {
		if budget <= 0 {
			return fn(ctx)
		}
		limited, cancel := context.WithTimeout(ctx, budget+leastTime)
		defer cancel()
		err := fn(limited)
		if err != nil && (limited.Err() != nil || errors.Is(err, context.DeadlineExceeded)) {
			return fmt.Errorf("%w: %w", storage.ErrBudget, err)
		}
		return err
	})
}

// majority is the read concern of commands: what a failover could take back is
// not shown.
var majority = bson.D{{Key: "level", Value: "majority"}}

// command runs a command that answers with a cursor and gives every document to
// each, which must not keep it. The time left in the context is sent along as
// maxTimeMS.
func (s *store) command(ctx context.Context, cmd bson.D, each func(bson.Raw) error) (err error) {
	cmd = append(cmd, bson.E{Key: "readConcern", Value: majority})
	cursor, err := s.db.RunCommandCursor(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetTime)
		defer cancel()
		if failed := cursor.Close(closing); err == nil {
			err = failed
		}
	}()
	for cursor.Next(ctx) {
		if err := each(cursor.Current); err != nil {
			return err
		}
	}
	return cursor.Err()
}

// Migrate implements storage.Admin.
func (s *store) Migrate(ctx context.Context) error {
	if s.readOnly {
		return fmt.Errorf("migrate: %w", storage.ErrReadOnly)
	}
	return s.call(ctx, s.migrate)
}

// Ping implements storage.Admin: it asks the primary, which is the server that
// is read and written.
func (s *store) Ping(ctx context.Context) error {
	return s.call(ctx, func(ctx context.Context) error {
		if err := s.client.Ping(ctx, readpref.Primary()); err != nil {
			return fmt.Errorf("ask the primary: %w", err)
		}
		return nil
	})
}

// Capabilities implements storage.Admin.
func (s *store) Capabilities() storage.Capabilities {
	return storage.Capabilities{
		Name: Driver, DetectsDuplicates: true, Contains: true, OrderByResponseTime: true,
		Count: true, Aggregate: true, Feed: true,
		// A read-only store answers dry runs of retention, no more.
		Retention: !s.readOnly, Erasure: !s.readOnly,
	}
}

// closeTime bounds how long Close waits for connections in use.
const closeTime = 5 * time.Second

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
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := s.client.Disconnect(ctx); err != nil {
		errs = append(errs, fmt.Errorf("disconnect: %w", err))
	}
	return errors.Join(errs...)
}
