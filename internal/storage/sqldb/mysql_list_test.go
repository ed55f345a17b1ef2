package sqldb

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func TestMySQLRangesCoverTheWholeOfTime(t *testing.T) {
	const first, last = int64(math.MinInt64), int64(math.MaxInt64)
	unknown := func(name string, lo, hi int64) segment {
		return segment{name: name, lo: lo, hi: hi, firstStored: 1, lastStored: last}
	}
	a, b, c := segment{name: "a", lo: first, hi: 10, lastStored: 5}, segment{name: "b", lo: 10, hi: 20}, segment{name: "c", lo: 20, hi: last}
	for _, tc := range []struct {
		name         string
		listed, want catalogue
	}{
		{"as it should be", catalogue{a, b, c}, catalogue{a, b, c}},
		{"nothing", nil, catalogue{unknown("*-9223372036854775808", first, last)}},
		{"none between", catalogue{a, c}, catalogue{a, unknown("*10", 10, 20), c}},
		{"no first and no last", catalogue{b}, catalogue{unknown("*-9223372036854775808", first, 10), b, unknown("*20", 20, last)}},
		{"one too short", catalogue{a, {name: "b", lo: 10, hi: 12}, c}, catalogue{a, {name: "b", lo: 10, hi: 12}, unknown("*12", 12, 20), c}},
		{"one too long", catalogue{a, {name: "b", lo: 10, hi: 25}, c}, catalogue{a, {name: "b", lo: 10, hi: 25}, {name: "c", lo: 25, hi: last}}},
		{"one inside another", catalogue{{name: "a", lo: first, hi: 20}, b, c}, catalogue{{name: "a", lo: first, hi: 20}, c}},
		{"one that ends before it begins", catalogue{a, {name: "b", lo: 10, hi: 3}, c}, catalogue{a, unknown("*10", 10, 20), c}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, adjoined(tc.listed))
		})
	}
}

// Who may write the list of partitions cannot hide events by it.
func TestMySQLNothingIsHiddenByTheListOfPartitions(t *testing.T) {
	ctx := context.Background()
	for name, statements := range map[string][]string{
		"emptied":       {"DELETE FROM segments"},
		"without a row": {"DELETE FROM segments WHERE last_stored_ns > 0"},
		"cut short":     {"UPDATE segments SET hi_ns = lo_ns + 1 WHERE last_stored_ns > 0"},
		"begun late":    {"UPDATE segments SET lo_ns = hi_ns - 1 WHERE last_stored_ns > 0"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := mysqlConfig(t)(t)
			st := openTest(t, cfg, Options{})
			write(t, st, newEvents(0, 50))
			mysqlExecute(t, cfg, statements...)
			for _, order := range []activity.Order{activity.OldestFirst, activity.NewestFirst} {
				require.Len(t, walk(t, st, activity.Query{Order: order, Limit: 7}), 50)
			}
			count, err := st.Count(ctx, activity.AllTenants(), activity.Query{}, 1000)
			require.NoError(t, err)
			require.EqualValues(t, 50, count.N)
			scanned := 0
			for _, err := range st.Scan(ctx, activity.AllTenants(), activity.Query{}) {
				require.NoError(t, err)
				scanned++
			}
			require.Equal(t, 50, scanned)
			feed, err := st.Feed(ctx, activity.AllTenants(), activity.FeedPosition{}, 100)
			require.NoError(t, err)
			require.Len(t, feed, 50)
			write(t, st, newEvents(50, 60))
			again := openTest(t, cfg, Options{})
			require.Equal(t, 1, write(t, again, newEvents(60, 61)).Written)
			mysqlRanges(t, cfg) // it is mended
			feed, err = again.Feed(ctx, activity.AllTenants(), activity.FeedPosition{}, 100)
			require.NoError(t, err)
			require.Len(t, feed, 61)
		})
	}
}
