package sqldb

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// literal writes a bound value into a statement, for PREPARE takes no parameters.
func literal(t *testing.T, v driver.Value) string {
	t.Helper()
	switch x := v.(type) {
	case int64:
		return strconv.FormatInt(x, 10)
	case string:
		return "'" + strings.ReplaceAll(x, "'", "''") + "'"
	case []byte:
		return "'" + hex.EncodeToString(x) + "'" // of a UUID
	}
	require.Failf(t, "no literal", "%T", v)
	return ""
}

// explain gives the plan of a statement in a session of the store.
func explain(t *testing.T, c *session, b *builder) string {
	t.Helper()
	ctx := context.Background()
	literals := make([]string, len(b.args))
	for i, a := range b.args {
		literals[i] = literal(t, a.Value)
	}
	require.NoError(t, c.exec(ctx, "PREPARE explained AS "+b.sql.String()), b.sql.String())
	run := "EXPLAIN (COSTS OFF) EXECUTE explained"
	if len(literals) > 0 {
		run += "(" + strings.Join(literals, ", ") + ")"
	}
	lines, err := texts(ctx, c.conn, run)
	require.NoError(t, err, run)
	require.NoError(t, c.exec(ctx, "DEALLOCATE explained"))
	return strings.Join(lines, "\n")
}

var (
	sorts    = regexp.MustCompile(`(?m)^\s*(->\s+)?(Incremental )?Sort$`)
	scansOne = regexp.MustCompile(`(Seq|Bitmap \w+|Tid \w+|Function) Scan`)
	usedBy   = regexp.MustCompile(`Index (?:Only )?Scan(?: Backward)? using (\S+) on (\S+)`)
)

func TestPostgresPagesFollowTheirIndex(t *testing.T) {
	ctx := context.Background()
	cfg := postgresConfig(t)(t)
	st := openTest(t, cfg, Options{})
	const day = 24 * 3600
	for month := range 3 {
		write(t, st, newEvents(month*31*day, month*31*day+3000))
	}
	parents := map[string]string{} // of the index of a partition
	rows, err := postgresAdmin(t, cfg).QueryContext(ctx, "SELECT inhrelid::regclass::text, inhparent::regclass::text FROM pg_inherits")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var child, parent string
		require.NoError(t, rows.Scan(&child, &parent))
		parents[child] = parent
	}
	require.NoError(t, rows.Err())

	check := func(plan, index string, partitions int) {
		t.Helper()
		require.NotRegexp(t, sorts, plan)
		require.NotRegexp(t, scansOne, plan)
		used := usedBy.FindAllStringSubmatch(plan, -1)
		require.NotEmpty(t, used, plan)
		for _, u := range used {
			require.Equal(t, "activity_events_"+index, parents[u[1]], plan)
		}
		if partitions > 0 {
			require.LessOrEqual(t, len(used), partitions, plan)
		}
	}
	both := []string{"before ANALYZE", "after"}
	for _, when := range both {
		if when == "after" {
			execute(t, cfg, "ANALYZE activity_events")
		}
		// partitions is how many may be read, 0 = any number.
		f := func(q activity.Query, index string, partitions int) {
			t.Helper()
			q.Limit = 100
			require.NoError(t, st.read(ctx, func(c *session) error {
				x, err := st.newSearch(ctx, c, activity.Tenants(""), &q)
				require.NoError(t, err)
				streams, err := x.streams(ctx, x.segments, cursor{place: placeOf(q.After), set: !q.After.IsZero()}, 101)
				require.NoError(t, err)
				require.NotEmpty(t, streams)
				s := streams[0]
				if x.plan.index != keyIndex {
					kinds, tenant := &builder{dialect: st.dialect}, ""
					x.firstFrom(kinds, s.segment, "kind", &tenant, " > ", "cors")
					if x.plan.column == "" {
						check(explain(t, c, kinds), "time", 0)
					} else {
						check(explain(t, c, kinds), index, 0)
					}
				}
				b := &builder{dialect: st.dialect}
				x.residual(x.within(x.from(b, s, x.placeColumns()), s.span))
				check(explain(t, c, b.add(x.orderBy(), " LIMIT ", b.arg(101))), index, partitions)
				window := &builder{dialect: st.dialect} // as of a query that tests rows
				x.within(x.from(window, s, x.placeColumns()), s.span)
				check(explain(t, c, window.add(x.orderBy(), " LIMIT 1 OFFSET ", window.arg(4999))), index, partitions)
				return nil
			}), when)
		}
		equal := func(f activity.Field, v string) []activity.Filter {
			return []activity.Filter{{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{v}}}
		}
		login := []activity.Kind{activity.KindLogin}
		request := []activity.Kind{activity.KindRequest}
		at := activity.Position{Value: 5, Datetime: base + 50*int64(time.Second), ID: activity.ID{7}}
		month := base + 29*day*int64(time.Second)
		f(activity.Query{}, "time", 0)
		f(activity.Query{After: at, From: base, To: month}, "time", 2) // with the default partition
		f(activity.Query{After: at, From: base, Order: activity.OldestFirst}, "time", 0)
		f(activity.Query{After: at, From: base, Filters: equal(activity.FieldURL, "/orders/3")}, "time", 2)
		f(activity.Query{After: at, From: base, Filters: equal(activity.FieldUserID, "user-1")}, "user", 2)
		f(activity.Query{Filters: equal(activity.FieldUserID, "user-1")}, "user", 0)
		f(activity.Query{Filters: equal(activity.FieldRemoteIP, "10.0.0.1")}, "addr", 0)
		f(activity.Query{Filters: equal(activity.FieldObjectID, "1")}, "object", 0)
		f(activity.Query{Kinds: login, Filters: equal(activity.FieldType, "login_failed")}, "failed", 0)
		f(activity.Query{Filters: equal(activity.FieldID, newEvent(3).ID.String())}, "key", 0)
		f(activity.Query{Kinds: request, Order: activity.SlowestFirst}, "slow", 0)
		f(activity.Query{Kinds: request, After: at, Order: activity.FastestFirst}, "slow", 0)

		require.NoError(t, st.read(ctx, func(c *session) error {
			feed := &builder{dialect: st.dialect}
			feed.add("SELECT stored_ns, datetime_ns FROM activity_events WHERE stored_ns > ", feed.arg(base), " ORDER BY stored_ns LIMIT ", feed.arg(100))
			check(explain(t, c, feed), "stored", 0)
			rows := &builder{dialect: st.dialect}
			rows.add("SELECT * FROM activity_events WHERE stored_ns IN ", rows.list([]driver.Value{base, base + 1}), st.dialect.during(rows, base, month), " ORDER BY stored_ns")
			// The rows of a page, at most 1000, may be sorted.
			check(sorts.ReplaceAllString(explain(t, c, rows), ""), "stored", 2)
			segs, err := st.dialect.catalogue(ctx, c)
			require.NoError(t, err)
			skip := &builder{dialect: st.dialect}
			skip.add("SELECT tenant_id FROM activity_events WHERE tenant_id > ", skip.arg(""), segs[0].within(skip), " ORDER BY tenant_id LIMIT 1")
			check(explain(t, c, skip), "time", 3)
			return nil
		}), when)
	}
}
