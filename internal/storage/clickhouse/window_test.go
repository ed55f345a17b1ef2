package clickhouse

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
		x := extent{at: time.Now(), min: edge(), max: edge(), rows: random.Uint64N(1_000_000_000)}
		if x.min > x.max {
			x.min, x.max = x.max, x.min
		}
		s.extent.Store(&x)
		all := span{edge(), edge()}
		if random.IntN(4) == 0 {
			all = everything
		}
		descending, grows := random.IntN(2) == 0, random.IntN(2) == 0
		w, err := s.windowsOver(context.Background(), time.Second, all, descending)
		require.NoError(t, err)
		if all.lo > all.hi {
			_, ok := w.next()
			require.False(t, ok)
			continue
		}
		rest, n := all, 0
		for ; n < 200_000; n++ {
			part, ok := w.next()
			if !ok {
				break
			}
			require.LessOrEqual(t, part.lo, part.hi)
			if descending {
				require.Equal(t, rest.hi, part.hi)
				rest.hi = part.lo - 1
			} else {
				require.Equal(t, rest.lo, part.lo)
				rest.lo = part.hi + 1
			}
			if !grows && n < 100 { // as a scan does, long enough
				w.narrow()
			}
		}
		require.Less(t, n, 200, "the windows grow")
		if descending {
			require.Equal(t, all.lo-1, rest.hi)
		} else {
			require.Equal(t, all.hi+1, rest.lo)
		}
	}
}
