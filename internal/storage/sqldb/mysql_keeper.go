package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// mysqlKeeper writes beside the keepers of other collectors. The row of
// store_state is the lock between them: it is held from before stored_ns is
// given until the commit, so that stored_ns is commit order.
type mysqlKeeper struct {
	dialect *mysqlDialect
	config  *MySQLConfig
	now     func() time.Time
	logger  *zap.Logger

	catalogue  catalogue
	change     int64 // of the catalogue; -1 = read it again
	looked     time.Time
	lastStored int64
	// columns that any event so far has had a value for; see mysqlBatch.
	columns uint64
	// notBefore is when making partitions is tried again after it has failed.
	notBefore time.Time
}

var _ keeper = (*mysqlKeeper)(nil)

// load reads the catalogue, and corrects it when an administrator has changed
// partitions or a collector stopped between changing them and saying so. One that
// may not change the schema need not: reads look everywhere.
func (k *mysqlKeeper) load(ctx context.Context, c *session) (err error) {
	if err := k.look(ctx, c); err != nil || !k.config.CreateSchema {
		return err
	}
	there, err := k.dialect.partitions(ctx, c.conn)
	if err != nil || slices.EqualFunc(k.catalogue, there, sameRange) {
		return err
	}
	return k.dialect.alone(ctx, c.conn, func() error { return k.dialect.publish(ctx, c.conn) })
}

// look reads the catalogue outside of the lock.
func (k *mysqlKeeper) look(ctx context.Context, c *session) (err error) {
	k.catalogue, err = k.dialect.catalogue(ctx, c)
	k.change, k.looked = -1, k.now()
	return err
}

// watch looks again now and then: a month that was dropped meanwhile is to be
// made again, and events that lie outside of a month are to be told of.
func (k *mysqlKeeper) watch(ctx context.Context, c *session, now time.Time) error {
	if d := now.Sub(k.looked); d >= 0 && d < lookEvery {
		return nil
	}
	if err := k.look(ctx, c); err != nil {
		return err
	}
	n, err := k.dialect.strays(ctx, c)
	if n > 0 {
		k.logger.Warn("Events lie in a partition of more than a month, so retention deletes them row by row; auditctl migrate cuts the last one",
			zap.Int64("events", n))
	}
	return err
}

// partitionPause is how long no partition is tried to be made after one could
// not be: every try holds events up behind the lock of the table.
const partitionPause = time.Minute

// prepare makes the partitions of the events' months, and of the next months,
// while the ranges they are in are empty. Events are never refused for want of
// a partition: those of a range that cannot be cut are stored in it as it is.
func (k *mysqlKeeper) prepare(ctx context.Context, c *session, events []activity.Event) error {
	now := k.now()
	if err := k.watch(ctx, c, now); err != nil || !k.config.CreateSchema || now.Before(k.notBefore) {
		return err
	}
	ends := k.missing(now.UnixNano(), events)
	if len(ends) == 0 {
		return nil
	}
	if err := k.dialect.cut(ctx, c.conn, ends, false); err != nil {
		if ctx.Err() == nil && k.dialect.lost(err) {
			return err
		}
		k.notBefore = now.Add(partitionPause)
		if ctx.Err() != nil { // the wait took the time of the commit, that of the next one it does not
			return err
		}
		k.logger.Warn("Partitions could not be made; events go to the ones there are, and retention will have to delete them row by row",
			zap.Int("months", len(ends)), zap.Error(err))
		return nil
	}
	k.logger.Info("Partitions were made", zap.Int("ends", len(ends)))
	return k.look(ctx, c)
}

// missing gives the month ends at which an empty range has to be cut.
func (k *mysqlKeeper) missing(now int64, events []activity.Event) (ends []int64) {
	if n := len(k.catalogue); n > 0 && k.catalogue[n-1].lastStored == 0 && k.catalogue[n-1].lo < monthAfter(now, minAhead+1) {
		ends = aheadOf(now)
	}
	for i := range events {
		at, ok := k.catalogue.find(events[i].Datetime)
		if !ok || isMonth(&k.catalogue[at]) || k.catalogue[at].lastStored != 0 {
			continue
		}
		lo, hi := monthOf(events[i].Datetime)
		for _, end := range []int64{lo, hi} {
			if !slices.Contains(ends, end) && len(ends) < maxCuts {
				ends = append(ends, end)
			}
		}
	}
	return ends
}

func (k *mysqlKeeper) mark() (undo func()) {
	before := slices.Clone(k.catalogue)
	return func() { k.catalogue, k.change = before, -1 }
}

func (k *mysqlKeeper) store(ctx context.Context, c *session, events []activity.Event) (res storage.WriteResult, err error) {
	if err := k.lock(ctx, c); err != nil {
		return res, err
	}
	b := mysqlBatch{keeper: k, session: c, events: events, res: &res}
	return res, b.run(ctx)
}

// lock takes the lock of all writers, and what may have changed without it.
func (k *mysqlKeeper) lock(ctx context.Context, c *session) error {
	b := &builder{dialect: k.dialect}
	b.add("SELECT last_stored_ns, segment_change FROM store_state WHERE only_row = 1 FOR UPDATE")
	found, change := false, int64(0)
	err := c.query(ctx, b, func(row []driver.Value) error {
		found = true
		k.lastStored, _ = row[0].(int64) // both are BIGINT NOT NULL
		change, _ = row[1].(int64)
		return nil
	})
	if err != nil {
		return fmt.Errorf("take the lock of writers: %w", err)
	}
	if !found {
		return errors.New("take the lock of writers: the row of store_state is gone; auditctl migrate puts it back")
	}
	if change != k.change {
		if k.catalogue, err = k.dialect.catalogue(ctx, c); err != nil {
			return err
		}
		k.change = change
	}
	return nil
}

// probe writes nothing, which a server that only reads refuses all the same.
func (*mysqlKeeper) probe(ctx context.Context, c *session) error {
	return c.exec(ctx, "UPDATE store_state SET last_stored_ns = last_stored_ns WHERE only_row = 1")
}
