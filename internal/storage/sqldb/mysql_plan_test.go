package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// mysqlPlan is what the server says of a statement with one table.
type mysqlPlan struct{ partitions, access, key, extra string }

func explainMySQL(t *testing.T, db *sql.DB, b *builder) (p mysqlPlan) {
	t.Helper()
	ctx := context.Background()
	var version string
	require.NoError(t, db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version))
	explain := "EXPLAIN "
	if strings.Contains(version, "MariaDB") {
		explain += "PARTITIONS " // MySQL tells without the word
	}
	args := make([]any, len(b.args))
	for i := range args {
		args[i] = b.args[i].Value
	}
	rows, err := db.QueryContext(ctx, explain+b.sql.String(), args...)
	require.NoError(t, err, b.sql.String())
	defer func() { require.NoError(t, rows.Close()) }()
	names, err := rows.Columns()
	require.NoError(t, err)
	lines := 0
	for rows.Next() {
		lines++
		values, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		for i, name := range names {
			switch name {
			case "partitions":
				p.partitions = values[i].String
			case "type":
				p.access = values[i].String
			case "key":
				p.key = values[i].String
			case "Extra":
				p.extra = values[i].String
			}
		}
	}
	require.NoError(t, rows.Err())
	require.Equal(t, 1, lines, "a list of values must not become a table of its own")
	return p
}

func TestMySQLPagesFollowTheirIndex(t *testing.T) {
	ctx := context.Background()
	cfg := mysqlConfig(t)(t)
	st := openTest(t, cfg, Options{})
	const day = 24 * 3600
	for month := range 3 {
		write(t, st, newEvents(month*31*day, month*31*day+2000))
	}
	db := mysqlAdmin(t, cfg)
	_, err := db.ExecContext(ctx, mysqlSession)
	require.NoError(t, err)
	check := func(b *builder, index string, several bool) {
		t.Helper()
		p := explainMySQL(t, db, b)
		require.Equal(t, index, p.key, b.sql.String())
		require.Contains(t, []string{"range", "ref", "eq_ref", "const"}, p.access, b.sql.String())
		require.NotContains(t, p.extra, "filesort", b.sql.String())
		require.NotContains(t, p.extra, "temporary", b.sql.String())
		if !several {
			require.Len(t, strings.Split(p.partitions, ","), 1, b.sql.String())
		}
	}
	equal := func(f activity.Field, v string) []activity.Filter {
		return []activity.Filter{{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{v}}}
	}
	at := activity.Position{Value: 5, Datetime: base + 50*int64(time.Second), ID: activity.ID{7}}
	request, login := []activity.Kind{activity.KindRequest}, []activity.Kind{activity.KindLogin}
	for _, c := range []struct {
		index string
		q     activity.Query
	}{
		{"time", activity.Query{}},
		{"time", activity.Query{After: at}},
		{"time", activity.Query{After: at, From: base, Order: activity.OldestFirst}},
		{"time", activity.Query{After: at, Filters: equal(activity.FieldURL, "/orders/3")}},
		{"user", activity.Query{Filters: equal(activity.FieldUserID, "user-1")}},
		{"addr", activity.Query{After: at, Filters: equal(activity.FieldRemoteIP, "10.0.0.1")}},
		{"object", activity.Query{Filters: equal(activity.FieldObjectID, "1")}},
		{"failed", activity.Query{Kinds: login, Filters: equal(activity.FieldType, "login_failed")}},
		{"key", activity.Query{Filters: equal(activity.FieldID, newEvent(3).ID.String())}},
		{"slow", activity.Query{Kinds: request, Order: activity.SlowestFirst}},
		{"slow", activity.Query{Kinds: request, After: at, Order: activity.FastestFirst}},
	} {
		c.q.Limit = 100
		require.NoError(t, st.read(ctx, func(s *session) error {
			x, err := st.newSearch(ctx, s, activity.Tenants(""), &c.q)
			require.NoError(t, err)
			streams, err := x.streams(ctx, x.segments, cursor{place: placeOf(c.q.After), set: !c.q.After.IsZero()}, 101)
			require.NoError(t, err)
			at := slices.IndexFunc(streams, func(st *stream) bool { return st.segment.lo <= base && base < st.segment.hi })
			require.GreaterOrEqual(t, at, 0)
			st := streams[at]
			b := &builder{dialect: s.dialect}
			x.residual(x.within(x.from(b, st, x.placeColumns()), st.span))
			b.add(x.orderBy(), " LIMIT ", b.arg(101))
			if c.index == keyIndex { // few rows, in any partition
				p := explainMySQL(t, db, b)
				require.Equal(t, "activity_key", p.key)
				return nil
			}
			check(b, "activity_"+c.index, false)
			return nil
		}))
	}

	// Rows by their place, the feed, and the keys of a batch.
	d := st.dialect
	page, err := st.Page(ctx, activity.AllTenants(), activity.Query{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, page.Events, 1000)
	stored := make([]int64, len(page.Events))
	for i := range stored {
		stored[i] = page.Events[i].StoredNS
	}
	rows := &builder{dialect: d}
	rows.add("SELECT ", selectList, " FROM ", d.source("", ""), " WHERE stored_ns IN ", rows.list(padded(stored)))
	rows.add(d.during(rows, page.Events[999].Datetime, page.Events[0].Datetime), " ORDER BY stored_ns")
	check(rows, "PRIMARY", false)
	feed := &builder{dialect: d}
	segs := mysqlRanges(t, cfg)
	home, _ := segs.find(base)
	feed.add("SELECT stored_ns, datetime_ns FROM ", d.source("", ""), " WHERE stored_ns > ", feed.arg(int64(math.MaxInt64/2)), segs[home].within(feed))
	feed.add(" ORDER BY stored_ns LIMIT ", feed.arg(100))
	check(feed, "PRIMARY", false)
	keys := &builder{dialect: d}
	keys.add("SELECT ", selectList, " FROM ", d.source("", keyIndex), " WHERE (id, datetime_ns, tenant_id) IN (")
	for i := range insertRows {
		if e := &page.Events[i]; i > 0 {
			keys.add(", ", keys.list([]driver.Value{e.ID[:], e.Datetime, e.TenantID}))
		} else {
			keys.add(keys.list([]driver.Value{e.ID[:], e.Datetime, e.TenantID}))
		}
	}
	check(keys.add(")"), "activity_key", false)
}
