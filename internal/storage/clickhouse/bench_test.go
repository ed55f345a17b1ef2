package clickhouse

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

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
	return e
}

func newEvents(from, to int) []activity.Event {
	var out []activity.Event
	for i := from; i < to; i++ {
		out = append(out, newEvent(i))
	}
	return out
}

func write(tb testing.TB, st storage.Store, events []activity.Event) storage.WriteResult {
	tb.Helper()
	res, err := st.Write(context.Background(), events)
	require.NoError(tb, err)
	return res
}

// benchEvents makes client-shaped request events: UUIDv7 ids, one millisecond
// apart, 5,000 users and 20,000 addresses.
func benchEvents(from, n int) []activity.Event {
	out := make([]activity.Event, n)
	for i := range out {
		k := from + i
		e := newEvent(k)
		e.ID = activity.ID(uuid.Must(uuid.NewV7()))
		e.Datetime = base + int64(k)*int64(time.Millisecond)
		e.ReceivedAt = e.Datetime + 1
		e.UserID, e.RemoteIP = fmt.Sprintf("user-%d", k*7919%5000), fmt.Sprintf("10.%d.%d.%d", k%20, k*31%100, k*17%10)
		e.ObjectID = ""
		if k%5 == 0 {
			e.ObjectID = strconv.Itoa(k * 7919 % 100_000)
		}
		if k%50 == 1 {
			e.Type = "login_failed"
		}
		e.UserAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
		e.IntegrityHash, e.IntegritySalts, e.IntegrityCommitments = random(k, 32), random(k+1, 32), random(k+2, 64)
		e.SchemaVersion = 1
		e.ExtraData = `{"request_id":"` + e.ID.String() + `","tags":["a","b"]}`
		out[i] = e
	}
	return out
}

func random(seed, n int) []byte {
	out := make([]byte, n)
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x >> 24)
	}
	return out
}

func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWrite measures batches of the driver: events/s, and the CPU time of
// this process for an event.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			st := openTest(b, testConfig(b), Options{})
			batches := make([][]activity.Event, 5)
			for i := range batches {
				batches[i] = benchEvents(i*size, size)
			}
			var cpu time.Duration
			i := 0
			for b.Loop() {
				start := cpuTime(b)
				write(b, st, batches[i%len(batches)])
				cpu += cpuTime(b) - start
				i++
			}
			b.ReportMetric(float64(i*size)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(i*size), "cpu-ns/event")
		})
	}
}

// BenchmarkRead measures pages of 100, counts and a scan over a million rows.
func BenchmarkRead(b *testing.B) {
	const stored, chunk = 1_000_000, 10_000
	st := openTest(b, testConfig(b), Options{})
	for at := 0; at < stored; at += chunk {
		write(b, st, benchEvents(at, chunk))
	}
	equal := func(f activity.Field, v string) []activity.Filter {
		return []activity.Filter{{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{v}}}
	}
	deep := activity.Position{Datetime: base + stored/2*int64(time.Millisecond)}
	for _, c := range []struct {
		name string
		q    activity.Query
	}{
		{"first", activity.Query{}},
		{"deep", activity.Query{After: deep}},
		{"kind", activity.Query{Kinds: []activity.Kind{activity.KindRequest}, After: deep}},
		{"user", activity.Query{Filters: equal(activity.FieldUserID, "user-42")}},
		{"address", activity.Query{Filters: equal(activity.FieldRemoteIP, "10.3.93.1")}},
		{"object", activity.Query{Filters: equal(activity.FieldObjectID, "7910")}},
		{"slowest", activity.Query{Kinds: []activity.Kind{activity.KindRequest}, Order: activity.SlowestFirst}},
		{"text", activity.Query{Filters: equal(activity.FieldURL, "/orders/500000"), Budget: time.Second}},
	} {
		c.q.Limit = 100
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				_, err := st.Page(context.Background(), activity.Tenants(""), c.q)
				took = append(took, time.Since(start))
				require.NoError(b, err)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
	b.Run("count", func(b *testing.B) {
		for b.Loop() {
			n, err := st.Count(context.Background(), activity.Tenants(""), activity.Query{}, 2*stored)
			require.NoError(b, err)
			require.Equal(b, activity.Count{N: stored, Exact: true}, n)
		}
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, err := range st.Scan(context.Background(), activity.AllTenants(), activity.Query{Order: activity.OldestFirst}) {
				require.NoError(b, err)
				if n++; n == 100_000 {
					break
				}
			}
		}
	})
}
