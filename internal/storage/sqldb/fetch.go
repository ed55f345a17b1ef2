package sqldb

import (
	"context"
	"fmt"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// fetch reads the rows of hits, in their order. A search decides on indexes and
// keys alone, and only what is asked for is read whole.
func (x *search) fetch(ctx context.Context, hits []hit) ([]storage.Record, error) {
	out := make([]storage.Record, len(hits))
	bySegment := map[string]map[int64]int{}
	for i := range hits {
		m := bySegment[hits[i].segment]
		if m == nil {
			m = map[int64]int{}
			bySegment[hits[i].segment] = m
		}
		m[hits[i].stored] = i
	}
	for name, want := range bySegment {
		stored := make([]int64, 0, len(want))
		for s := range want {
			stored = append(stored, s)
		}
		if err := x.store.fetchRows(ctx, x.session, name, stored, func(r storage.Record) {
			if i, ok := want[r.StoredNS]; ok {
				out[i] = r
			}
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fetchRows reads rows of one segment by rowid, in the order of the rowid.
func (s *store) fetchRows(ctx context.Context, c *session, segment string, stored []int64, visit func(storage.Record)) error {
	scanner := newRowScanner()
	for len(stored) > 0 {
		n := min(len(stored), activity.MaxLimit)
		part := stored[:n]
		stored = stored[n:]
		b := &builder{dialect: s.dialect}
		b.add("SELECT ", selectList, " FROM ", segment, " WHERE stored_ns IN ", b.list(padded(part)), " ORDER BY stored_ns")
		rows, err := c.query(ctx, b.sql.String(), b.args)
		if err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
		for rows.Next() {
			var r storage.Record
			if r.Derived, err = scanner.read(rows, &r.Event); err != nil {
				break
			}
			visit(r)
		}
		if end := rows.Close(); err == nil {
			err = end
		}
		if err == nil {
			err = rows.Err()
		}
		if err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
	}
	return nil
}

// padded repeats the last value up to the next power of two, so that lists of
// every length share a few prepared statements.
func padded(vs []int64) []any {
	n := 1
	for n < len(vs) {
		n *= 2
	}
	out := make([]any, n)
	for i := range out {
		out[i] = vs[min(i, len(vs)-1)]
	}
	return out
}
