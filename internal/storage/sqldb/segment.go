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

// segment is one table of events: every event with a datetime in [lo, hi), and
// no other. The idempotency key holds the datetime, so a key has one home for
// ever and uniqueness inside the segment is uniqueness in the store.
type segment struct {
	name        string
	lo, hi      int64
	events      int64
	maxDatetime int64
	firstStored int64
	lastStored  int64
}

// catalogue is the list of segments by time, oldest first. Their ranges do not
// overlap; there may be gaps.
type catalogue []segment

func (d *sqliteDialect) catalogue(ctx context.Context, c *session) (out catalogue, err error) {
	b := &builder{dialect: d}
	b.add("SELECT name, lo_ns, hi_ns, event_count, max_datetime_ns, first_stored_ns, last_stored_ns FROM segments ORDER BY lo_ns")
	err = c.query(ctx, b, func(row []driver.Value) error {
		var seg segment
		seg.name, _ = row[0].(string) // the table is STRICT
		for i, p := range []*int64{&seg.lo, &seg.hi, &seg.events, &seg.maxDatetime, &seg.firstStored, &seg.lastStored} {
			*p, _ = row[i+1].(int64)
		}
		out = append(out, seg)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the list of segments: %w", err)
	}
	return out, nil
}

// within is the condition that a row is of the segment.
func (s *segment) within(b *builder) string {
	switch {
	case s.lo == math.MinInt64 && s.hi == math.MaxInt64:
		return ""
	case s.hi == math.MaxInt64: // which has no end
		return b.dialect.during(b, s.lo, s.hi)
	}
	return b.dialect.during(b, s.lo, s.hi-1)
}

func (c catalogue) names() []string {
	out := make([]string, len(c))
	for i := range c {
		out[i] = c[i].name
	}
	return out
}

// has reports whether there is a segment of that name.
func (c catalogue) has(name string) bool {
	return slices.ContainsFunc(c, func(s segment) bool { return s.name == name })
}

// find gives the index of the segment that is home to the datetime, or of the
// first segment after it and false.
func (c catalogue) find(datetime int64) (int, bool) {
	i, _ := slices.BinarySearchFunc(c, datetime, func(s segment, dt int64) int {
		if s.hi <= dt {
			return -1
		}
		return 1
	})
	return i, i < len(c) && c[i].lo <= datetime
}

// rangeFor gives the range of the segment to make for a datetime without a
// home: its calendar month (UTC), as far as the neighbours leave it free.
func (c catalogue) rangeFor(datetime int64) (lo, hi int64) {
	lo, hi = monthOf(datetime)
	i, _ := c.find(datetime)
	if i > 0 {
		lo = max(lo, c[i-1].hi)
	}
	if i < len(c) {
		hi = min(hi, c[i].lo)
	}
	return lo, hi
}

// Months outside the range of int64 nanoseconds are cut to it.
func monthOf(datetime int64) (lo, hi int64) {
	t := time.Unix(0, datetime).UTC()
	first := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	lo, hi = first.UnixNano(), first.AddDate(0, 1, 0).UnixNano()
	if lo > datetime {
		lo = math.MinInt64
	}
	if hi <= datetime {
		hi = math.MaxInt64
	}
	return lo, hi
}

// overlapping gives the segments that may hold a datetime in [from, to]; 0 is
// open, as in activity.Query.
func (c catalogue) overlapping(from, to int64) catalogue {
	out := c
	if from != 0 {
		i, _ := out.find(from)
		out = out[i:]
	}
	if to != 0 {
		n := 0
		for n < len(out) && out[n].lo <= to {
			n++
		}
		out = out[:n]
	}
	return out
}

// segmentName is made of the month, for people, and the lower bound.
func segmentName(lo, datetime int64) string {
	return "activity_" + time.Unix(0, datetime).UTC().Format("200601") + "_" + strconv.FormatUint(uint64(lo), 36) //nolint:gosec // a name, any bijection will do
}
