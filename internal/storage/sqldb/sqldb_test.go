package sqldb

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var base = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC).UnixNano()

// newEvent makes the i-th of a series of events, one second apart.
func newEvent(i int) activity.Event {
	e := activity.Event{
		Kind: activity.Kinds()[i%5], Datetime: base + int64(i)*int64(time.Second), ReceivedAt: base + int64(i)*int64(time.Second) + 1,
		Service: "shop", UserID: fmt.Sprintf("user-%d", i%7), Username: fmt.Sprintf("Name %d", i%7), RemoteIP: fmt.Sprintf("10.0.0.%d", i%11),
		ObjectID: strconv.Itoa(i % 13), ContentType: "shop.order", URL: fmt.Sprintf("/orders/%d", i), Method: "GET", ResponseStatus: 200,
		Message: "hello", Action: "test",
	}
	e.ID[0] = byte(i * 37)
	binary.BigEndian.PutUint64(e.ID[8:], uint64(i)+1)
	if e.Kind == activity.KindRequest {
		e.ResponseTimeUS = activity.Some(int64(i*7919) % 100_000)
	}
	if e.Kind == activity.KindLogin {
		e.Type = "login_failed"
	}
	return e
}

func newEvents(from, to int) []activity.Event {
	var out []activity.Event
	for i := from; i < to; i++ {
		out = append(out, newEvent(i))
	}
	return out
}

func testConfig(dir string) Config {
	cfg := NewDefaultConfig()
	cfg.SQLite.Directory = dir
	cfg.SQLite.SegmentRows = minSegmentRows
	return cfg
}

func openTest(tb testing.TB, cfg Config, opts Options) *store {
	tb.Helper()
	st, err := Open(context.Background(), cfg, opts)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, st.Close()) })
	if !opts.ReadOnly {
		require.NoError(tb, st.Migrate(context.Background()))
	}
	return st.(*store)
}

// kept is what the one writer of a SQLite store knows.
func kept(st *store) *sqliteKeeper { return st.writer.keeper.(*sqliteKeeper) }

func write(tb testing.TB, st storage.Store, events []activity.Event) storage.WriteResult {
	tb.Helper()
	res, err := st.Write(context.Background(), events)
	require.NoError(tb, err)
	return res
}

func TestPagesReadTheSameOrderBothWays(t *testing.T) {
	st := openTest(t, testConfig(t.TempDir()), Options{})
	all := newEvents(0, 3500)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for len(all) > 0 {
		n := min(250, len(all))
		write(t, st, all[:n])
		all = all[n:]
	}
	for _, order := range []activity.Order{activity.NewestFirst, activity.OldestFirst, activity.SlowestFirst, activity.FastestFirst} {
		forward := walk(t, st, activity.Query{Order: order, Limit: 97})
		want := 3500
		if order.ByResponseTime() {
			want = 700
		}
		require.Len(t, forward, want, "order %d", order)
		last := forward[len(forward)-1]
		back := activity.Query{Order: order, Limit: want / 2, Backward: true, After: activity.PositionOf(order, &last)}
		back.Limit = min(back.Limit, activity.MaxLimit)
		page, err := st.Page(context.Background(), activity.AllTenants(), back)
		require.NoError(t, err)
		require.Equal(t, forward[want-1-back.Limit:want-1], page.Events)
	}
}

func walk(t *testing.T, st storage.Store, q activity.Query) []activity.Event {
	t.Helper()
	var out []activity.Event
	for {
		page, err := st.Page(context.Background(), activity.AllTenants(), q)
		require.NoError(t, err)
		out = append(out, page.Events...)
		if page.Next.IsZero() {
			return out
		}
		q.After = page.Next
	}
}
