package sqldb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// sqliteKeeper is the one writer of a store in SQLite: it knows every segment
// and the last stored_ns, because nobody else changes them.
type sqliteKeeper struct {
	dialect     *sqliteDialect
	segmentRows int64
	now         func() time.Time
	logger      *zap.Logger

	catalogue  catalogue
	lastStored int64
}

var (
	_ keeper  = (*sqliteKeeper)(nil)
	_ dropper = (*sqliteKeeper)(nil)
)

func (k *sqliteKeeper) load(ctx context.Context, c *session) (err error) {
	if k.catalogue, err = k.dialect.catalogue(ctx, c); err != nil {
		return err
	}
	return c.conn.QueryRowContext(ctx, "SELECT last_stored_ns FROM store_state").Scan(&k.lastStored)
}

// prepare has nothing to do: a segment is made inside the transaction.
func (*sqliteKeeper) prepare(context.Context, *session, []activity.Event) error { return nil }

func (k *sqliteKeeper) mark() (undo func()) {
	before, last := slices.Clone(k.catalogue), k.lastStored
	return func() { k.catalogue, k.lastStored = before, last }
}

func (k *sqliteKeeper) store(ctx context.Context, c *session, events []activity.Event) (storage.WriteResult, error) {
	b := sqliteBatch{keeper: k, session: c, events: events, inserts: map[string]map[uint64]string{}}
	return b.run(ctx)
}

// probe has nothing to ask: BEGIN IMMEDIATE took SQLite's lock.
func (*sqliteKeeper) probe(context.Context, *session) error { return nil }

// home gives the segment that holds a datetime, and makes it when there is none.
func (k *sqliteKeeper) home(ctx context.Context, c *session, datetime int64) (*segment, error) {
	i, ok := k.catalogue.find(datetime)
	if ok {
		return &k.catalogue[i], nil
	}
	seg := segment{}
	seg.lo, seg.hi = k.catalogue.rangeFor(datetime)
	seg.name = segmentName(seg.lo, datetime)
	if err := makeSegment(ctx, c.conn, k.dialect, &seg); err != nil {
		return nil, err
	}
	k.catalogue = slices.Insert(k.catalogue, i, seg)
	if err := k.dialect.rebuildView(ctx, c.conn, k.catalogue.names()); err != nil {
		return nil, err
	}
	k.logger.Info("A segment begins", zap.String("segment", seg.name), zap.Int64("lo_ns", seg.lo), zap.Int64("hi_ns", seg.hi))
	return &k.catalogue[i], nil
}

// saveSegment writes what a transaction changed of a segment. One that has its
// share of rows ends after its last event; the rest of its range goes to the
// next segment, made when an event needs it.
func (k *sqliteKeeper) saveSegment(ctx context.Context, c *session, seg *segment) error {
	if seg.events >= k.segmentRows && seg.maxDatetime < seg.hi-1 {
		seg.hi = seg.maxDatetime + 1
	}
	b := &builder{dialect: k.dialect}
	b.add("UPDATE segments SET hi_ns = ", b.arg(seg.hi), ", event_count = ", b.arg(seg.events), ", max_datetime_ns = ", b.arg(seg.maxDatetime),
		", first_stored_ns = ", b.arg(seg.firstStored), ", last_stored_ns = ", b.arg(seg.lastStored), " WHERE name = ", b.arg(seg.name))
	if _, err := c.change(ctx, b); err != nil {
		return fmt.Errorf("note segment %s: %w", seg.name, err)
	}
	return nil
}
