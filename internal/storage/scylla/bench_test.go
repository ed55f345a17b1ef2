package scylla

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

const benchBatch = 1000

// benchEvents makes client-shaped events: UUIDv7 ids, one millisecond apart,
// 5,000 users and 20,000 addresses.
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
		e.UserAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
		e.ExtraData = `{"request_id":"0b9f3a52-7c1d-4b7f-9b43-2f8f6c0e8f11","tags":["a","b"]}`
		out[i] = e
	}
	return out
}

// BenchmarkWrite measures the driver beside two bare loops over the driver of
// the database, in turns, batch by batch, so that what else the server does hits
// all alike. Each has a keyspace of its own:
//
//   - bare: the same statements in the same requests, with the cells encoded
//     beforehand, sent by as many workers at the same consistency, without
//     waiting between the steps
//   - rows: the same, each statement by itself
func BenchmarkWrite(b *testing.B) {
	ours := openTest(b, freshKeyspace(b, "activitylog_bench"), Options{})
	bare := openTest(b, freshKeyspace(b, "activitylog_bare"), Options{})
	rows := openTest(b, freshKeyspace(b, "activitylog_rows"), Options{})
	var took [3]time.Duration
	for i := range b.N {
		events := benchEvents(i*benchBatch, benchBatch)
		same, single := bareWork(b, bare, events), bareWork(b, rows, events)
		single = &work{requests: eachAlone(single)}
		runs := []func() error{
			func() error { _, err := ours.Write(context.Background(), events); return err },
			func() error { return bare.run(context.Background(), same) },
			func() error { return rows.run(context.Background(), single) },
		}
		for j := range runs {
			k := (i + j) % len(runs)
			start := time.Now()
			require.NoError(b, runs[k]())
			took[k] += time.Since(start)
		}
	}
	for k, unit := range []string{"events/s", "bare/s", "rows/s"} {
		b.ReportMetric(float64(b.N*benchBatch)/took[k].Seconds(), unit)
	}
	b.ReportMetric(100*took[1].Seconds()/took[0].Seconds(), "%-of-bare")
	b.ReportMetric(100*took[2].Seconds()/took[0].Seconds(), "%-of-rows")
}

func eachAlone(w *work) (out []request) {
	for _, r := range w.requests {
		for i := range r.statements {
			out = append(out, request{statements: r.statements[i : i+1]})
		}
	}
	return out
}

// encoded is a cell whose bytes are there.
type encoded []byte

func (e encoded) MarshalCQL(gocql.TypeInfo) ([]byte, error) { return e, nil }

// bareWork is what a commit of the events sends, cells encoded.
func bareWork(b *testing.B, st *store, events []activity.Event) *work {
	b.Helper()
	var w work
	var buckets []bucket
	for i := range events {
		buckets = append(buckets, st.addLookups(&w, &events[i])...)
		buckets = append(buckets, st.addRow(&w, newAcceptance(&events[i], int64(i), 1)))
	}
	for _, m := range st.known.missing(buckets) {
		w.add(bucket{tenant: m.tenant, source: m.source, value: m.value}, 0, st.cql.insertBucket, m.tenant, m.source, []byte(m.value), m.hour, m.shard, int64(1))
	}
	st.known.add(buckets, time.Now())
	types := cellTypes(b, st)
	for _, r := range w.requests {
		for _, s := range r.statements {
			for i, arg := range s.Args {
				if c, ok := arg.(cell); ok {
					raw, err := c.MarshalCQL(types[c.group])
					require.NoError(b, err)
					s.Args[i] = encoded(raw)
				}
			}
		}
	}
	return &w
}

func cellTypes(b *testing.B, st *store) map[activity.Group]gocql.TypeInfo {
	b.Helper()
	columns := st.session.Query(st.named("SELECT facts, person, content FROM {keyspace}.events LIMIT 1")).Iter().Columns()
	require.Len(b, columns, 3)
	return map[activity.Group]gocql.TypeInfo{
		activity.GroupEvent: columns[0].TypeInfo, activity.GroupPersonal: columns[1].TypeInfo, activity.GroupContent: columns[2].TypeInfo,
	}
}

// BenchmarkPage measures pages of 100 at 100,000 events and reports their 99th
// percentile.
func BenchmarkPage(b *testing.B) {
	const stored = 100_000
	st := openTest(b, freshKeyspace(b, "activitylog_pages"), Options{})
	for at := 0; at < stored; at += 5000 {
		events := benchEvents(at, 5000)
		for i := range events { // over 28 hours
			events[i].Datetime = base + int64(at+i)*int64(time.Second)
		}
		_, err := st.Write(context.Background(), events)
		require.NoError(b, err)
	}
	equal := func(f activity.Field, v string) []activity.Filter {
		return []activity.Filter{{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{v}}}
	}
	deep := activity.Position{Datetime: base + stored/2*int64(time.Second)}
	for _, c := range []struct {
		name string
		q    activity.Query
	}{
		{"first", activity.Query{}},
		{"deep", activity.Query{After: deep}},
		{"kind", activity.Query{Kinds: []activity.Kind{activity.KindRequest}, After: deep}},
		{"user", activity.Query{Filters: equal(activity.FieldUserID, "user-42")}},
		{"object", activity.Query{Filters: equal(activity.FieldObjectID, "39595")}},
		{"residual", activity.Query{Filters: equal(activity.FieldURL, "/orders/100"), Budget: time.Second}},
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
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, err := range st.Scan(context.Background(), activity.AllTenants(), activity.Query{Order: activity.OldestFirst}) {
				require.NoError(b, err)
				if n++; n == 50_000 {
					break
				}
			}
			require.Equal(b, 50_000, n)
		}
		b.ReportMetric(float64(b.N*50_000)/b.Elapsed().Seconds(), "events/s")
	})
}
