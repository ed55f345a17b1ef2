package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// wholeMonths reports whether the retention takes everything that is old enough,
// so that no row has to be looked at.
func wholeMonths(scope activity.Scope, r *storage.Retention) bool {
	for _, k := range activity.Kinds() {
		if len(r.Kinds) > 0 && !slices.Contains(r.Kinds, k) {
			return false
		}
	}
	return scope.All() && r.Hold == nil
}

// dropMonth lets go of a month however large it is: the server's limit is a guard
// against a slip of the hand.
var dropMonth = ch.Settings{"mutations_sync": 1, "max_partition_size_to_drop": 0}

// dropOldest drops the first month that ends before the retention's time, and
// says so by More: there may be events after it. A month of which every row was
// deleted is dropped, too: until then it keeps its room.
func (s *store) dropOldest(ctx context.Context, r *storage.Retention) (res storage.RetentionResult, err error) {
	var months []string
	b := &builder{}
	b.add("SELECT DISTINCT _partition_id AS p FROM activity_events WHERE datetime_ns < ", b.int(r.Before), " ORDER BY p LIMIT 1000 SETTINGS apply_deleted_mask = 0")
	err = s.query(ctx, s.config.ReadTimeout, b, func(rows driver.Rows) error {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		months = append(months, id)
		return nil
	})
	if err != nil {
		return res, err
	}
	for _, id := range months {
		lo, hi, ok := monthRange(id)
		if !ok || hi > r.Before || !r.After.IsZero() && lo <= r.After.Datetime {
			continue
		}
		res.Deleted = s.countMonth(ctx, id)
		b = &builder{}
		b.add("ALTER TABLE activity_events DROP PARTITION ID '", id, "'") // six digits: monthRange
		if err = s.exec(ctx, s.config.MutationTimeout, dropMonth, b); err != nil {
			return storage.RetentionResult{}, fmt.Errorf("drop month %s: %w", id, err)
		}
		res.More, res.Next = true, activity.Position{Datetime: hi - 1, ID: lastID}
		return res, nil
	}
	return res, nil
}

// countMonth is for information alone and stops nothing: of a month whose events
// cannot be counted the rows are, with their copies, and 0 is said where nothing
// is known.
func (s *store) countMonth(ctx context.Context, id string) int64 {
	for _, final := range []string{" FINAL", ""} {
		var n int64
		b := &builder{}
		b.add("SELECT toInt64(count()) FROM activity_events", final, " WHERE _partition_id = ", b.text(id))
		if s.query(ctx, s.config.MutationTimeout, b, func(rows driver.Rows) error { return rows.Scan(&n) }) == nil {
			return n
		}
	}
	return 0
}

// monthRange gives the first datetime of a month and the first after it. A
// partition whose name is not a month of our calendar is left to DELETE.
func monthRange(id string) (lo, hi int64, ok bool) {
	n, err := strconv.Atoi(id)
	year, m := n/100, n%100
	if err != nil || len(id) != 6 || year < 1971 || year > 2261 || m < 1 || m > 12 {
		return 0, 0, false
	}
	first := time.Date(year, time.Month(m), 1, 0, 0, 0, 0, time.UTC)
	return first.UnixNano(), first.AddDate(0, 1, 0).UnixNano(), true
}
