package sqldb

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// postgresDropper drops the partitions of whole months. That takes a lock that
// everybody waits behind, so it waits for it no longer than lockTimeout. Until
// then its transaction has no lock of a table: two collectors that let go of the
// same month would wait for each other.
type postgresDropper struct {
	dialect   *postgresDialect
	countTime time.Duration
	// busy is until when no emptied month is tried: somebody holds the table's lock.
	busy time.Time
}

var _ dropper = (*postgresDropper)(nil)

// month is a partition that ends before a retention's time.
type month struct {
	name   string
	lo, hi int64
}

// months gives the partitions that end at or before a time, oldest first.
func (d *postgresDropper) months(ctx context.Context, c *session, before int64) (out []month, err error) {
	b := &builder{dialect: d.dialect}
	err = c.query(ctx, b.add("SELECT c.relname::text AS name FROM pg_inherits AS i", ofParent), func(row []driver.Value) error {
		name, _ := row[0].(string)
		lo, ok := monthOfPartition(name)
		hi := nextMonth(lo)
		if ok && hi <= before {
			out = append(out, month{name: name, lo: lo, hi: hi})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b month) int { return cmp.Compare(a.lo, b.lo) })
	if err != nil {
		return nil, fmt.Errorf("list the partitions: %w", err)
	}
	return out, nil
}

func (d *postgresDropper) dropOldest(ctx context.Context, c *session, r *storage.Retention) (res storage.RetentionResult, err error) {
	months, err := d.months(ctx, c, r.Before)
	if err != nil {
		return res, err
	}
	for _, m := range months {
		if !r.After.IsZero() && m.lo <= r.After.Datetime {
			continue
		}
		if res.Deleted, err = d.dropMonth(ctx, c, m.name); err != nil {
			return res, fmt.Errorf("drop partition %s: %w", m.name, err)
		}
		res.More, res.Next = true, place{datetime: m.hi - 1, id: lastID}.position()
		return res, nil
	}
	return res, nil
}

// dropMonth drops a partition and gives the number of its rows. Everybody waits
// behind the lock, so the rows are counted before it, and under it only those
// that came meanwhile: they are last in the order of commits.
func (d *postgresDropper) dropMonth(ctx context.Context, c *session, name string) (rows int64, err error) {
	rows, last, exact, err := d.count(ctx, c, name)
	if err != nil {
		return 0, err
	}
	there, err := d.lock(ctx, c, name)
	if err != nil || !there {
		return 0, err
	}
	if exact {
		b := &builder{dialect: d.dialect}
		late, err := c.number(ctx, b.add("SELECT count(*) FROM ", name, " WHERE stored_ns > ", b.arg(last)))
		if err != nil {
			return 0, err
		}
		rows += late
	}
	if err := c.exec(ctx, "DROP TABLE "+name); err != nil {
		return 0, err
	}
	d.dialect.logger.Info("A partition is dropped", zap.String("partition", name), zap.Int64("rows", rows), zap.Bool("estimated", !exact))
	return rows, nil
}

// count gives the rows of a partition and the last of them; when counting takes
// longer than countTime, or cannot be done, as the server estimates them. No month
// stays for want of its number. The savepoint gives back the lock of the table.
func (d *postgresDropper) count(ctx context.Context, c *session, name string) (rows, last int64, exact bool, err error) {
	limit := strconv.FormatInt(d.countTime.Milliseconds(), 10)
	for _, s := range []string{"SAVEPOINT counting", "SET LOCAL statement_timeout = " + limit, "SET LOCAL enable_seqscan = on"} {
		if err := c.exec(ctx, s); err != nil {
			return 0, 0, false, err
		}
	}
	b := &builder{dialect: d.dialect}
	failed := c.query(ctx, b.add("SELECT count(*), COALESCE(max(stored_ns), 0) FROM ", name), func(row []driver.Value) error {
		rows, _ = row[0].(int64)
		last, _ = row[1].(int64)
		return nil
	})
	if failed != nil && serverError(failed) == nil {
		return 0, 0, false, failed
	}
	if err := c.exec(ctx, "ROLLBACK TO SAVEPOINT counting"); err != nil || failed == nil {
		return rows, last, true, err
	}
	b = &builder{dialect: d.dialect}
	rows, err = c.number(ctx, b.add("SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(", b.arg(name), ")"))
	return rows, 0, false, err
}

// lock keeps everybody else away, and reports whether the month is still a
// partition: another collector may have dropped it, or a person detached it.
func (d *postgresDropper) lock(ctx context.Context, c *session, name string) (there bool, err error) {
	if err := c.exec(ctx, "LOCK TABLE ONLY "+postgresTable+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		return false, err
	}
	b := &builder{dialect: d.dialect}
	n, err := c.number(ctx, b.add("SELECT count(*) FROM pg_inherits AS i", ofParent, " AND c.relname = ", b.arg(name)))
	return n > 0, err
}

// deleted: PostgreSQL counts for itself.
func (*postgresDropper) deleted(context.Context, *session, string, int) error { return nil }

// dropEmpty waits for reclaim: a transaction that has deleted rows must not wait
// for a lock on the whole table.
func (*postgresDropper) dropEmpty(context.Context, *session, *storage.Retention) error { return nil }

// reclaim drops the oldest partition that retention has emptied. The space of
// rows deleted elsewhere is autovacuum's. Where that cannot be done now, it is
// left to a later time: the rows are gone.
func (d *postgresDropper) reclaim(ctx context.Context, c *session, r *storage.Retention) (more bool, err error) {
	if time.Now().Before(d.busy) {
		return false, nil
	}
	more, err = d.dropEmptied(ctx, c, r)
	if serverError(err) == nil {
		return more, err
	}
	d.busy = time.Now().Add(busyPause)
	d.dialect.logger.Warn("An empty partition was not dropped; retention tries again later", zap.Error(err))
	return false, nil
}

func (d *postgresDropper) dropEmptied(ctx context.Context, c *session, r *storage.Retention) (more bool, err error) {
	months, err := d.months(ctx, c, r.Before)
	if err != nil {
		return false, err
	}
	for _, m := range months {
		empty, err := d.isEmpty(ctx, c, m.name)
		if err != nil {
			return false, err
		}
		if empty {
			return true, d.dropIfEmpty(ctx, c, m.name)
		}
	}
	return false, nil
}

func (d *postgresDropper) isEmpty(ctx context.Context, c *session, name string) (bool, error) {
	b := &builder{dialect: d.dialect}
	n, err := c.number(ctx, b.add("SELECT count(*) FROM (SELECT FROM ", name, " LIMIT 1) AS one"))
	return n == 0, err
}

func (d *postgresDropper) dropIfEmpty(ctx context.Context, c *session, name string) (err error) {
	if err := c.exec(ctx, d.dialect.begin(true)); err != nil {
		return err
	}
	end := "ROLLBACK"
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.dialect.config.StatementTimeout+statementMargin)
		defer cancel()
		if ended := c.exec(ctx, end); err == nil {
			err = ended
		}
	}()
	there, err := d.lock(ctx, c, name)
	if err != nil || !there {
		return err
	}
	empty, err := d.isEmpty(ctx, c, name)
	if err != nil || !empty {
		return err
	}
	if err := c.exec(ctx, "DROP TABLE "+name); err != nil {
		return fmt.Errorf("drop the empty partition %s: %w", name, err)
	}
	end = "COMMIT"
	return nil
}
