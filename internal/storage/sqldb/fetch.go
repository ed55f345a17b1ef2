package sqldb

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// fetch reads the rows of hits, in their order. A search decides on indexes and
// keys alone, and only what is asked for is read whole: in the order of the
// row id, which is the order on the disk.
func (c *session) fetch(ctx context.Context, d dialect, hits []hit) ([]storage.Record, error) {
	out := make([]storage.Record, len(hits))
	order := make([]int, len(hits))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(hits[a].segment, hits[b].segment), cmp.Compare(hits[a].stored, hits[b].stored))
	})
	for len(order) > 0 {
		n := 1
		for n < min(len(order), activity.MaxLimit) && hits[order[n]].segment == hits[order[0]].segment {
			n++
		}
		if err := c.fetchRows(ctx, d, hits, order[:n], out); err != nil {
			return nil, fmt.Errorf("read rows: %w", err)
		}
		order = order[n:]
	}
	return out, nil
}

// fetchRows reads the rows of some hits of one segment, which order gives by
// ascending row id.
func (c *session) fetchRows(ctx context.Context, d dialect, hits []hit, order []int, out []storage.Record) error {
	stored := make([]int64, len(order))
	for i, at := range order {
		stored[i] = hits[at].stored
	}
	b := &builder{dialect: d}
	b.add("SELECT ", selectList, " FROM ", hits[order[0]].segment, " WHERE stored_ns IN ", b.list(padded(stored)), " ORDER BY stored_ns")
	return c.query(ctx, b, func(row []driver.Value) error {
		for len(order) > 0 && hits[order[0]].stored != row[storedColumn] {
			order = order[1:] // deleted since the search
		}
		if len(order) > 0 {
			r := &out[order[0]]
			r.Derived = readRow(row, &r.Event)
			order = order[1:]
		}
		return nil
	})
}

// padded repeats the last value up to the next power of two, so that lists of
// every length share a few prepared statements.
func padded(vs []int64) []driver.Value {
	n := 1
	for n < len(vs) {
		n *= 2
	}
	out := make([]driver.Value, n)
	for i := range out {
		out[i] = vs[min(i, len(vs)-1)]
	}
	return out
}
