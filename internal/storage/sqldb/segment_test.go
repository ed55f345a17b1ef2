package sqldb

import (
	"context"
	"database/sql"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func TestSegmentsRollAndTakeLateEvents(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t.TempDir()), Options{})
	for i := 0; i < 3500; i += 500 {
		write(t, st, newEvents(i, i+500))
	}
	require.Len(t, kept(st).catalogue, 4)

	again := write(t, st, newEvents(0, 3500))
	require.Zero(t, again.Written)
	require.Len(t, again.Duplicates, 3500, "a key has one home, also after the segment was closed")

	late := newEvent(10)
	late.ID[1] = 9
	longAgo := newEvent(11)
	longAgo.ID[1] = 9
	longAgo.Datetime = time.Date(2019, 5, 6, 0, 0, 0, 0, time.UTC).UnixNano()
	farAhead := newEvent(12)
	farAhead.ID[1] = 9
	farAhead.Datetime = math.MaxInt64 - 5
	require.Equal(t, 3, write(t, st, []activity.Event{late, longAgo, farAhead}).Written)
	require.Len(t, kept(st).catalogue, 6)
	c := kept(st).catalogue
	for i := range c {
		require.Less(t, c[i].lo, c[i].hi)
		if i > 0 {
			require.LessOrEqual(t, c[i-1].hi, c[i].lo)
		}
	}
	require.Equal(t, time.Date(2019, 5, 1, 0, 0, 0, 0, time.UTC).UnixNano(), c[0].lo)
	require.Equal(t, time.Date(2019, 6, 1, 0, 0, 0, 0, time.UTC).UnixNano(), c[0].hi)
	for _, e := range []activity.Event{late, longAgo, farAhead} {
		got, err := st.Get(ctx, activity.AllTenants(), e.ID)
		require.NoError(t, err)
		require.Equal(t, e.Datetime, got.Datetime)
	}
	var inView int
	require.NoError(t, st.writer.session.conn.QueryRowContext(ctx, "SELECT count(*) FROM activity_events").Scan(&inView))
	require.Equal(t, 3503, inView)
}

func TestFeedFollowsCommitOrderOverSegments(t *testing.T) {
	ctx := context.Background()
	now := time.Unix(1_800_000_000, 0)
	st := openTest(t, testConfig(t.TempDir()), Options{Now: func() time.Time { return now }}) // a clock that stands still
	var want []activity.ID
	add := func(events ...activity.Event) {
		write(t, st, events)
		for _, e := range events {
			want = append(want, e.ID)
		}
	}
	add(newEvents(0, 1500)...)
	add(newEvents(1500, 1700)...)
	late := newEvent(5)
	late.ID[1] = 1
	add(late) // into the first segment, after the second has begun
	add(newEvents(1700, 1800)...)
	now = now.Add(-time.Hour) // and one that goes back
	add(newEvents(1800, 1900)...)
	var got []activity.ID
	var at activity.FeedPosition
	for {
		events, err := st.Feed(ctx, activity.AllTenants(), at, 77)
		require.NoError(t, err)
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			require.Greater(t, e.StoredNS, at.StoredNS)
			at = activity.FeedPosition{StoredNS: e.StoredNS, ID: e.ID}
			got = append(got, e.ID)
		}
	}
	require.Equal(t, want, got)
}

func TestRetentionDropsSegmentsAndNeverReusesPositions(t *testing.T) {
	ctx := context.Background()
	now := time.Unix(1_800_000_000, 0)
	cfg := testConfig(t.TempDir())
	st := openTest(t, cfg, Options{Now: func() time.Time { return now }})
	last := write(t, st, newEvents(0, 2500)).LastStoredNS
	nothing, err := st.DeleteBefore(ctx, activity.AllTenants(), storage.Retention{Before: 1, Limit: 10})
	require.NoError(t, err)
	require.Zero(t, nothing)
	held := newEvent(3).ID
	r := storage.Retention{Before: base + 5000*int64(time.Second), Limit: 700, Hold: func(e *activity.Event) bool { return e.ID == held }}
	dry := r
	dry.DryRun = true
	_, err = st.DeleteBefore(ctx, activity.AllTenants(), dry)
	require.NoError(t, err)
	var deleted, keptBack int64
	for more := true; more; {
		res, err := st.DeleteBefore(ctx, activity.AllTenants(), r)
		require.NoError(t, err)
		require.LessOrEqual(t, res.Deleted, int64(r.Limit))
		deleted, keptBack, more, r.After = deleted+res.Deleted, keptBack+res.Held, res.More, res.Next
	}
	require.EqualValues(t, 2499, deleted)
	require.EqualValues(t, 1, keptBack)
	require.Len(t, kept(st).catalogue, 1, "the segment of the held event stays")
	require.NoError(t, st.Close())
	now = now.Add(-time.Hour)
	again := openTest(t, cfg, Options{Now: func() time.Time { return now }})
	require.Greater(t, write(t, again, newEvents(9000, 9001)).LastStoredNS, last)
}

func TestHandTamperedRowsAreStillScannedAndNamed(t *testing.T) {
	cfg := testConfig(t.TempDir())
	st := openTest(t, cfg, Options{})
	for i := 0; i < 2500; i += 500 {
		write(t, st, newEvents(i, i+500))
	}
	require.Len(t, kept(st).catalogue, 3)
	name := kept(st).catalogue[1].name
	stored := column(t, st.writer.session.conn, "SELECT CAST(stored_ns AS TEXT) FROM "+name+" ORDER BY stored_ns LIMIT 5")
	set := func(i int, what string) string {
		return "UPDATE " + name + " SET " + what + " WHERE stored_ns = " + stored[i]
	}
	tamper(t, cfg, "PRAGMA ignore_check_constraints = on", set(0, "id = x'0102'"), set(1, "kind = 'crudd'"), set(2, "datetime_ns = 5"), set(3, "tenant_id = 'other'"),
		set(4, "user_id = CAST(x'ff00' AS TEXT)"))
	for _, order := range []activity.Order{activity.NewestFirst, activity.OldestFirst} {
		n, derived := 0, []string{}
		for r, err := range st.Scan(context.Background(), activity.AllTenants(), activity.Query{Order: order}) {
			require.NoError(t, err)
			n++
			derived = append(derived, r.Derived...)
		}
		require.Equal(t, 2500, n, "order %d", order)
		require.ElementsMatch(t, []string{"id", "kind"}, derived)
	}
}

func TestEventsOfAnIDArePagedInEveryOrder(t *testing.T) {
	st := openTest(t, testConfig(t.TempDir()), Options{})
	write(t, st, newEvents(0, 50))
	id := newEvent(2).ID
	for i := range 12 { // the same id at other times, in other tenants and kinds, over two months
		e := newEvent(2 + i*40_000)
		e.ID, e.TenantID, e.Kind = id, string(rune('a'+i%3)), []activity.Kind{activity.KindRequest, activity.KindCRUD}[i%2]
		e.ResponseTimeUS = activity.Some(int64(i%4) + 1)
		write(t, st, []activity.Event{e})
	}
	filter := activity.Filter{Fields: []activity.Field{activity.FieldID}, Op: activity.OpIn, Text: []string{id.String(), id.String()}}
	for _, order := range []activity.Order{activity.NewestFirst, activity.OldestFirst, activity.SlowestFirst, activity.FastestFirst} {
		q := activity.Query{Order: order, Limit: 5, Filters: []activity.Filter{filter}, From: base + 3*int64(time.Second)}
		got := walk(t, st, q)
		require.Len(t, got, 11, "order %d: without the first", order)
		for i := range got {
			require.Equal(t, id, got[i].ID)
			if i > 0 {
				require.NotEqual(t, got[i-1].Datetime, got[i].Datetime)
			}
		}
		q.Kinds = []activity.Kind{activity.KindCRUD}
		require.Len(t, walk(t, st, q), 6)
	}
	page, err := st.Page(context.Background(), activity.Tenants("b"), activity.Query{Limit: 10, Filters: []activity.Filter{filter}})
	require.NoError(t, err)
	require.Len(t, page.Events, 4)
}

func TestListsNeverScanATable(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t.TempDir()), Options{})
	write(t, st, newEvents(0, 100))
	equal := func(f activity.Field, v string) []activity.Filter {
		return []activity.Filter{{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{v}}}
	}
	f := func(q activity.Query, index string) {
		t.Helper()
		q.Limit = 10
		first := "tenant_id"
		if index == keyIndex {
			first = "id"
		}
		require.NoError(t, st.read(ctx, func(c *session) error {
			x, err := st.newSearch(ctx, c, activity.AllTenants(), &q)
			require.NoError(t, err)
			_, _, err = x.run(ctx, cursor{place: placeOf(q.After), set: !q.After.IsZero()}, 11)
			require.NoError(t, err)
			listed := 0
			for _, statement := range c.stmts.Keys() {
				if !strings.Contains(statement, "INDEXED BY") {
					continue
				}
				for _, detail := range column(t, c.conn, "EXPLAIN QUERY PLAN "+statement, make([]any, strings.Count(statement, "?"))...) {
					require.NotContains(t, detail, "TEMP B-TREE", statement)
					require.True(t, strings.HasPrefix(detail, "SEARCH"), "%s: %s", detail, statement)
					if strings.Contains(detail, "_"+index+" ("+first+"=?") {
						listed++
					}
				}
			}
			require.Positive(t, listed, "index %s", index)
			return nil
		}))
	}
	at := activity.Position{Value: 5, Datetime: base + 50*int64(time.Second), ID: activity.ID{7}}
	f(activity.Query{}, "time")
	f(activity.Query{After: at, From: base, To: base * 2}, "time")
	f(activity.Query{After: at, Order: activity.OldestFirst}, "time")
	f(activity.Query{After: at, Filters: equal(activity.FieldURL, "/orders/3")}, "time")
	f(activity.Query{After: at, Filters: equal(activity.FieldUserID, "user-1")}, "user")
	f(activity.Query{After: at, Filters: equal(activity.FieldRemoteIP, "10.0.0.1")}, "addr")
	f(activity.Query{After: at, Filters: equal(activity.FieldObjectID, "1")}, "object")
	f(activity.Query{Filters: equal(activity.FieldType, "login_failed")}, "failed")
	id := newEvent(3).ID.String()
	f(activity.Query{Filters: equal(activity.FieldID, id)}, keyIndex)
	f(activity.Query{After: at, Filters: append(equal(activity.FieldUserID, "user-3"), equal(activity.FieldID, id)...)}, keyIndex)
	f(activity.Query{After: at, Order: activity.SlowestFirst}, "slow")
	f(activity.Query{After: at, Order: activity.FastestFirst, From: base}, "slow")
}

func TestSpentBudgetGivesAPlaceToGoOnFrom(t *testing.T) {
	st := openTest(t, testConfig(t.TempDir()), Options{})
	for i := 0; i < 3000; i += 1000 {
		write(t, st, newEvents(i, i+1000))
	}
	q := activity.Query{
		Limit: 10, Budget: 1,
		Filters: []activity.Filter{{Fields: []activity.Field{activity.FieldURL, activity.FieldMessage}, Op: activity.OpContains, Text: []string{"ORDERS/77"}}},
	}
	found, pages := 0, 0
	for {
		page, err := st.Page(context.Background(), activity.AllTenants(), q)
		require.NoError(t, err)
		found += len(page.Events)
		pages++
		if page.Next.IsZero() {
			require.True(t, page.Complete)
			break
		}
		q.After = page.Next
	}
	require.Equal(t, 11, found) // 77 and 770 to 779
	require.Greater(t, pages, 2)
	_, err := st.Aggregate(context.Background(), activity.AllTenants(), activity.Query{Budget: 1}, activity.GroupBy{Fields: []activity.Field{activity.FieldUserID}, Top: 3})
	require.ErrorIs(t, err, storage.ErrBudget)
}

func TestSpentBudgetStopsBeforeTheNextSegment(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t.TempDir()), Options{})
	for i := 0; i < 3000; i += 1000 {
		write(t, st, newEvents(i, i+1000))
	}
	require.NoError(t, st.read(ctx, func(c *session) error {
		x, err := st.newSearch(ctx, c, activity.AllTenants(), &activity.Query{Budget: 1})
		require.NoError(t, err)
		streams := func() error { _, err := x.streams(ctx, x.segments[:1], cursor{}, 10); return err }
		merge := func() error { _, _, err := x.merge(ctx, x.segments[:1], cursor{}, nil, 10); return err }
		require.NoError(t, streams(), "without a place to go on from a search has to get to one")
		require.NoError(t, merge())
		x.mayStop = true
		require.ErrorIs(t, streams(), storage.ErrBudget)
		require.ErrorIs(t, merge(), storage.ErrBudget)
		return nil
	}))
}

func TestColumnsOfTheSchemaAreTheFields(t *testing.T) {
	st := openTest(t, testConfig(t.TempDir()), Options{})
	write(t, st, newEvents(0, 1))
	names := column(t, st.writer.session.conn, "SELECT name FROM pragma_table_info('"+kept(st).catalogue[0].name+"')")
	var want []string
	for _, f := range activity.Fields() {
		want = append(want, f.String())
	}
	require.ElementsMatch(t, want, names)
	require.LessOrEqual(t, len(want), 64, "the shape of an insert is a bit for each column")
}

// column gives the last column of a query's rows, which is text: also the
// detail of EXPLAIN QUERY PLAN.
func column(t *testing.T, conn *sql.Conn, query string, args ...any) (out []string) {
	t.Helper()
	rows, err := conn.QueryContext(context.Background(), query, args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	names, err := rows.Columns()
	require.NoError(t, err)
	values := make([]any, len(names))
	for i := range values {
		values[i] = new(sql.RawBytes)
	}
	var last string
	values[len(values)-1] = &last
	for rows.Next() {
		require.NoError(t, rows.Scan(values...))
		out = append(out, last)
	}
	require.NoError(t, rows.Err())
	return out
}
