package clickhouse

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Windows cover a span without a gap and without an overlap, whatever the table
// is believed to hold.
func TestWindowsTileTheSpan(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	edge := func() int64 {
		switch random.IntN(5) {
		case 0:
			return math.MinInt64
		case 1:
			return math.MaxInt64
		case 2:
			return random.Int64N(1000) - 500
		}
		return base + random.Int64N(1_000_000_000_000)
	}
	for range 20_000 {
		s := &store{now: time.Now}
		x := extent{until: time.Now().Add(time.Minute), months: months(random, edge)}
		s.extent.Store(&x)
		all := span{edge(), edge()}
		if random.IntN(4) == 0 {
			all = everything
		}
		descending, tooLong := random.IntN(2) == 0, random.IntN(2) == 0
		w, err := s.windowsOver(context.Background(), time.Second, all, descending)
		require.NoError(t, err)
		if all.lo > all.hi {
			_, ok := w.next()
			require.False(t, ok)
			continue
		}
		if !tooLong && random.IntN(2) == 0 {
			w.growth = 1 // as a scan does
		}
		rest, n := all, 0
		for ; n < 200_000; n++ {
			part, ok := w.next()
			if !ok {
				break
			}
			for tooLong && random.IntN(3) == 0 { // as a search does whose budget was spent
				narrow, ok := w.narrower()
				if !ok {
					break
				}
				require.Less(t, uint64(narrow.hi)-uint64(narrow.lo), uint64(part.hi)-uint64(part.lo))
				part = narrow
			}
			require.LessOrEqual(t, part.lo, part.hi)
			if descending {
				require.Equal(t, rest.hi, part.hi)
				rest.hi = part.lo - 1
			} else {
				require.Equal(t, rest.lo, part.lo)
				rest.lo = part.hi + 1
			}
		}
		if !tooLong {
			require.LessOrEqual(t, n, 210, "no more windows than there are times windowRows rows")
		}
		if descending {
			require.Equal(t, all.lo-1, rest.hi)
		} else {
			require.Equal(t, all.hi+1, rest.lo)
		}
	}
}

// months are up to three, newest first, of at most 200 windows together.
func months(random *rand.Rand, edge func() int64) []population {
	edges := make([]int64, 2*random.IntN(4))
	for i := range edges {
		edges[i] = edge()
	}
	slices.Sort(edges)
	var out []population
	for pair := range slices.Chunk(edges, 2) {
		out = append(out, population{span{pair[0], pair[1]}, random.Uint64N(66 * windowRows)})
	}
	slices.Reverse(out)
	return out
}

// An event with a date of its own makes no window longer.
func TestAWindowHasItsRowsWhateverElseThereIs(t *testing.T) {
	const day = 24 * int64(time.Hour)
	old := population{span{base - 9*365*day, base - 9*365*day}, 1}
	recent := population{span{base, base + 30*day}, 3000 * windowRows}
	sparse := population{span{base + 31*day, base + 60*day}, 100}
	s := &store{now: time.Now}
	s.extent.Store(&extent{until: time.Now().Add(time.Minute), months: []population{sparse, recent, old}})
	for _, c := range []struct {
		all        span
		descending bool
		from, to   int64
		width      int64
	}{
		{everything, false, base, base + 30*day, day / 100},
		{everything, true, base, base + 30*day, day / 100},
		{span{base + day, math.MaxInt64}, false, base + day, base + 2*day, day / 100},
		{span{math.MinInt64, base + day}, true, base, base + day, day / 100},
	} {
		w, err := s.windowsOver(context.Background(), time.Second, c.all, c.descending)
		require.NoError(t, err)
		first, ok := w.next()
		require.True(t, ok)
		lo, hi := max(first.lo, c.from), min(first.hi, c.to)
		require.InDelta(t, c.width, hi-lo, float64(c.width)/50, "%+v", c)
	}
}

// The first window of a page that begins beside an event of nine years ago.
func TestAnOldEventDoesNotWidenTheWindow(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	old := newEvent(0)
	old.ID[1]++
	old.Datetime = time.Unix(0, base).AddDate(-9, 0, 0).UnixNano()
	write(t, st, append(newEvents(0, 4*windowRows), old))
	for _, descending := range []bool{true, false} {
		w, err := st.windowsOver(context.Background(), time.Minute, everything, descending)
		require.NoError(t, err)
		first, ok := w.next()
		require.True(t, ok)
		b := &builder{}
		b.add("SELECT toInt64(count()) FROM activity_events WHERE 1").within(first)
		var n int64
		require.NoError(t, st.query(context.Background(), time.Minute, b, func(r driver.Rows) error { return r.Scan(&n) }))
		require.InDelta(t, windowRows, n, windowRows/10)
	}
	// It is asked every few seconds: no column may be read for it.
	b := &builder{}
	b.add(extentStatement, " SETTINGS force_optimize_projection = 1")
	require.NoError(t, st.query(context.Background(), time.Minute, b, func(driver.Rows) error { return nil }))
}

// A page whose first window spends its budget goes forward all the same.
func TestAWindowThatSpendsTheBudgetIsMadeNarrower(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t)
	p := behind(t, &cfg)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 400))
	all := scanned(t, st, activity.Query{Order: activity.NewestFirst})
	for _, offset := range []int{0, 30} {
		spent := fault{match: "FROM activity_events FINAL", code: "159"}
		p.plan(spent, spent)
		page, err := st.Page(ctx, allTenants, activity.Query{Limit: 100, Offset: offset, Budget: time.Minute})
		require.NoError(t, err)
		require.Len(t, page.Events, 100)
		for i := range page.Events {
			require.Equal(t, all[offset+i].ID, page.Events[i].ID)
		}
	}
	p.plan(fault{match: "FROM activity_events FINAL", code: "159"})
	n, err := st.Count(ctx, allTenants, activity.Query{Budget: time.Minute}, 1000)
	require.NoError(t, err)
	require.Equal(t, activity.Count{N: 400, Exact: true}, n)
}
