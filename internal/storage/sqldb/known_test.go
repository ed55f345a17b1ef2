package sqldb

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func counted(t *testing.T, st *store, q activity.Query) activity.Count {
	t.Helper()
	n, err := st.Count(context.Background(), activity.AllTenants(), q, 100_000)
	require.NoError(t, err)
	return n
}

// remembered is how many counts the session that the next read takes remembers.
func remembered(st *store) int { return len(st.readers.idle[len(st.readers.idle)-1].known.counts) }

func TestCountIsRememberedUntilSomethingIsCommitted(t *testing.T) {
	cfg := testConfig(t.TempDir())
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 1500))
	require.Equal(t, activity.Count{N: 1500, Exact: true}, counted(t, st, activity.Query{}))
	require.Equal(t, 1, remembered(st))

	// That it is not made again shows when what is remembered is wrong.
	session := st.readers.idle[len(st.readers.idle)-1]
	for key := range session.known.counts {
		session.known.counts[key] = activity.Count{N: 7, Exact: true}
	}
	require.Equal(t, activity.Count{N: 7, Exact: true}, counted(t, st, activity.Query{}))
	require.Equal(t, activity.Count{N: 7, Exact: true}, counted(t, st, activity.Query{Order: activity.OldestFirst, Limit: 50, Offset: 100}),
		"another page of the same list")

	write(t, st, newEvents(1500, 1501))
	require.Equal(t, activity.Count{N: 1501, Exact: true}, counted(t, st, activity.Query{}), "after a commit of the store's own")

	db, err := sql.Open("sqlite", filepath.Join(cfg.SQLite.Directory, sqliteFile))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.Exec("DELETE FROM " + kept(st).catalogue[0].name + " WHERE object_id = '0'")
	require.NoError(t, err)
	require.Less(t, counted(t, st, activity.Query{}).N, int64(1501), "after a commit of somebody else")
}

func TestCountsOfDifferentQuestionsAreNotMixedUp(t *testing.T) {
	st := openTest(t, testConfig(t.TempDir()), Options{})
	write(t, st, newEvents(0, 1500))
	user := func(op activity.Op, v ...string) activity.Query {
		return activity.Query{Filters: []activity.Filter{{Fields: []activity.Field{activity.FieldUserID}, Op: op, Text: v}}}
	}
	status := func(op activity.Op, n ...int64) activity.Query {
		return activity.Query{Filters: []activity.Filter{{Fields: []activity.Field{activity.FieldResponseStatus}, Op: op, Int: n}}}
	}
	keys := map[countKey]int{}
	for i, q := range []activity.Query{
		{},
		{Kinds: []activity.Kind{activity.KindLogin}},
		{Kinds: []activity.Kind{activity.KindLogin, activity.KindCRUD}},
		{From: base},
		{To: base},
		user(activity.OpEqual, "user-1"),
		user(activity.OpEqual, "user-2"),
		user(activity.OpContains, "user-1"),
		user(activity.OpIn, "user-1", "user-2"),
		user(activity.OpIn, `user-1", "user-2`),
		user(activity.OpIsNull),
		status(activity.OpAtLeast, 0xd800), // a number that is no character
		status(activity.OpAtLeast, 0xd801),
	} {
		for j, scope := range []activity.Scope{activity.AllTenants(), activity.Tenants(""), activity.Tenants("a"), activity.Tenants("a", "b")} {
			for k, limit := range []int64{1, 10} {
				keys[countKeyOf(scope, &q, limit)] = i<<8 | j<<4 | k
			}
		}
	}
	require.Len(t, keys, 13*4*2)
	require.Equal(t, int64(1500), counted(t, st, activity.Query{}).N)
	require.Equal(t, int64(300), counted(t, st, activity.Query{Kinds: []activity.Kind{activity.KindLogin}}).N)
	n, err := st.Count(context.Background(), activity.Tenants("a"), activity.Query{}, 100_000)
	require.NoError(t, err)
	require.Equal(t, activity.Count{Exact: true}, n)
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	st := openTest(t, testConfig(t.TempDir()), Options{})
	write(t, st, newEvents(0, 10))
	for i := range 3 * maxKnown {
		counted(t, st, activity.Query{From: base + int64(i)})
		require.LessOrEqual(t, remembered(st), maxKnown)
	}
}

func TestCountThatTheBudgetEndedIsNotRemembered(t *testing.T) {
	st := openTest(t, testConfig(t.TempDir()), Options{})
	write(t, st, newEvents(0, 3500)) // several segments: the budget is checked between them
	q := activity.Query{Budget: time.Nanosecond}
	require.False(t, counted(t, st, q).Exact)
	require.Zero(t, remembered(st))
	require.Zero(t, counted(t, st, q).N, "not even the tenants and kinds are looked up")
	q.Budget = time.Minute
	require.Equal(t, activity.Count{N: 3500, Exact: true}, counted(t, st, q))
}

func TestSessionUsedLastIsUsedFirst(t *testing.T) {
	st := openTest(t, testConfig(t.TempDir()), Options{})
	write(t, st, newEvents(0, 10))
	for range 10 {
		counted(t, st, activity.Query{})
	}
	require.Len(t, st.readers.idle, 1, "reads after each other need one session")
}
