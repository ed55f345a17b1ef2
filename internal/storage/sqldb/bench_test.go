package sqldb

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

const benchBatch = 1000

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
		if k%50 != 1 {
			e.Type = ""
		}
		e.UserAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
		e.IntegrityHash, e.IntegritySalts, e.IntegrityCommitments = make([]byte, 32), make([]byte, 32), make([]byte, 64)
		e.ExtraData = `{"request_id":"0b9f3a52-7c1d-4b7f-9b43-2f8f6c0e8f11","tags":["a","b"]}`
		out[i] = e
	}
	return out
}

// BenchmarkWrite measures the driver with 0 and with 1,000,000 rows stored.
func BenchmarkWrite(b *testing.B) {
	for _, stored := range []int{0, 1_000_000} {
		b.Run(fmt.Sprintf("stored=%d", stored), func(b *testing.B) {
			cfg := NewDefaultConfig()
			cfg.SQLite.Directory = b.TempDir()
			st := openTest(b, cfg, Options{})
			preload(b, st, stored)
			b.ResetTimer()
			for i := range b.N {
				write(b, st, benchEvents(stored+i*benchBatch, benchBatch))
			}
			report(b)
		})
	}
}

// BenchmarkBareLoop is what BenchmarkWrite is compared with: the same rows into
// one table with the same indexes through one prepared statement.
func BenchmarkBareLoop(b *testing.B) {
	ctx := context.Background()
	cfg := NewDefaultConfig()
	cfg.SQLite.Directory = b.TempDir()
	st := openTest(b, cfg, Options{})
	write(b, st, benchEvents(0, 1))
	require.NoError(b, st.Ping(ctx))
	s := st.writer.session
	stmt, err := s.conn.PrepareContext(ctx, insertSQL(st.dialect, kept(st).catalogue[0].name, fullShape))
	require.NoError(b, err)
	defer func() { require.NoError(b, stmt.Close()) }()
	stored := kept(st).lastStored
	b.ResetTimer()
	for i := range b.N {
		events := benchEvents(1+i*benchBatch, benchBatch)
		require.NoError(b, s.exec(ctx, "BEGIN IMMEDIATE"))
		for j := range events {
			stored++
			args := make([]any, 0, len(activity.Fields()))
			for _, a := range fullArgs(nil, &events[j], stored) {
				args = append(args, a.Value)
			}
			if _, err := stmt.ExecContext(ctx, args...); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, s.exec(ctx, "COMMIT"))
	}
	report(b)
}

func report(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "events/s")
}

func preload(b *testing.B, st storage.Store, n int) {
	b.Helper()
	const chunk = 10_000
	for at := 0; at < n; at += chunk {
		write(b, st, benchEvents(at, chunk))
	}
}

// BenchmarkPage measures pages of 100 at 1,000,000 rows and reports their 99th
// percentile; each answer is a benchmark of its own.
func BenchmarkPage(b *testing.B) {
	const stored = 1_000_000
	cfg := NewDefaultConfig()
	cfg.SQLite.Directory = b.TempDir()
	st := openTest(b, cfg, Options{})
	preload(b, st, stored)
	benchPages(b, st, base+stored/2*int64(time.Millisecond))
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, err := range st.Scan(context.Background(), activity.AllTenants(), activity.Query{Order: activity.OldestFirst}) {
				require.NoError(b, err)
				if n++; n == 100_000 {
					break
				}
			}
			require.Equal(b, 100_000, n)
		}
	})
}

// benchPages asks for pages of each index; middle is a datetime that half of the
// events are before.
func benchPages(b *testing.B, st storage.Store, middle int64) {
	b.Helper()
	equal := func(f activity.Field, v string) []activity.Filter {
		return []activity.Filter{{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{v}}}
	}
	deep := activity.Position{Datetime: middle}
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
		{"failed", activity.Query{Filters: equal(activity.FieldType, "login_failed")}},
		{"slowest", activity.Query{Kinds: []activity.Kind{activity.KindRequest}, Order: activity.SlowestFirst}},
		{"window", activity.Query{Filters: equal(activity.FieldURL, "/orders/500000"), Budget: time.Second}},
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
}
