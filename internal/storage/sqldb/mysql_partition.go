package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Partitions end with a month of UTC, except the last, which has no end. One
// may hold several months: the first holds whatever was before it, the last
// whatever comes. An empty one is cut when an event needs a month of it.
//
// Changes of partitions commit by themselves, so what the table segments says
// of them may be late. That does no harm: a read uses it as a list of times to
// look into one after the other, and the conditions say which time. Only then
// can the feed miss nothing.
const (
	// longestMonth is how long a range is at most that needs no cut.
	longestMonth = int64(31 * 24 * time.Hour)
	// minAhead and makeAhead: partitions are made for so many months ahead when
	// there are fewer than the first.
	minAhead  = 1
	makeAhead = 2
	// maxCuts bounds one change: making 120 partitions takes a second.
	maxCuts = 240
)

// monthAfter gives the beginning of the n-th month after the time's own.
func monthAfter(ns int64, n int) int64 {
	t := time.Unix(0, ns).UTC()
	return time.Date(t.Year(), t.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC).UnixNano()
}

// aheadOf gives the ends that the present and the next months need.
func aheadOf(now int64) (ends []int64) {
	for n := range makeAhead + 2 {
		ends = append(ends, monthAfter(now, n))
	}
	return ends
}

// isMonth reports whether the range is a month, or a piece of one.
func isMonth(s *segment) bool { return s.lo != math.MinInt64 && s.hi-s.lo <= longestMonth }

func sameRange(a, b segment) bool { return a.name == b.name && a.lo == b.lo && a.hi == b.hi }

// partitions gives the ranges as the server has them.
func (*mysqlDialect) partitions(ctx context.Context, db execer) (out catalogue, err error) {
	rows, err := db.QueryContext(ctx, "SELECT PARTITION_NAME, PARTITION_DESCRIPTION FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE()"+
		" AND TABLE_NAME = '"+mysqlTable+"' AND PARTITION_NAME IS NOT NULL ORDER BY PARTITION_ORDINAL_POSITION")
	if err != nil {
		return nil, fmt.Errorf("read the partitions: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	lo := int64(math.MinInt64)
	for rows.Next() {
		seg := segment{lo: lo, hi: math.MaxInt64}
		var end string
		if err := rows.Scan(&seg.name, &end); err != nil {
			return nil, fmt.Errorf("read the partitions: %w", err)
		}
		if end != "MAXVALUE" {
			if seg.hi, err = strconv.ParseInt(end, 10, 64); err != nil {
				return nil, fmt.Errorf("partition %s ends at %q, which is no number", seg.name, end)
			}
		}
		lo = seg.hi
		out = append(out, seg)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the partitions: %w", err)
	}
	if len(out) == 0 || lo != math.MaxInt64 {
		return nil, errors.New(mysqlTable + " has no last partition: add one with VALUES LESS THAN MAXVALUE")
	}
	return out, nil
}

// lockName is one lock for each database of the server.
const lockName = "CONCAT('activitylog.', LEFT(SHA2(DATABASE(), 256), 40))"

// How long a change of partitions and a migration wait for another, in seconds.
const (
	partitionWait = 3
	migrationWait = 60
)

// errBusy: the lock was not to be had.
var errBusy = fmt.Errorf("another process changes the schema: %w", storage.ErrRetryable)

// lockSchema keeps other sessions from changing the schema and its partitions.
// The lock is the connection's, which may take it again.
func (*mysqlDialect) lockSchema(ctx context.Context, db execer, seconds int) (release func(context.Context) error, err error) {
	var got int
	if err := db.QueryRowContext(ctx, "SELECT COALESCE(GET_LOCK("+lockName+", "+strconv.Itoa(seconds)+"), 0)").Scan(&got); err != nil {
		return nil, fmt.Errorf("take the lock of the schema: %w", err)
	}
	if got != 1 {
		return nil, errBusy
	}
	return func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, "DO RELEASE_LOCK("+lockName+")")
		return err
	}, nil
}

// alone runs fn while no other session changes partitions.
func (d *mysqlDialect) alone(ctx context.Context, db execer, fn func() error) (err error) {
	release, err := d.lockSchema(ctx, db, partitionWait)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	return fn()
}

// settle ends a migration. Partitions that lack are made, also where the last
// one, which is there for want of others, holds rows. Without rows in it nothing
// is lost when the table is in use, by a dump for example: prepare tries again.
func (d *mysqlDialect) settle(ctx context.Context, db execer, now time.Time) error {
	parts, err := d.partitions(ctx, db)
	if err != nil {
		return err
	}
	var lo, hi sql.NullInt64
	last := quoted(parts[len(parts)-1].name)
	if err := db.QueryRowContext(ctx, "SELECT MIN(datetime_ns), MAX(datetime_ns) FROM "+mysqlTable+" PARTITION ("+last+")").Scan(&lo, &hi); err != nil {
		return fmt.Errorf("look into the last partition: %w", err)
	}
	ends := aheadOf(now.UnixNano())
	for at := lo.Int64; lo.Valid && at <= hi.Int64 && len(ends) < maxCuts; {
		first, end := monthOf(at)
		ends = append(ends, first, end)
		if at = end; end == math.MaxInt64 {
			break
		}
	}
	err = d.cut(ctx, db, ends, true)
	if !lo.Valid && isLockWait(err) {
		d.logger.Warn("Partitions could not be made while the table is in use; it is tried again with the next events", zap.Error(err))
		return nil
	}
	return err
}

// errLockWait is ER_LOCK_WAIT_TIMEOUT, of rows and of whole tables.
const errLockWait = 1205

func isLockWait(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && e.Number == errLockWait
}

var _ strayCounter = (*mysqlDialect)(nil)

// strays counts the events in ranges of more than a month, up to maxStrays.
func (d *mysqlDialect) strays(ctx context.Context, c *session) (n int64, err error) {
	segs, err := d.catalogue(ctx, c)
	if err != nil {
		return 0, err
	}
	for i := range segs {
		if isMonth(&segs[i]) || segs[i].lastStored == 0 {
			continue
		}
		b := &builder{dialect: d}
		b.add("SELECT COUNT(*) FROM (SELECT 1 FROM ", d.source("", keyIndex), " WHERE stored_ns > ", b.arg(0), segs[i].within(b),
			" LIMIT ", b.arg(maxStrays-n), ") AS strays")
		more, err := c.number(ctx, b)
		if err != nil {
			return 0, fmt.Errorf("count the events without a month: %w", err)
		}
		n += more
	}
	return n, nil
}

// cut makes partitions end at the given times. One that holds rows is cut only
// if it must: its rows are copied, and the table is locked meanwhile.
func (d *mysqlDialect) cut(ctx context.Context, db execer, ends []int64, must bool) error {
	slices.Sort(ends)
	ends = slices.Compact(ends)
	return d.alone(ctx, db, func() error {
		parts, err := d.partitions(ctx, db)
		if err != nil {
			return err
		}
		for i := range parts {
			p := &parts[i]
			inside := slices.DeleteFunc(slices.Clone(ends), func(end int64) bool { return end <= p.lo || end >= p.hi })
			if len(inside) == 0 {
				continue
			}
			if !must {
				empty, err := d.empty(ctx, db, p)
				if err != nil {
					return err
				}
				if !empty {
					continue
				}
			}
			if _, err := db.ExecContext(ctx, reorganize(p, inside, quoted(p.name))); err != nil {
				return fmt.Errorf("cut partition %s: %w", p.name, err)
			}
		}
		return d.publish(ctx, db)
	})
}

func (*mysqlDialect) empty(ctx context.Context, db execer, p *segment) (bool, error) {
	var n int64
	err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+mysqlTable+" PARTITION ("+quoted(p.name)+") LIMIT 1) AS one").Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look into partition %s: %w", p.name, err)
	}
	return n == 0, nil
}

// reorganize makes the partitions listed as old, which together are the range,
// into ones that end at the times inside it and at its own end. The last keeps
// its name: a name goes with an end.
func reorganize(p *segment, inside []int64, old string) string {
	pieces := make([]string, 0, len(inside)+1)
	for _, end := range inside {
		name := time.Unix(0, end-1).UTC().Format("p200601")
		pieces = append(pieces, fmt.Sprintf("PARTITION %s VALUES LESS THAN (%d)", quoted(name), end))
	}
	last := "PARTITION " + quoted(p.name) + " VALUES LESS THAN "
	if p.hi == math.MaxInt64 {
		last += "MAXVALUE"
	} else {
		last += fmt.Sprintf("(%d)", p.hi)
	}
	return "ALTER TABLE " + mysqlTable + " REORGANIZE PARTITION " + old + " INTO (" + strings.Join(append(pieces, last), ", ") + ")"
}

// quoted is a name that an administrator may have given.
func quoted(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// publish writes the ranges that the server has into the table segments, in a
// transaction of its own.
func (d *mysqlDialect) publish(ctx context.Context, db execer) (err error) {
	run := func(statement string) {
		if err == nil {
			_, err = db.ExecContext(ctx, statement)
		}
	}
	defer func() {
		if err != nil {
			_, rollback := db.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
			err = errors.Join(fmt.Errorf("list the partitions: %w", err), rollback)
		}
	}()
	run(d.begin(true))
	// Writers wait from here on, and find the list changed.
	run("UPDATE store_state SET segment_change = segment_change + 1 WHERE only_row = 1")
	if err != nil {
		return err
	}
	parts, err := d.described(ctx, db)
	if err != nil {
		return err
	}
	run("DELETE FROM segments")
	b := &builder{dialect: d}
	b.add("INSERT INTO segments (name, lo_ns, hi_ns, first_stored_ns, last_stored_ns) VALUES ")
	for i := range parts {
		if i > 0 {
			b.add(", ")
		}
		p := &parts[i]
		b.add(b.list([]driver.Value{p.name, p.lo, p.hi, p.firstStored, p.lastStored}))
	}
	if err == nil {
		err = b.exec(ctx, db)
	}
	run("COMMIT")
	return err
}

// described gives the partitions with the bounds of their rows' stored_ns:
// those of the ranges that a partition was made of, nothing when it is empty.
// No row is added meanwhile.
func (d *mysqlDialect) described(ctx context.Context, db execer) (catalogue, error) {
	have, err := d.segments(ctx, db)
	if err != nil {
		return nil, err
	}
	parts, err := d.partitions(ctx, db)
	if err != nil {
		return nil, err
	}
	for i := range parts {
		p := &parts[i]
		for j := range have {
			old := &have[j]
			if old.lo >= p.hi || p.lo >= old.hi || old.lastStored == 0 {
				continue
			}
			if p.firstStored == 0 || old.firstStored < p.firstStored {
				p.firstStored = old.firstStored
			}
			p.lastStored = max(p.lastStored, old.lastStored)
		}
		if p.lastStored == 0 {
			continue
		}
		empty, err := d.empty(ctx, db, p)
		if err != nil {
			return nil, err
		}
		if empty {
			p.firstStored, p.lastStored = 0, 0
		}
	}
	return parts, nil
}
