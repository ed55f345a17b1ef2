package sqldb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

const (
	// monthsAhead are made before the first event needs them.
	monthsAhead = 2
	// lookEvery is how long the list of partitions is believed. One that was
	// dropped meanwhile sends its events to the default partition.
	lookEvery = 5 * time.Minute
	// tryEvery is the pause before a partition that could not be made is tried
	// again; its events go to the default partition meanwhile.
	tryEvery = 10 * time.Minute
	// busyPause is the pause after a lock that was not to be had, or an attempt that
	// took too long, for all months: a batch must not wait for each of them.
	busyPause = time.Minute
)

// postgresMonths knows which months have a partition.
type postgresMonths struct {
	there   map[int64]bool      // by the month's first nanosecond
	refused map[int64]time.Time // when to try again
	looked  time.Time
	// busy is until when no month is tried: somebody holds the table's lock, or
	// much lies in the default partition.
	busy time.Time
	// strays is whether events were in the default partition at the last look.
	strays bool
}

// look reads the partitions, and whether the default one is in use.
func (m *postgresMonths) look(ctx context.Context, c *session) error {
	b := &builder{dialect: c.dialect}
	m.there = map[int64]bool{}
	err := c.query(ctx, b.add(monthsStatement), func(row []driver.Value) error {
		name, _ := row[0].(string)
		m.strays, _ = row[1].(bool)
		if lo, ok := monthOfPartition(name); ok {
			m.there[lo] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the partitions: %w", err)
	}
	return nil
}

const defaultPartition = postgresTable + "_default"

// partitionOf is the name that activity_make_partition gives.
func partitionOf(month int64) string {
	return postgresTable + "_" + time.Unix(0, month).UTC().Format("200601")
}

// monthOfPartition is the other way; false for the default partition and for
// one that somebody made by hand.
func monthOfPartition(name string) (lo int64, ok bool) {
	digits, ok := strings.CutPrefix(name, postgresTable+"_")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || len(digits) != 6 || n%100 < 1 || n%100 > 12 {
		return 0, false
	}
	return time.Date(n/100, time.Month(n%100), 1, 0, 0, 0, 0, time.UTC).UnixNano(), true
}

// prepare makes the partitions of the events and of the next months.
func (m *postgresMonths) prepare(ctx context.Context, d *postgresDialect, c *session, now time.Time, logger *zap.Logger, events []activity.Event) error {
	if now.Sub(m.looked) >= lookEvery || now.Before(m.looked) {
		if err := m.look(ctx, c); err != nil {
			return err
		}
		m.looked = now
		if m.strays {
			n, err := d.strays(ctx, c)
			if err != nil {
				return err
			}
			logger.Warn("Events lie in the default partition: their months have no partition of their own, so retention deletes them row by row",
				zap.String("table", defaultPartition), zap.Int64("events", n))
		}
		first := time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
		for ahead := range monthsAhead + 1 {
			if err := m.need(ctx, d, c, now, logger, first.AddDate(0, ahead, 0).UnixNano()); err != nil {
				return err
			}
		}
	}
	var lo, hi int64 // of the month of the event before
	for i := range events {
		at := events[i].Datetime
		if at >= lo && at < hi {
			continue
		}
		lo, hi = monthOf(at)
		if err := m.need(ctx, d, c, now, logger, lo); err != nil {
			return err
		}
	}
	return nil
}

// makeShare is the part of write_timeout that the making of a partition may take:
// the batch that waits for it has to be stored in the rest.
const makeShare = 4

// need makes the partition of a month unless it is there, or could not be made
// a while ago. Only the loss of the connection is an error: without a partition
// events go to the default one. That it cannot be made is noted before it is
// tried: an attempt that costs a batch its time must not cost the next one's.
func (m *postgresMonths) need(ctx context.Context, d *postgresDialect, c *session, now time.Time, logger *zap.Logger, month int64) error {
	if m.there[month] || now.Before(m.refused[month]) || now.Before(m.busy) {
		return nil
	}
	if m.refused == nil || len(m.refused) > maxRefused {
		m.refused = map[int64]time.Time{}
	}
	m.refused[month] = now.Add(tryEvery)
	made, err := d.makePartition(ctx, c, month)
	switch {
	case err == nil && made:
		m.there[month] = true
		delete(m.refused, month)
		logger.Info("A partition is there", zap.String("partition", partitionOf(month)))
		return nil
	case err != nil && serverError(err) == nil:
		return fmt.Errorf("make partition %s: %w", partitionOf(month), err)
	}
	if e := serverError(err); e != nil && (e.Code == "55P03" || e.Code == "57014") { // lock not available, statement timeout
		m.busy = now.Add(busyPause)
	}
	logger.Warn("A partition was not made; events of its month go to the default partition",
		zap.String("partition", partitionOf(month)), zap.Error(err))
	return nil
}

// makePartition makes the partition of a month in a transaction of its own, which
// the server ends while there is time to store the events elsewhere.
func (d *postgresDialect) makePartition(ctx context.Context, c *session, month int64) (made bool, err error) {
	limit := strconv.FormatInt(max(1, (d.config.WriteTimeout/makeShare).Milliseconds()), 10)
	if err := c.exec(ctx, d.begin(true)); err != nil {
		return false, err
	}
	end := "COMMIT"
	if err = c.exec(ctx, "SET LOCAL statement_timeout = "+limit); err == nil {
		err = c.conn.QueryRowContext(ctx, "SELECT activity_make_partition($1)", month).Scan(&made)
	}
	if err != nil {
		end = "ROLLBACK"
	}
	if ended := c.exec(ctx, end); ended != nil {
		return false, ended
	}
	return made, err
}

// maxRefused bounds the memory of months that have no partition: events can
// name any month of six centuries.
const maxRefused = 1000

// maxStrays is where the count of events in the default partition ends.
const maxStrays = 1_000_000

// strays counts what is in the default partition, up to maxStrays.
func (d *postgresDialect) strays(ctx context.Context, c *session) (int64, error) {
	b := &builder{dialect: d}
	n, err := c.number(ctx, b.add("SELECT count(*) FROM (SELECT FROM ", defaultPartition, " LIMIT ", b.arg(maxStrays), ") AS strays"))
	if err != nil {
		return 0, fmt.Errorf("count the events of the default partition: %w", err)
	}
	return n, nil
}

// strayCounter is a dialect that puts events without a part of their own aside.
type strayCounter interface {
	strays(ctx context.Context, c *session) (int64, error)
}

var _ strayCounter = (*postgresDialect)(nil)

// StrayEvents counts the events that lie in no part of their own, because their
// time is far from now or the part could not be made; at most a million. They are
// found as every other event, and retention deletes them row by row. 0 for a
// database that has no such place.
func (s *store) StrayEvents(ctx context.Context) (n int64, err error) {
	d, ok := s.dialect.(strayCounter)
	if !ok {
		return 0, nil
	}
	err = s.read(ctx, func(c *session) error {
		n, err = d.strays(ctx, c)
		return err
	})
	return n, err
}
