package clickhouse

import (
	"context"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// overMonths makes one event in each of n months.
func overMonths(n int) []activity.Event {
	events := newEvents(0, n)
	for i := range events {
		events[i].Datetime = time.Date(2010, 1, 15, 0, 0, 0, 0, time.UTC).AddDate(0, i, 0).UnixNano()
	}
	return events
}

// The server refuses an insert over more than a hundred partitions.
func TestOneWriteOverManyMonths(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	events := overMonths(130)
	for i, dt := range []int64{0, -1, math.MinInt64, math.MaxInt64} {
		e := newEvent(200 + i)
		e.Datetime = dt
		events = append(events, e)
	}
	require.Equal(t, len(events), write(t, st, events).Written)
	require.Len(t, scanned(t, st, activity.Query{}), len(events))
	require.EqualValues(t, 134, number(t, st, "SELECT toInt64(uniqExact(_partition_id)) FROM activity_events"))
	require.EqualValues(t, 0, number(t, st, "SELECT toInt64(countIf(datetime_ns != toUnixTimestamp64Nano(datetime))) FROM activity_events"))
}

func TestMonthsAreInsertedAFewAtATime(t *testing.T) {
	cfg := testConfig(t)
	p := behind(t, &cfg)
	p.delay = 300 * time.Millisecond
	st := openTest(t, cfg, Options{})
	events := overMonths(24)
	res := write(t, st, events)
	require.Equal(t, len(events), res.Written)
	require.Equal(t, 8, p.mostAtOnce())
	stored := scanned(t, st, activity.Query{Order: activity.OldestFirst})
	require.Len(t, stored, len(events))
	for i := 1; i < len(stored); i++ {
		require.Greater(t, stored[i].StoredNS, stored[i-1].StoredNS, "oldest first")
	}
	require.Equal(t, stored[len(stored)-1].StoredNS, res.LastStoredNS)
}

// A batch over many months keeps nobody waiting for longer than another, and none
// of its inserts is allowed to run on after it.
func TestABatchOverManyMonthsEndsWithinTheWriteTimeout(t *testing.T) {
	cfg := testConfig(t)
	openTest(t, cfg, Options{})
	cfg.WriteTimeout = 2 * time.Second
	p := behind(t, &cfg)
	p.delay = 500 * time.Millisecond
	st := openTest(t, cfg, Options{})
	began := time.Now()
	_, err := st.Write(context.Background(), overMonths(120)) // 15 times half a second
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.Less(t, time.Since(began), 2*cfg.WriteTimeout)
	shortest := cfg.WriteTimeout
	for _, r := range p.seen("INSERT INTO activity_events") {
		limit, err := strconv.ParseFloat(r.settings.Get("max_execution_time"), 64)
		require.NoError(t, err)
		shortest = min(shortest, time.Duration(limit*float64(time.Second)))
	}
	require.Less(t, shortest, cfg.WriteTimeout-p.delay/2)
	require.Equal(t, 3, write(t, st, newEvents(0, 3)).Written)
}

func TestOneRefusedEventOfAMonthIsNotLookedFor(t *testing.T) {
	cfg := testConfig(t)
	st := openTest(t, cfg, Options{})
	run(t, st, "ALTER TABLE activity_events ADD CONSTRAINT no_poison CHECK message != 'poison'")
	events := overMonths(5)
	events[3].Message = "poison"
	res := write(t, st, events)
	require.Equal(t, 4, res.Written)
	require.Len(t, res.Refused, 1)
	require.Equal(t, 3, res.Refused[0].Index)
	require.ErrorIs(t, res.Refused[0].Err, storage.ErrContent)
	require.EqualValues(t, 4, number(t, st, "SELECT toInt64(count()) FROM activity_events"), "none was sent again")
}

// Whatever a proxy before the server takes, only an event that is too large alone
// is refused.
func TestABodyThatAProxyRefusesIsHalved(t *testing.T) {
	cfg := testConfig(t)
	cfg.Compression = "none"
	p := behind(t, &cfg)
	p.maxBytes = 20_000
	st := openTest(t, cfg, Options{})
	events := newEvents(0, 200)
	events[77].Message = strings.Repeat("x", p.maxBytes)
	res := write(t, st, events)
	require.Equal(t, 199, res.Written)
	require.Len(t, res.Refused, 1)
	require.Equal(t, 77, res.Refused[0].Index)
	require.ErrorContains(t, res.Refused[0].Err, "413")
	require.Len(t, scanned(t, st, activity.Query{}), 199)
}

func TestAsyncInsertWaits(t *testing.T) {
	cfg := testConfig(t)
	cfg.AsyncInsert = true
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 7))
	require.EqualValues(t, 7, number(t, st, "SELECT toInt64(count()) FROM activity_events"))
	for _, async := range []bool{true, false} {
		require.Equal(t, 1, st.insertSettings(time.Second, async)["wait_for_async_insert"])
	}
}

// A flush fails as a whole, so a row of another collector can have one refused.
func TestAnEventIsRefusedForItselfAlone(t *testing.T) {
	cfg := testConfig(t)
	cfg.AsyncInsert = true
	p := behind(t, &cfg)
	st := openTest(t, cfg, Options{})
	p.plan(fault{match: "INSERT INTO activity_events", code: "469"})
	res := write(t, st, newEvents(0, 1))
	require.Equal(t, 1, res.Written)
	require.Empty(t, res.Refused)
	var async []string
	for _, r := range p.seen("INSERT INTO activity_events") {
		async = append(async, r.settings.Get("async_insert"))
	}
	require.Equal(t, []string{"1", "0"}, async)

	run(t, st, "ALTER TABLE activity_events ADD CONSTRAINT no_poison CHECK message != 'poison'")
	poison := newEvents(1, 2)
	poison[0].Message = "poison"
	require.Len(t, write(t, st, poison).Refused, 1)
}

func TestSmallInsertsAreKeptApart(t *testing.T) {
	cfg := testConfig(t)
	cfg.SmallInsertInterval = 200 * time.Millisecond
	st := openTest(t, cfg, Options{})
	done := make(chan error)
	const writers = 20
	for i := range writers {
		go func() {
			_, err := st.Write(context.Background(), newEvents(i, i+1))
			done <- err
		}()
	}
	for range writers {
		require.NoError(t, <-done)
	}
	parts := number(t, st, "SELECT toInt64(uniqExact(_part)) FROM activity_events")
	require.LessOrEqual(t, parts, int64(3), "the first goes at once, the others together")
}
