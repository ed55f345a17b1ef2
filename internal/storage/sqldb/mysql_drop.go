package sqldb

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// mysqlDropper lets go of partitions. Where the store may not change tables
// (create_schema: false) retention deletes rows instead.
type mysqlDropper struct {
	dialect      *mysqlDialect
	createSchema bool
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
			b := &builder{dialect: k.dialect}
			n, err := c.number(ctx, b.add("SELECT COUNT(*) FROM ", mysqlTable, " PARTITION (", quoted(p.name), ")"))
			if err != nil {
				return fmt.Errorf("count partition %s: %w", p.name, err)
			}
			if n == 0 {
				continue
			}
			if err := c.exec(ctx, "ALTER TABLE "+mysqlTable+" TRUNCATE PARTITION "+quoted(p.name)); err != nil {
				return fmt.Errorf("drop the rows of partition %s: %w", p.name, err)
			}
			k.logger.Info("The rows of a partition were dropped", zap.String("partition", p.name), zap.Int64("rows", n))
			res = storage.RetentionResult{Deleted: n, More: true, Next: place{datetime: p.hi - 1, id: lastID}.position()}
			return k.dialect.publish(ctx, c.conn)
		}
		return nil
	})
	return res, err
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
