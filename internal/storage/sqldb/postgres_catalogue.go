package sqldb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// A segment is a range of months that one query reads. PostgreSQL would read all
// of them in one: but it plans and opens each month of the table for it (the
// default partition keeps it from reading them one after the other), which takes
// longer than a page does as soon as there are some years. The newest months,
// where most questions end, are few at a time; the older a range, the wider.
var segmentMonths = []int{monthsAhead + 1, 3, 6, 12}

// monthsStatement names the parent, of which it reads nothing, first: the locks
// of every statement are taken from the parent down, so that none waits for one
// that waits for it.
const (
	monthsStatement = "SELECT c.relname::text AS name, EXISTS (SELECT FROM " + defaultPartition + ") AS strays" +
		" FROM ONLY " + postgresTable + " AS parent RIGHT JOIN pg_inherits AS i ON true" + ofParent
	ofParent = " JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = '" + postgresTable + "'::regclass"
)

// catalogue lists the ranges that hold events. Partitions and events are those of
// the transaction's snapshot: a month made since then has nothing to see.
func (d *postgresDialect) catalogue(ctx context.Context, c *session) (catalogue, error) {
	b := &builder{dialect: d}
	var months []int64
	strays := false
	err := c.query(ctx, b.add(monthsStatement), func(row []driver.Value) error {
		name, _ := row[0].(string)
		strays, _ = row[1].(bool)
		if lo, ok := monthOfPartition(name); ok {
			months = append(months, lo)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the partitions: %w", err)
	}
	return segmentsOf(months, strays), nil
}

// segmentsOf makes ranges of months, oldest first. With strays, events that lie
// in no month, the ranges cover the whole of time.
func segmentsOf(months []int64, strays bool) catalogue {
	slices.Sort(months)
	var out catalogue
	for i, rest := 0, months; len(rest) > 0; i++ {
		n := min(segmentMonths[min(i, len(segmentMonths)-1)], len(rest))
		part := rest[len(rest)-n:]
		rest = rest[:len(rest)-n]
		out = append(out, segment{lo: part[0], hi: nextMonth(part[n-1]), lastStored: math.MaxInt64})
	}
	slices.Reverse(out)
	if strays && len(out) == 0 {
		return wholeTable()
	}
	for i := range out {
		if strays {
			out[i].lo = math.MinInt64
			if i > 0 {
				out[i].lo = out[i-1].hi
			}
			if i == len(out)-1 {
				out[i].hi = math.MaxInt64
			}
		}
		out[i].name = strconv.FormatInt(out[i].lo, 36) + "_" + strconv.FormatInt(out[i].hi, 36)
	}
	return out
}

func nextMonth(month int64) int64 {
	return time.Unix(0, month).UTC().AddDate(0, 1, 0).UnixNano()
}
