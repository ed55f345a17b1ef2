package sqldb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// mysqlDropper lets go of partitions. Where the store may not change tables
// (create_schema: false) retention deletes rows instead.
type mysqlDropper struct {
	dialect      *mysqlDialect
	createSchema bool
	countTime    time.Duration
	logger       *zap.Logger
}

var _ dropper = (*mysqlDropper)(nil)

// dropOldest drops every row of the first partition that ends before the
// retention's time and has any. The partition stays, without rows, until
// reclaim: dropped, it would leave its range to the next one, which has rows
// and could not be cut for late events. The change commits by itself.
func (k *mysqlDropper) dropOldest(ctx context.Context, c *session, r *storage.Retention) (res storage.RetentionResult, err error) {
	if !k.createSchema {
		return res, nil
	}
	err = k.dialect.alone(ctx, c.conn, func() error {
		parts, err := k.dialect.partitions(ctx, c.conn)
		if err != nil {
			return err
		}
		for i := range parts {
			p := &parts[i]
			if p.hi > r.Before {
				return nil
			}
			if !r.After.IsZero() && p.hi-1 <= r.After.Datetime {
				continue
			}
			if empty, err := k.dialect.empty(ctx, c.conn, p); err != nil {
				return err
			} else if empty {
				continue
			}
			n, exact, err := k.count(ctx, c, p)
			if err != nil {
				return err
			}
			if err := c.exec(ctx, "ALTER TABLE "+mysqlTable+" TRUNCATE PARTITION "+quoted(p.name)); err != nil {
				return fmt.Errorf("drop the rows of partition %s: %w", p.name, err)
			}
			k.logger.Info("The rows of a partition were dropped", zap.String("partition", p.name), zap.Int64("rows", n), zap.Bool("estimated", !exact))
			res = storage.RetentionResult{Deleted: n, More: true, Next: place{datetime: p.hi - 1, id: lastID}.position()}
			return k.dialect.publish(ctx, c.conn)
		}
		return nil
	})
	return res, err
}

// count gives the rows of a partition that has some: as the server estimates
// them when counting them takes longer than countTime. No partition stays for
// want of its number.
func (k *mysqlDropper) count(ctx context.Context, c *session, p *segment) (n int64, exact bool, err error) {
	// MariaDB reads the first limit and MySQL the second.
	limited := fmt.Sprintf("/*M!100100 SET STATEMENT max_statement_time = %f FOR */ SELECT /*+ MAX_EXECUTION_TIME(%d) */ COUNT(*) FROM ",
		k.countTime.Seconds(), max(1, k.countTime.Milliseconds()))
	failed := c.conn.QueryRowContext(ctx, limited+mysqlTable+" PARTITION ("+quoted(p.name)+")").Scan(&n)
	if failed == nil {
		return n, true, nil
	}
	err = c.conn.QueryRowContext(ctx, "SELECT COALESCE(TABLE_ROWS, 0) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE()"+
		" AND TABLE_NAME = '"+mysqlTable+"' AND PARTITION_NAME = ?", p.name).Scan(&n)
	if err != nil {
		return 0, false, fmt.Errorf("count partition %s: %w", p.name, errors.Join(failed, err))
	}
	return max(1, n), false, nil
}

// deleted has nothing to note.
func (*mysqlDropper) deleted(context.Context, *session, string, int) error { return nil }

// dropEmpty waits for reclaim: in the middle of a transaction it would commit it.
func (*mysqlDropper) dropEmpty(context.Context, *session, *storage.Retention) error { return nil }

// reclaim makes the first two partitions one when both are empty and old, so
// that there are never many, and the first always is a range to cut for late
// events.
func (k *mysqlDropper) reclaim(ctx context.Context, c *session, r *storage.Retention) (more bool, err error) {
	if !k.createSchema {
		return false, nil
	}
	err = k.dialect.alone(ctx, c.conn, func() error {
		parts, err := k.dialect.partitions(ctx, c.conn)
		if err != nil || len(parts) < 2 || parts[1].hi > r.Before {
			return err
		}
		for i := range parts[:2] {
			if empty, err := k.dialect.empty(ctx, c.conn, &parts[i]); err != nil || !empty {
				return err
			}
		}
		merged := parts[1]
		if err := c.exec(ctx, reorganize(&merged, nil, quoted(parts[0].name)+", "+quoted(merged.name))); err != nil {
			return fmt.Errorf("join partitions %s and %s: %w", parts[0].name, merged.name, err)
		}
		more = true
		return k.dialect.publish(ctx, c.conn)
	})
	if errors.Is(err, errBusy) {
		return false, nil // the next time
	}
	return more, err
}
