package sqldb

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// strayMonths names the parent first, as monthsStatement does.
const strayMonths = "SELECT DISTINCT to_char(to_timestamp(e.datetime_ns / 1000000000) AT TIME ZONE 'UTC', 'YYYYMM')" +
	" FROM ONLY " + postgresTable + " AS parent RIGHT JOIN " + defaultPartition + " AS e ON true"

// moveWait is how long moving a month waits for a lock, with which everybody
// waits who reads.
const moveWait = 15 * time.Second

// moveStrays gives partitions to the months whose events lie in the default one:
// with them there it cannot be attached. A month that cannot be moved stays where
// it is, for it is found there, too.
func (d *postgresDialect) moveStrays(ctx context.Context, tx execer, now time.Time) error {
	months, err := texts(ctx, tx, strayMonths)
	if err != nil {
		return fmt.Errorf("look for months in the default partition: %w", d.classify(err))
	}
	// As activity_make_partition: events of odd times share the default partition.
	first, last := now.AddDate(-11, 0, 0).UnixNano(), now.AddDate(0, 3, 0).UnixNano()
	for _, digits := range months {
		month, ok := monthOfPartition(postgresTable + "_" + digits)
		if !ok || month < first || month > last {
			continue
		}
		if err := d.moveMonth(ctx, tx, month); err != nil {
			return fmt.Errorf("move partition %s: %w", partitionOf(month), d.classify(err))
		}
	}
	return nil
}

// moveMonth moves a month as one part of the transaction. Nobody writes to the
// default partition meanwhile; readers wait for the last step alone, for the
// table comes with its indexes and a check that saves reading it.
func (d *postgresDialect) moveMonth(ctx context.Context, tx execer, month int64) error {
	// Those that a newer binary has added are copied, those that PostgreSQL computes are not.
	columns, err := texts(ctx, tx, "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = '"+postgresTable+"'::regclass"+
		" AND attnum > 0 AND NOT attisdropped AND attgenerated = ''")
	if err != nil {
		return err
	}
	part, list := partitionOf(month), strings.Join(columns, ", ")
	lo, hi := strconv.FormatInt(month, 10), strconv.FormatInt(nextMonth(month), 10)
	var moved int64
	var failed error
	for _, s := range []string{
		"SAVEPOINT moving",
		"SET LOCAL lock_timeout = " + strconv.FormatInt(moveWait.Milliseconds(), 10),
		"SET LOCAL enable_seqscan = on",
		"SELECT pg_advisory_xact_lock('" + postgresTable + "'::regclass::oid::bigint)", // as activity_make_partition
		"LOCK TABLE ONLY " + postgresTable + " IN SHARE UPDATE EXCLUSIVE MODE",
		"LOCK TABLE " + defaultPartition + " IN SHARE ROW EXCLUSIVE MODE",
		"CREATE TABLE " + part + " (LIKE " + postgresTable + " INCLUDING ALL, CONSTRAINT of_month CHECK (datetime_ns >= " + lo + " AND datetime_ns < " + hi + "))",
		"WITH gone AS (DELETE FROM " + defaultPartition + " WHERE datetime_ns >= " + lo + " AND datetime_ns < " + hi + " RETURNING " + list + ")" +
			" INSERT INTO " + part + " (" + list + ") SELECT " + list + " FROM gone",
		"ALTER TABLE " + postgresTable + " ATTACH PARTITION " + part + " FOR VALUES FROM (" + lo + ") TO (" + hi + ")",
		"ALTER TABLE " + part + " DROP CONSTRAINT of_month",
	} {
		result, err := tx.ExecContext(ctx, s)
		if failed = err; failed != nil {
			break
		}
		if n, err := result.RowsAffected(); err == nil {
			moved = max(moved, n)
		}
	}
	end := "RELEASE SAVEPOINT moving"
	switch {
	case failed == nil:
		d.logger.Info("The events of a month were moved out of the default partition", zap.String("partition", part), zap.Int64("events", moved))
	case serverError(failed) == nil:
		return failed
	default:
		end = "ROLLBACK TO SAVEPOINT moving"
		d.logger.Warn("The events of a month stay in the default partition", zap.String("partition", part), zap.Error(failed))
	}
	_, err = tx.ExecContext(ctx, end)
	return err
}
