package mongodb

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Errors as the driver makes them of what a real server says, and of answers
// that a lone healthy server does not give.
func TestClassifyRealErrors(t *testing.T) {
	p, cfg := newProxy(t)
	st := openTest(t, cfg, Options{})
	ctx := context.Background()
	insert := func(doc bson.D) error {
		_, err := st.events.InsertOne(ctx, doc)
		return err
	}
	k := activity.Key{TenantID: "t"}
	key := keyOf(&k)
	raw, err := appendDocument(nil, &key, &activity.Event{Kind: activity.KindCRUD, TenantID: "t", ReceivedAt: 1}, 1, false)
	require.NoError(t, err)
	var sound bson.D
	require.NoError(t, bson.Unmarshal(raw, &sound))
	require.NoError(t, insert(sound))

	f := func(name string, want, err error) {
		t.Helper()
		require.Error(t, err, name)
		require.ErrorIs(t, classify(err), want, name)
		assert.NotContains(t, classify(err).Error(), "secret", name)
	}
	f("a kind outside the list", storage.ErrContent, insert(append(bson.D{{Key: "kind", Value: "secret"}}, leaveOut(sound, "kind", "_id")...)))
	f("a missing field", storage.ErrContent, insert(bson.D{{Key: "message", Value: "secret"}}))
	f("a document of 17 MiB", storage.ErrContent, insert(append(sound[1:], bson.E{Key: "x", Value: strings.Repeat("x", 17<<20)})))
	f("an index that is not there", storage.ErrRetryable, st.command(ctx, bson.D{{Key: "find", Value: eventCollection}, {Key: "hint", Value: "none"}}, nil))

	for _, c := range []struct {
		name  string
		want  error
		reply bson.D
	}{
		{"no longer primary", storage.ErrRetryable, failure(10107, "NotWritablePrimary", "not primary")},
		{"stepping down", storage.ErrRetryable, failure(189, "PrimarySteppedDown", "stepping down")},
		{"shutting down", storage.ErrRetryable, failure(91, "ShutdownInProgress", "bye")},
		{"the user may not insert", storage.ErrRetryable, failure(13, "Unauthorized", "not authorized on x to execute command")},
		{"disk full", storage.ErrRetryable, failure(14031, "OutOfDiskSpace", "no space left")},
		{"too slow", storage.ErrBudget, failure(50, "MaxTimeMSExpired", "operation exceeded time limit")},
		{"too much memory", storage.ErrBudget, failure(292, "QueryExceededMemoryLimitNoDiskUseAllowed", "sort exceeded memory limit")},
		{"no majority", storage.ErrRetryable, bson.D{
			{Key: "ok", Value: 1},
			{Key: "n", Value: 1},
			{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"}}},
		}},
	} {
		p.once("insert", verdict{reply: c.reply})
		f(c.name, c.want, insert(sound))
	}
	p.set(func(name string) verdict { return verdict{hangUp: name == "insert"} })
	f("the connection breaks", storage.ErrRetryable, insert(sound))
	p.set(nil)

	limited, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	_, err = st.events.InsertOne(limited, sound)
	f("no time left", storage.ErrRetryable, err)
	require.ErrorIs(t, classify(err), context.DeadlineExceeded)

	away := cfg
	away.DSN, away.ConnectTimeout = "mongodb://user:secret@127.0.0.1:1/", 50*time.Millisecond
	gone, err := Open(ctx, away, Options{})
	require.NoError(t, err)
	f("no server", storage.ErrRetryable, gone.Ping(ctx))
	_, err = gone.Write(ctx, newEvents(0, 1))
	f("no server for a write", storage.ErrRetryable, err)
	require.NoError(t, gone.Close())
	_, err = gone.(*store).events.InsertOne(ctx, sound)
	f("disconnected", storage.ErrClosed, err)
	require.NoError(t, classify(nil))
}

func leaveOut(d bson.D, names ...string) bson.D {
	var out bson.D
	for _, e := range d {
		if e.Key != names[0] && e.Key != names[1] {
			out = append(out, e)
		}
	}
	return out
}

func TestWrongPasswordIsNotShown(t *testing.T) {
	cfg := testConfig(t)
	d, err := parseDSN(string(cfg.DSN))
	require.NoError(t, err)
	cfg.DSN = configopaque.String("mongodb://somebody:hunter%402@" + d.hosts[0] + "/?authMechanism=SCRAM-SHA-256&directConnection=true")
	st, err := Open(t.Context(), cfg, Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	err = st.Ping(t.Context())
	require.ErrorIs(t, err, storage.ErrRetryable)
	assert.NotContains(t, err.Error(), "hunter")
}

func TestDurabilityOfEveryWriteIsAskedFor(t *testing.T) {
	p, cfg := newProxy(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 3))
	write(t, st, newEvents(0, 3))
	inserts := p.seen("insert")
	require.Len(t, inserts, 2)
	for _, c := range inserts {
		assert.Equal(t, "majority", c.Lookup("writeConcern", "w").StringValue())
		assert.True(t, c.Lookup("writeConcern", "j").Boolean())
		assert.False(t, c.Lookup("ordered").Boolean())
		_, err := c.LookupErr("txnNumber")
		require.NoError(t, err, "retryable")
		limit, ok := c.Lookup("maxTimeMS").AsInt64OK()
		require.True(t, ok)
		assert.LessOrEqual(t, limit, cfg.WriteTimeout.Milliseconds())
	}
	_, err := st.Page(t.Context(), activity.AllTenants(), activity.Query{Limit: 1, Budget: time.Second})
	require.NoError(t, err)
	for _, c := range p.seen("find") {
		assert.Equal(t, "majority", c.Lookup("readConcern", "level").StringValue())
	}
	finds := p.seen("find")
	limit, ok := finds[len(finds)-1].Lookup("maxTimeMS").AsInt64OK()
	require.True(t, ok, "the server knows the budget")
	assert.LessOrEqual(t, limit, (time.Second + leastTime).Milliseconds())
}

func TestAnswersLostAndRefusalsOfAWrite(t *testing.T) {
	p, cfg := newProxy(t)
	st := openTest(t, cfg, Options{})
	events := newEvents(0, 100)
	p.set(func(name string) verdict { return verdict{loseAnswer: name == "insert"} })
	_, err := st.Write(t.Context(), events)
	require.ErrorIs(t, err, storage.ErrRetryable)
	p.set(nil)
	res := write(t, st, events)
	assert.Len(t, res.Duplicates, 100, "stored, though the answer was lost")

	p.once("insert", verdict{reply: bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}, {Key: "writeErrors", Value: bson.A{
		bson.D{{Key: "index", Value: 1}, {Key: "code", Value: 91}, {Key: "errmsg", Value: "shutting down"}},
	}}}})
	_, err = st.Write(t.Context(), newEvents(200, 203))
	require.ErrorIs(t, err, storage.ErrRetryable, "an error of one document that is not of its content")
	require.NotErrorIs(t, err, storage.ErrContent)

	p.once("insert", verdict{reply: bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 3}, {Key: "writeConcernError", Value: bson.D{
		{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"},
	}}}})
	_, err = st.Write(t.Context(), newEvents(210, 213))
	require.ErrorIs(t, err, storage.ErrRetryable, "what no majority has is not stored")

	p.once("find", verdict{reply: bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: "x.y"}, {Key: "firstBatch", Value: bson.A{}},
	}}}})
	_, err = st.Write(t.Context(), events[:1])
	require.ErrorIs(t, err, storage.ErrRetryable, "what no majority has cannot be called a duplicate")

	var server mongo.ServerError
	p.once("insert", verdict{reply: failure(50, "MaxTimeMSExpired", "too slow")})
	_, err = st.Write(t.Context(), newEvents(300, 301))
	require.ErrorIs(t, err, storage.ErrRetryable, "a slow write is no spent budget")
	require.ErrorAs(t, err, &server)
}

func TestAUniqueIndexOfSomebodyElseRefusesOneEvent(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	_, err := st.events.Indexes().CreateOne(t.Context(), mongo.IndexModel{
		Keys:    bson.D{{Key: "username", Value: 1}},
		Options: options.Index().SetUnique(true).SetPartialFilterExpression(bson.D{{Key: "username", Value: "only once"}}),
	})
	require.NoError(t, err)
	events := newEvents(0, 10)
	events[0].Username, events[5].Username = "only once", "only once"
	res := write(t, st, append(events, events[5])) // and again in the same batch
	assert.Equal(t, 9, res.Written, "its neighbours are stored")
	require.Len(t, res.Refused, 2)
	for n, index := range []int{5, 10} {
		assert.Equal(t, index, res.Refused[n].Index)
		require.ErrorIs(t, res.Refused[n].Err, storage.ErrContent)
	}
	assert.Len(t, write(t, st, events[:1]).Duplicates, 1, "a key of ours that is there is a duplicate still")
}
