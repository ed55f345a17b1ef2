package clickhouse

import (
	"context"
	"math"
	"sync"
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
	mu       sync.Mutex
	at       time.Time
	min, max int64
	rows     uint64
}

const extentAge = 5 * time.Second

func (s *store) extentOf(ctx context.Context) (lo, hi int64, rows uint64, err error) {
	x := &s.extent
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.at.IsZero() && time.Since(x.at) < extentAge {
		return x.min, x.max, x.rows, nil
	}
	b := &builder{}
	b.add("SELECT min(datetime_ns), max(datetime_ns), count() FROM activity_events")
	err = s.query(ctx, s.config.ReadTimeout, b, func(r driver.Rows) error { return r.Scan(&x.min, &x.max, &x.rows) })
	if err == nil {
		x.at = time.Now()
	}
	return x.min, x.max, x.rows, err
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

// windowsOver begins at the newest end when descending.
func (s *store) windowsOver(ctx context.Context, all span, descending bool) (*windows, error) {
	lo, hi, n, err := s.extentOf(ctx)
	if err != nil {
		return nil, err
	}
	w := &windows{rest: all, min: lo, max: hi, descending: descending, done: all.lo > all.hi, width: math.MaxInt64, growth: growth}
	if n > windowRows {
		length := (float64(hi) - float64(lo)) * windowRows / float64(n)
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
