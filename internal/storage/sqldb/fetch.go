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
	return c.fetchInto(ctx, d, hits, make([]storage.Record, len(hits)))
}

// fetchInto is fetch with the memory for as many records as there are hits.
func (c *session) fetchInto(ctx context.Context, d dialect, hits []hit, out []storage.Record) ([]storage.Record, error) {
	clear(out)
	order := make([]int, len(hits))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(hits[a].segment, hits[b].segment), cmp.Compare(hits[a].stored, hits[b].stored))
	})
	for len(order) > 0 {
		n, run := portion(hits, order)
		if err := c.fetchRows(ctx, d, hits, order[:n], run, out); err != nil {
			return nil, fmt.Errorf("read rows: %w", err)
		}
		order = order[n:]
	}
	return out, nil
}

// longRun is from how many row ids in a row one range is read instead of each
// of them. The events of a commit have consecutive row ids.
const longRun = 32

// maxList bounds the row ids of one statement: each costs the prepared statement
// some 300 bytes, which are kept for every segment and session.
const maxList = 128

// portion gives how many of the hits, by ascending row id, one query reads:
// those of a run of row ids without a gap, or those up to the next run.
func portion(hits []hit, order []int) (n int, run bool) {
	start := 0 // of the run that n is in
	for n = 1; n < min(len(order), activity.MaxLimit); n++ {
		last, next := &hits[order[n-1]], &hits[order[n]]
		same := next.segment == last.segment
		if same && next.stored == last.stored+1 {
			if start > 0 && (n-start+1 >= longRun || n >= maxList) {
				return start, false
			}
			continue
		}
		if start == 0 && n >= longRun {
			return n, true
		}
		if !same || n >= maxList {
			return n, false
		}
		start = n
	}
	return n, start == 0 && n >= longRun
}

// fetchRows reads the rows of some hits of one segment, which order gives by
// ascending row id; in a run they follow each other without a gap.
func (c *session) fetchRows(ctx context.Context, d dialect, hits []hit, order []int, run bool, out []storage.Record) error {
	b := &builder{dialect: d}
	b.add("SELECT ", selectList, " FROM ", d.source(hits[order[0]].segment, ""), " WHERE stored_ns ")
	if run {
		b.add("BETWEEN ", b.arg(hits[order[0]].stored), " AND ", b.arg(hits[order[len(order)-1]].stored))
	} else {
		stored := make([]int64, len(order))
		for i, at := range order {
			stored[i] = hits[at].stored
		}
		b.add("IN ", b.list(padded(stored)))
	}
	lo, hi := times(hits, order)
	b.add(d.during(b, lo, hi), " ORDER BY stored_ns")
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

// times gives the first and the last datetime of the hits that order names.
func times(hits []hit, order []int) (lo, hi int64) {
	lo, hi = hits[order[0]].datetime, hits[order[0]].datetime
	for _, at := range order[1:] {
		lo, hi = min(lo, hits[at].datetime), max(hi, hits[at].datetime)
	}
	return lo, hi
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
