package clickhouse

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// A search over time reads one window after the other, away from where it
// starts: the table is sorted by tenant and kind before the time, so a query
// without a window sorts everything to find the newest hundred. A window is made
// for windowRows rows, and the next for growth times as many: more with
// conditions, of which nobody knows how many rows they leave.
const (
	windowRows     = 16_384
	growth         = 4
	filteredGrowth = 16
)

// extent is what is known of the table: how many rows there are in each month. It
// is only used to choose windows: when it is old, they are too short or too long,
// and the answer is the same.
type extent struct {
	until  time.Time
	months []population // newest first
}

// population is how many rows there are between two times.
type population struct {
	span
	rows uint64
}

const extentAge = 5 * time.Second

// extentShare bounds what the question for the extent costs, as a part of the
// time: what took long to learn is used for longer.
const extentShare = 50

// extentStatement is answered by what the server keeps of each part, unless rows
// of a part are marked as deleted: then it reads the times. Of a table over more
// months the oldest are taken for one.
const extentStatement = "SELECT min(datetime_ns), max(datetime_ns) AS last, count() FROM activity_events GROUP BY _partition_id ORDER BY last DESC LIMIT 1000"

// extentOf asks the server when what is known is old. Nobody waits for another's
// question: it costs milliseconds, and each caller has its own time for it.
func (s *store) extentOf(ctx context.Context, limit time.Duration) (extent, error) {
	if x := s.extent.Load(); x != nil && time.Now().Before(x.until) {
		return *x, nil
	}
	var x extent
	began := time.Now()
	b := &builder{}
	b.add(extentStatement)
	err := s.query(ctx, limit, b, func(r driver.Rows) error {
		var m population
		err := r.Scan(&m.lo, &m.hi, &m.rows)
		x.months = append(x.months, m)
		return err
	})
	if err != nil {
		return x, err
	}
	x.until = time.Now().Add(max(extentAge, extentShare*time.Since(began)))
	s.extent.Store(&x)
	return x, nil
}

// span is a range of time in Unix nanoseconds, both ends inclusive.
type span struct{ lo, hi int64 }

var everything = span{math.MinInt64, math.MaxInt64}

// mirrored turns a span around; of every int64 there is a ^ (not a -).
func (s span) mirrored() span { return span{^s.hi, ^s.lo} }

// spanOf is the range of time of a query.
func spanOf(q *activity.Query) span {
	s := everything
	if q.From != 0 {
		s.lo = q.From
	}
	if q.To != 0 {
		s.hi = q.To
	}
	return s
}

// windows cuts a span from one end into windows. Descending, it works on the
// mirrored times, so that the search always goes up.
type windows struct {
	rest       span
	last       span         // the window given
	months     []population // in the direction of the search
	rows       float64      // of the next window
	growth     float64
	descending bool
	done       bool
}

// windowsOver begins at the newest end when descending. limit bounds its question
// for the extent.
func (s *store) windowsOver(ctx context.Context, limit time.Duration, all span, descending bool) (*windows, error) {
	x, err := s.extentOf(ctx, limit)
	if err != nil {
		return nil, err
	}
	w := &windows{rest: all, months: slices.Clone(x.months), rows: windowRows, growth: growth, descending: descending, done: all.lo > all.hi}
	if !descending {
		slices.Reverse(w.months)
		return w, nil
	}
	w.rest = all.mirrored()
	for i := range w.months {
		w.months[i].span = w.months[i].mirrored()
	}
	return w, nil
}

// next gives a window; ok is false when there is none left.
func (w *windows) next() (s span, ok bool) {
	if w.done {
		return s, false
	}
	end := w.reach()
	w.rows *= w.growth
	return w.give(span{w.rest.lo, min(end, w.rest.hi)}), true
}

// reach is where the next window has its rows, if those of a month lie evenly:
// an event that is dated years away makes no other month's windows longer.
func (w *windows) reach() int64 {
	rows := w.rows
	for i := range w.months {
		m := &w.months[i]
		if m.hi < w.rest.lo {
			continue
		}
		lo := max(m.lo, w.rest.lo)
		step := (float64(m.hi) - float64(m.lo) + 1) / float64(m.rows) // from a row to the next
		here := (float64(m.hi) - float64(lo) + 1) / step
		if rows < here {
			return max(lo, lo+int64(min(rows*step, 1<<62)))
		}
		rows -= here
	}
	return math.MaxInt64
}

func (w *windows) give(s span) span {
	w.last = s
	if w.done = s.hi == w.rest.hi; !w.done {
		w.rest.lo = s.hi + 1
	}
	if w.descending {
		return s.mirrored()
	}
	return s
}

// narrower takes the last window back and gives the first quarter of it; ok is
// false when nothing is known to lie in it that could be parted.
func (w *windows) narrower() (s span, ok bool) {
	if len(w.months) == 0 {
		return s, false
	}
	lo, hi := max(w.last.lo, w.months[0].lo), min(w.last.hi, w.months[len(w.months)-1].hi)
	if lo >= hi {
		return s, false
	}
	w.rows /= 4
	quarter := (uint64(hi) - uint64(lo)) / 4                  //nolint:gosec // the difference is right whatever the signs
	return w.give(span{w.last.lo, lo + int64(quarter)}), true //nolint:gosec // a quarter of what an int64 holds
}
