package sqldb

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// postgresDropper drops the partitions of whole months. That takes a lock that
// everybody waits behind, so it waits for it no longer than lockTimeout.
type postgresDropper struct{ dialect *postgresDialect }

var _ dropper = (*postgresDropper)(nil)

// month is a partition that ends before a retention's time.
type month struct {
	name   string
	lo, hi int64
}

// months gives the partitions that end at or before a time, oldest first.
func (d *postgresDropper) months(ctx context.Context, c *session, before int64) (out []month, err error) {
	b := &builder{dialect: d.dialect}
	err = c.query(ctx, b.add(monthsStatement), func(row []driver.Value) error {
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
// behind the lock, so the rows are counted before it, which can take minutes, and
// under it only those that came meanwhile: they are last in the order of commits.
func (d *postgresDropper) dropMonth(ctx context.Context, c *session, name string) (rows int64, err error) {
	timeout := strconv.FormatInt(upkeepTimeout.Milliseconds(), 10)
	for _, s := range []string{"SET LOCAL statement_timeout = " + timeout, "SET LOCAL enable_seqscan = on"} {
		if err := c.exec(ctx, s); err != nil {
			return 0, err
		}
	}
	var last int64
	b := &builder{dialect: d.dialect}
	err = c.query(ctx, b.add("SELECT count(*), COALESCE(max(stored_ns), 0) FROM ", name), func(row []driver.Value) error {
		rows, _ = row[0].(int64)
		last, _ = row[1].(int64)
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := c.exec(ctx, "LOCK TABLE ONLY "+postgresTable+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		return 0, err
	}
	b = &builder{dialect: d.dialect}
	late, err := c.number(ctx, b.add("SELECT count(*) FROM ", name, " WHERE stored_ns > ", b.arg(last)))
	if err != nil {
		return 0, err
	}
	return rows + late, c.exec(ctx, "DROP TABLE "+name)
}

// deleted: PostgreSQL counts for itself.
func (*postgresDropper) deleted(context.Context, *session, string, int) error { return nil }

// dropEmpty waits for reclaim: a transaction that has deleted rows must not wait
// for a lock on the whole table.
func (*postgresDropper) dropEmpty(context.Context, *session, *storage.Retention) error { return nil }

// reclaim drops the oldest partition that retention has emptied. The space of
// rows deleted elsewhere is autovacuum's.
func (d *postgresDropper) reclaim(ctx context.Context, c *session, r *storage.Retention) (more bool, err error) {
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
		if ended := c.exec(context.WithoutCancel(ctx), end); err == nil {
			err = ended
		}
	}()
	if err := c.exec(ctx, "LOCK TABLE ONLY "+postgresTable+" IN ACCESS EXCLUSIVE MODE"); err != nil {
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
