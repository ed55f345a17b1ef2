package sqldb

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// threeSegments holds the events 0 to 2499, one second apart, in segments of
// 1000, 1000 and 500.
func threeSegments(t *testing.T, cfg Config) *store {
	t.Helper()
	st := openTest(t, cfg, Options{})
	for i := 0; i < 2500; i += 500 {
		write(t, st, newEvents(i, i+500))
	}
	require.Len(t, kept(st).catalogue, 3)
	return st
}

func TestWholeSegmentsAreDroppedWhateverTheLimit(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t.TempDir())
	st := threeSegments(t, cfg)
	r := storage.Retention{Before: base + 2005*int64(time.Second), Limit: 3}

	beside := openTest(t, cfg, Options{ReadOnly: true})
	dry := r
	dry.DryRun, dry.Limit = true, storage.MaxDeleteBatch
	res, err := beside.DeleteBefore(ctx, activity.AllTenants(), dry)
	require.NoError(t, err)
	require.EqualValues(t, 2005, res.Deleted)
	_, err = beside.DeleteBefore(ctx, activity.AllTenants(), r)
	require.ErrorIs(t, err, storage.ErrReadOnly)

	res, err = st.DeleteBefore(ctx, activity.Tenants(""), r)
	require.NoError(t, err)
	require.EqualValues(t, 3, res.Deleted, "other tenants may have events in the segment")
	var steps []int64
	for r.After, res.More = (activity.Position{}), true; res.More; r.After = res.Next {
		res, err = st.DeleteBefore(ctx, activity.AllTenants(), r)
		require.NoError(t, err)
		steps = append(steps, res.Deleted)
	}
	require.Equal(t, []int64{997, 1000, 3, 2}, steps)
	require.Len(t, kept(st).catalogue, 1)
	count, err := st.Count(ctx, activity.AllTenants(), activity.Query{}, 1000)
	require.NoError(t, err)
	require.EqualValues(t, 495, count.N)
	write(t, st, newEvents(0, 1)) // the range is made again
	require.Len(t, kept(st).catalogue, 2)
}

func TestSpaceOfDroppedSegmentsIsGivenBack(t *testing.T) {
	ctx := context.Background()
	st := threeSegments(t, testConfig(t.TempDir()))
	pages := func() (n int) {
		t.Helper()
		require.NoError(t, st.writer.session.conn.QueryRowContext(ctx, "PRAGMA page_count").Scan(&n))
		return n
	}
	before := pages()
	res, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: base + 1000*int64(time.Second), Limit: 1})
	require.NoError(t, err)
	require.EqualValues(t, 1000, res.Deleted)
	require.Less(t, pages(), before*2/3)
}

func TestScanGoesOnWhileRetentionDropsWhatItReads(t *testing.T) {
	ctx := context.Background()
	for _, order := range []activity.Order{activity.NewestFirst, activity.OldestFirst} {
		st := openTest(t, testConfig(t.TempDir()), Options{})
		for i := 0; i < 12_000; i += 1000 {
			write(t, st, newEvents(i, i+1000))
		}
		seen := map[activity.ID]bool{}
		for r, err := range st.Scan(ctx, activity.AllTenants(), activity.Query{Order: order}) {
			require.NoError(t, err)
			require.False(t, seen[r.ID], "no event twice")
			if seen[r.ID] = true; len(seen) != 100 {
				continue
			}
			for more := true; more; {
				res, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: base + 8000*int64(time.Second), Limit: 100})
				require.NoError(t, err)
				more = res.More
			}
		}
		require.GreaterOrEqual(t, len(seen), 4000)
		require.Less(t, len(seen), 12_000, "a scan does not read far ahead")
	}
}

func TestScanEndsWithItsCaller(t *testing.T) {
	st := threeSegments(t, testConfig(t.TempDir()))
	for r, err := range st.Scan(context.Background(), activity.AllTenants(), activity.Query{}) {
		require.NoError(t, err)
		require.NotZero(t, r.StoredNS)
		break // what was read ahead is given up: goleak looks
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	var last error
	for _, err := range st.Scan(ctx, activity.AllTenants(), activity.Query{}) {
		if last = err; err == nil {
			n++
		}
		if n == 10 {
			cancel()
		}
	}
	require.ErrorIs(t, last, context.Canceled, "a scan cut short says so")
}

func TestPortionsAreRunsOfRowIDs(t *testing.T) {
	var hits []hit
	add := func(segment string, from, n int64) {
		for i := range n {
			hits = append(hits, hit{segment: segment, head: head{stored: from + i}})
		}
	}
	add("a", 10, 3)
	add("a", 20, longRun)
	add("a", 100, longRun-1)
	add("b", 100+longRun-1, longRun)
	add("b", 500, 1)
	order := make([]int, len(hits))
	for i := range order {
		order[i] = i
	}
	type part struct {
		n   int
		run bool
	}
	var got []part
	for len(order) > 0 {
		n, run := portion(hits, order)
		got = append(got, part{n, run})
		order = order[n:]
	}
	require.Equal(t, []part{{3, false}, {longRun, true}, {longRun - 1, false}, {longRun, true}, {1, false}}, got)
}

func TestListsOfRowIDsAreBounded(t *testing.T) {
	for name, gap := range map[string]int64{"every second": 2, "pairs": 3, "short runs": longRun} {
		var hits []hit
		var order []int
		for i := range int64(1000) {
			hits = append(hits, hit{segment: "a", head: head{stored: i + i/(gap-1)}})
			order = append(order, int(i))
		}
		for len(order) > 0 {
			n, run := portion(hits, order)
			require.False(t, run, name)
			require.LessOrEqual(t, n, maxList, name)
			order = order[n:]
		}
	}
	var hits []hit
	order := make([]int, 3*maxList)
	for i := range order {
		order[i] = i
		hits = append(hits, hit{segment: "a", head: head{stored: int64(i)}})
	}
	n, run := portion(hits, order)
	require.True(t, run)
	require.Equal(t, 3*maxList, n, "a run is one range, however long")
}
