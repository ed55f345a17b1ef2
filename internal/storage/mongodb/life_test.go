package mongodb

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// patient lets a busy machine take its time for a large write.
func patient(cfg Config) Config {
	cfg.WriteTimeout = maxWriteTimeout
	return cfg
}

func TestPoisonHarmsNoNeighbour(t *testing.T) {
	st := openTest(t, patient(testConfig(t)), Options{})
	events := newEvents(0, 1000)
	events[100].Kind = 0                              // refused by the validator
	events[500].Message = strings.Repeat("x", 17<<20) // above MongoDB's limit
	events[900].Message = "\xff\xfe"                  // no text
	events[901] = events[100]                         // a second one of a refused key
	events[902] = events[100]                         // and a third, that can be stored
	events[902].Kind = activity.KindLogin
	res := write(t, st, events)
	assert.Equal(t, 996, res.Written)
	var refused []int
	for _, r := range res.Refused {
		refused = append(refused, r.Index)
		require.ErrorIs(t, r.Err, storage.ErrContent)
		assert.NotContains(t, r.Err.Error(), "consideredValue", "no content in an error")
	}
	slices.Sort(refused)
	assert.Equal(t, []int{100, 500, 900, 901}, refused)
	n, err := st.Count(t.Context(), activity.AllTenants(), activity.Query{}, 5000)
	require.NoError(t, err)
	assert.Equal(t, activity.Count{N: 996, Exact: true}, n)
}

func TestKeysOrderAsPositions(t *testing.T) {
	var last string
	for _, datetime := range []int64{math.MinInt64, -1, 0, 1, base, math.MaxInt64} {
		for _, id := range []activity.ID{{}, {1}, lastID} {
			k := activity.Key{TenantID: "acme", ID: id, Datetime: datetime}
			key := keyOf(&k)
			assert.Less(t, last, string(key[:]))
			assert.Equal(t, activity.Position{Datetime: datetime, ID: id}, positionOf(string(key[:]), 0))
			assert.LessOrEqual(t, firstKey(datetime, id), string(key[:]))
			last = lastKey(datetime, id)
			assert.GreaterOrEqual(t, last, string(key[:]))
		}
	}
}

// More tenants and kinds than MongoDB merges by itself: the rest is merged here.
func TestPagesOverManyTenantsKeepTheOrder(t *testing.T) {
	st := openTest(t, patient(testConfig(t)), Options{})
	events := newEvents(0, 900)
	tenants := map[string]bool{}
	for i := range events {
		events[i].TenantID = fmt.Sprintf("tenant-%03d", i*7919%90)
		tenants[events[i].TenantID] = true
	}
	require.Greater(t, len(tenants)*len(activity.Kinds()), 2*maxRanges)
	write(t, st, events)
	for _, order := range []activity.Order{activity.NewestFirst, activity.OldestFirst, activity.SlowestFirst, activity.FastestFirst} {
		q := activity.Query{Order: order, Limit: 97, Kinds: activity.Kinds()}
		want := 900
		if order.ByResponseTime() {
			want = 180
		}
		var got []activity.Event
		for more := true; more; more = !q.After.IsZero() {
			page, err := st.Page(t.Context(), activity.AllTenants(), q)
			require.NoError(t, err)
			got = append(got, page.Events...)
			q.After = page.Next
		}
		require.Len(t, got, want)
		assert.True(t, slices.IsSortedFunc(got, func(a, b activity.Event) int {
			pa, pb := activity.PositionOf(order, &a), activity.PositionOf(order, &b)
			c := place{pa.Value, firstKey(pa.Datetime, pa.ID)}.compare(place{pb.Value, firstKey(pb.Datetime, pb.ID)})
			if !order.Ascending() {
				return -c
			}
			return c
		}), "order %d", order)
	}
	n, err := st.Count(t.Context(), activity.AllTenants(), activity.Query{Kinds: []activity.Kind{activity.KindLogin}}, 1000)
	require.NoError(t, err)
	assert.Equal(t, activity.Count{N: 180, Exact: true}, n)
}

func TestASpentBudgetIsContinued(t *testing.T) {
	st := openTest(t, patient(testConfig(t)), Options{})
	events := newEvents(0, 2*window+10)
	write(t, st, events)
	url := events[len(events)-3].URL
	q := activity.Query{
		Order: activity.OldestFirst, Limit: 5, Budget: time.Nanosecond,
		Filters: []activity.Filter{{Fields: []activity.Field{activity.FieldURL}, Op: activity.OpEqual, Text: []string{url}}},
	}
	var got []activity.Event
	pages := 0
	for complete := false; !complete; pages++ {
		page, err := st.Page(t.Context(), activity.AllTenants(), q)
		require.NoError(t, err)
		got = append(got, page.Events...)
		complete = page.Complete
		require.True(t, complete || !page.Next.IsZero())
		q.After = page.Next
	}
	assert.Equal(t, 3, pages, "a window each")
	require.Len(t, got, 1)
	assert.Equal(t, url, got[0].URL)

	n, err := st.Count(t.Context(), activity.AllTenants(), activity.Query{Budget: time.Nanosecond, Filters: []activity.Filter{
		{Fields: []activity.Field{activity.FieldService}, Op: activity.OpEqual, Text: []string{"shop"}},
	}}, 100_000)
	require.NoError(t, err)
	assert.Equal(t, activity.Count{N: window}, n, "a lower bound")
}

func TestValuesThatNothingCanHoldFindNothing(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	write(t, st, newEvents(0, 10))
	for _, f := range []activity.Filter{
		{Fields: []activity.Field{activity.FieldID}, Op: activity.OpEqual, Text: []string{"no UUID"}},
		{Fields: []activity.Field{activity.FieldUserID}, Op: activity.OpIn, Text: []string{"\xff"}},
		{Fields: []activity.Field{activity.FieldURL}, Op: activity.OpContains, Text: []string{"a\x00"}},
		{Fields: []activity.Field{activity.FieldURL}, Op: activity.OpContains, Text: []string{"É"}},
	} {
		q := activity.Query{Filters: []activity.Filter{f}, Limit: 10}
		page, err := st.Page(t.Context(), activity.AllTenants(), q)
		require.NoError(t, err)
		assert.True(t, page.Complete)
		assert.Empty(t, page.Events)
		n, err := st.Count(t.Context(), activity.AllTenants(), q, 10)
		require.NoError(t, err)
		assert.Equal(t, activity.Count{Exact: true}, n)
	}
	_, err := st.Page(t.Context(), activity.AllTenants(), activity.Query{Limit: 1, Filters: []activity.Filter{
		{Fields: []activity.Field{activity.FieldURL}, Op: activity.OpContains, Text: []string{strings.Repeat("x", 5000)}},
	}})
	require.ErrorIs(t, err, activity.ErrInvalid)
	require.NotErrorIs(t, err, storage.ErrRetryable)
}

// Case is folded for ASCII letters and no others, and nothing of a text is a
// pattern.
func TestContainsIsLiteral(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	texts := []string{"straße É.*(x) K", "STRASSE é", "a+b\\c [d] {2} ^$|?#", "kelvin \u212a"}
	events := newEvents(0, len(texts))
	for i := range events {
		events[i].Message = texts[i]
	}
	write(t, st, events)
	for needle, want := range map[string]int{
		"É": 1, "é": 1, "STRAß": 1, ".*(X)": 1, "A+B\\C [D]": 1, "{2} ^$|?#": 1, "k": 2, "\u212a": 1, "str": 2, ".": 1,
	} {
		n, err := st.Count(t.Context(), activity.AllTenants(), activity.Query{Filters: []activity.Filter{
			{Fields: []activity.Field{activity.FieldMessage}, Op: activity.OpContains, Text: []string{needle}},
		}}, 10)
		require.NoError(t, err)
		assert.EqualValues(t, want, n.N, needle)
	}
}

func TestServerOverItsTimeIsASpentBudget(t *testing.T) {
	p, cfg := newProxy(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 10))
	p.set(func(name string) verdict {
		if name == "find" || name == "aggregate" {
			return verdict{reply: failure(50, "MaxTimeMSExpired", "operation exceeded time limit")}
		}
		return verdict{}
	})
	_, err := st.Page(t.Context(), activity.AllTenants(), activity.Query{Limit: 5, Budget: time.Second})
	require.ErrorIs(t, err, storage.ErrBudget)
	_, err = st.Aggregate(t.Context(), activity.AllTenants(), activity.Query{Budget: time.Second}, activity.GroupBy{Fields: []activity.Field{activity.FieldKind}, Top: 5})
	require.ErrorIs(t, err, storage.ErrBudget)
}

func TestFeedWaitsForLateWriters(t *testing.T) {
	cfg := testConfig(t)
	now := time.Now()
	st := openTest(t, cfg, Options{Now: func() time.Time { return now }})
	slow := openTest(t, cfg, Options{Now: func() time.Time { return now.Add(-cfg.WriteTimeout) }}) // its insert took that long
	feed := func(after activity.FeedPosition) []activity.Event {
		t.Helper()
		out, err := st.Feed(t.Context(), activity.AllTenants(), after, 100)
		require.NoError(t, err)
		return out
	}
	write(t, st, newEvents(0, 3))
	assert.Empty(t, feed(activity.FeedPosition{}))
	write(t, slow, newEvents(3, 5))
	now = now.Add(cfg.WriteTimeout + time.Millisecond)
	first := feed(activity.FeedPosition{})
	require.Len(t, first, 2, "the late ones come first")
	now = now.Add(cfg.WriteTimeout + time.Second)
	last := first[1]
	assert.Len(t, feed(activity.FeedPosition{StoredNS: last.StoredNS, ID: last.ID}), 3)
}

func TestErasuresAtTheSameTimeBringNoSaltBack(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	e := newEvent(1)
	e.SchemaVersion, e.IntegrityHash = 1, make([]byte, 32)
	e.IntegritySalts, e.IntegrityCommitments = slices.Repeat([]byte{7}, 32), slices.Repeat([]byte{9}, 64)
	write(t, st, []activity.Event{e})
	x := &search{store: st, query: &activity.Query{}, plan: plan{index: idIndex}}
	hits, _, err := x.run(t.Context(), nil, 10)
	require.NoError(t, err)
	_, err = st.Erase(t.Context(), activity.AllTenants(), storage.Erasure{ContentType: e.ContentType, ObjectID: e.ObjectID, Group: activity.GroupContent, Limit: 10})
	require.NoError(t, err)
	_, err = x.forget(t.Context(), hits, activity.GroupPersonal)
	require.ErrorIs(t, err, storage.ErrRetryable, "what was read is no longer so")
	res, err := st.Erase(t.Context(), activity.AllTenants(), storage.Erasure{UserID: e.UserID, Group: activity.GroupPersonal, Limit: 10})
	require.NoError(t, err)
	assert.EqualValues(t, 1, res.Erased)
	got, err := st.Get(t.Context(), activity.AllTenants(), e.ID)
	require.NoError(t, err)
	assert.Equal(t, make([]byte, 32), got.IntegritySalts)
	assert.Empty(t, got.UserID)
	assert.Empty(t, got.Message)
}

func TestChangedDocumentsAreNamed(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t), Options{})
	write(t, st, newEvents(0, 3))
	e := newEvent(1)
	_, err := st.events.UpdateOne(ctx, bson.D{{Key: "id", Value: bson.Binary{Subtype: subtypeUUID, Data: e.ID[:]}}}, bson.D{{Key: "$set", Value: bson.D{
		{Key: "datetime_ns", Value: int64(5)}, {Key: "response_status", Value: "200"}, {Key: "username", Value: ""},
	}}})
	require.NoError(t, err)
	changed := 0
	for r, err := range st.Scan(ctx, activity.AllTenants(), activity.Query{}) {
		require.NoError(t, err)
		if r.ID == e.ID {
			changed++
			assert.ElementsMatch(t, []string{"_id", "response_status", "username"}, r.Derived)
		} else {
			assert.Empty(t, r.Derived)
		}
	}
	assert.Equal(t, 1, changed)
	res := write(t, st, []activity.Event{e})
	assert.Equal(t, []int{0}, res.Conflicts)
}
