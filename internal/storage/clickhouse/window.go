package clickhouse

import (
	"context"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// A search over time reads one window after the other, away from where it
// starts: the table is sorted by tenant and kind before the time, so a query
// without a window sorts everything to find the newest hundred. A window is made
// for windowRows rows, and the next is growth times as long: more with conditions,
// of which nobody knows how many rows they leave.
const (
	windowRows     = 16_384
	growth         = 4
	filteredGrowth = 16
)

// extent is what is known of the table's size. It is only used to choose windows:
// when it is old, they are too short or too long, and the answer is the same.
type extent struct {
	at       time.Time
	min, max int64
	rows     uint64
}

const extentAge = 5 * time.Second

// extentOf asks the server when what is known is old. Nobody waits for another's
// question: it costs milliseconds, and each caller has its own time for it.
func (s *store) extentOf(ctx context.Context, limit time.Duration) (extent, error) {
	if x := s.extent.Load(); x != nil && time.Since(x.at) < extentAge {
		return *x, nil
	}
	var x extent
	b := &builder{}
	b.add("SELECT min(datetime_ns), max(datetime_ns), count() FROM activity_events")
	if err := s.query(ctx, limit, b, func(r driver.Rows) error { return r.Scan(&x.min, &x.max, &x.rows) }); err != nil {
		return x, err
	}
	x.at = time.Now()
	s.extent.Store(&x)
	return x, nil
}

// span is a range of time in Unix nanoseconds, both ends inclusive.
type span struct{ lo, hi int64 }

var everything = span{math.MinInt64, math.MaxInt64}

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

// windows cuts a span from one end into windows.
type windows struct {
	rest       span
	width      int64
	growth     int64
	min, max   int64 // of the table
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
	w := &windows{rest: all, min: x.min, max: x.max, descending: descending, done: all.lo > all.hi, width: math.MaxInt64, growth: growth}
	if x.rows > windowRows {
		length := (float64(x.max) - float64(x.min)) * windowRows / float64(x.rows)
		w.width = int64(min(max(length, 1), 1<<62))
	}
	return w, nil
}

// next gives a window; ok is false when there is none left.
func (w *windows) next() (s span, ok bool) {
	if w.done {
		return s, false
	}
	s = w.rest
	if w.descending {
		from := min(w.rest.hi, w.max) // nothing is above, or it is in this window too
		if edge := from - w.width; edge < from && edge > max(w.min, w.rest.lo) {
			s.lo = edge
			w.rest.hi = edge - 1
		} else {
			w.done = true
		}
	} else {
		from := max(w.rest.lo, w.min)
		if edge := from + w.width; edge > from && edge < min(w.max, w.rest.hi) {
			s.hi = edge
			w.rest.lo = edge + 1
		} else {
			w.done = true
		}
	}
	if w.width > math.MaxInt64/w.growth {
		w.width = math.MaxInt64
	} else {
		w.width *= w.growth
	}
	return s, true
}

// narrow keeps the next window as short as the one before, for a search that
// wants everything.
func (w *windows) narrow() {
	if !w.done && w.width != math.MaxInt64 {
		w.width /= w.growth
	}
}
