package mongodb

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
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

// plainDocument is the event as a program without this driver writes it.
func plainDocument(e *activity.Event, stored int64) bson.D {
	k := e.Key()
	key := keyOf(&k)
	d := bson.D{{Key: "_id", Value: bson.Binary{Data: key[:]}}}
	add := func(f activity.Field, v any) { d = append(d, bson.E{Key: f.String(), Value: v}) }
	for _, f := range activity.Fields() {
		switch f.Info().Type {
		case activity.TypeText, activity.TypeJSON:
			if s := *e.Text(f); s != "" || f == activity.FieldTenantID {
				add(f, s)
			}
		case activity.TypeInt, activity.TypeTime:
			n := *e.Int(f)
			if f == activity.FieldStoredNS {
				n = stored
			}
			if n != 0 {
				add(f, n)
			}
		case activity.TypeOpt:
			if o := e.Opt(f); o.Valid {
				add(f, o.Value)
			}
		case activity.TypeBytes:
			if v := e.Bytes(f); len(v) > 0 {
				add(f, bson.Binary{Subtype: subtypeOf(f), Data: v})
			}
		case activity.TypeKind:
			add(f, e.Kind.String())
		}
	}
	return d
}

// BenchmarkWrite writes to a real server, BenchmarkClient to one that answers
// every insert at once and stores nothing: what is left is the client's work.
func BenchmarkWrite(b *testing.B) { alternate(b, testConfig(b), testConfig(b)) }

func BenchmarkClient(b *testing.B) {
	proxies := make([]*proxy, 2)
	configs := make([]Config, 2)
	for i := range proxies {
		proxies[i], configs[i] = newProxy(b)
		proxies[i].forget = true
		proxies[i].set(func(name string) verdict {
			if name == "insert" {
				return verdict{reply: bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: benchBatch}}}
			}
			return verdict{}
		})
	}
	alternate(b, configs[0], configs[1])
}

// alternate writes batches with this driver and with a bare InsertMany loop in
// turn, the same documents, indexes and write concern in two databases, so that
// a busy machine slows both. It reports events a second of each and the ratio.
func alternate(b *testing.B, cfg, bareConfig Config) {
	b.Helper()
	ctx := context.Background()
	ours, bare := openTest(b, patient(cfg), Options{}), openTest(b, bareConfig, Options{})
	var took [2]time.Duration
	n := 0
	for b.Loop() {
		events := benchEvents(n*benchBatch, benchBatch)
		for side := range 2 {
			began := time.Now()
			if (n+side)%2 == 0 {
				write(b, ours, events)
				took[0] += time.Since(began)
				continue
			}
			docs := make([]any, len(events))
			for i := range events {
				docs[i] = plainDocument(&events[i], began.UnixNano()+int64(i))
			}
			_, err := bare.events.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
			require.NoError(b, err)
			took[1] += time.Since(began)
		}
		n++
	}
	rate := func(d time.Duration) float64 { return float64(n*benchBatch) / d.Seconds() }
	b.ReportMetric(rate(took[0]), "events/s")
	b.ReportMetric(rate(took[1]), "bare/s")
	b.ReportMetric(100*rate(took[0])/rate(took[1]), "%ofbare")
}

// BenchmarkDocument measures making documents, without a server.
func BenchmarkDocument(b *testing.B) {
	events := benchEvents(0, benchBatch)
	memory := make([]byte, 0, 4<<20)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := &events[i%benchBatch]
		k := e.Key()
		key := keyOf(&k)
		var err error
		if memory, err = appendDocument(memory[:0], &key, e, 1, false); err != nil {
			b.Fatal(err)
		}
	}
}
