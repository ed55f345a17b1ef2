package scylla

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

const year = 365 * 24 * time.Hour

// A tenant with few events costs few reads, however far they are apart.
func TestASparseTenantWalksNoEmptyHours(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	busy := newEvents(0, 50)
	for i := range busy {
		busy[i].Datetime += int64(i) * int64(10*24*time.Hour)
	}
	write(t, st, busy...)
	var sparse []activity.Event
	for i := range 3 {
		e := newEvent(i)
		e.TenantID, e.Datetime = "sparse", base+int64(i)*int64(5*year)
		sparse = append(sparse, e)
	}
	write(t, st, sparse...)
	x, err := st.newSearch(context.Background(), activity.Tenants("sparse"), &activity.Query{Limit: 10})
	require.NoError(t, err)
	for i := range 3 {
		e, _, err := x.next(context.Background())
		require.NoError(t, err)
		assert.Equal(t, sparse[2-i].ID, e.record.ID)
	}
	e, stop, err := x.next(context.Background())
	require.NoError(t, err)
	assert.Nil(t, e)
	assert.Nil(t, stop)
	assert.Equal(t, 3, x.walk.hours)
	assert.Empty(t, x.walk.visited, "only who deletes asks for them: over years they are millions")
}

// A page tests a bounded number of events and says where to go on; nothing is
// left out or given twice, whatever the bound and the direction.
func TestAPageTestsABoundedNumberOfEvents(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	events := newEvents(0, 60)
	for i := range events {
		events[i].Datetime = base + int64(i)*int64(7*time.Minute) // over several hours
	}
	write(t, st, events...)
	by := func(f activity.Field, v string) []activity.Filter {
		return []activity.Filter{{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{v}}}
	}
	for _, filters := range [][]activity.Filter{
		by(activity.FieldUsername, "Name 3"),
		append(by(activity.FieldUserID, "user-3"), by(activity.FieldRemoteIP, "10.0.0.5")...),
		append(by(activity.FieldRemoteIP, "10.0.0.5"), by(activity.FieldURL, "/orders/5")...),
	} {
		for _, bound := range []int{1, 7, 1000} {
			for _, budget := range []time.Duration{0, time.Nanosecond} {
				for _, order := range []activity.Order{activity.NewestFirst, activity.OldestFirst} {
					st.maxTested = bound
					q := activity.Query{Filters: filters, Limit: 5, Order: order, Budget: budget}
					var got, want []string
					for i := range events {
						if matches(filters, &events[i]) {
							want = append(want, events[i].URL)
						}
					}
					if order == activity.NewestFirst {
						slices.Reverse(want)
					}
					incomplete := 0
					for pages := 0; ; pages++ {
						require.Less(t, pages, 500)
						p, err := st.Page(context.Background(), activity.AllTenants(), q)
						require.NoError(t, err)
						for i := range p.Events {
							got = append(got, p.Events[i].URL)
						}
						if !p.Complete {
							incomplete++
						}
						if q.After = p.Next; q.After.IsZero() {
							break
						}
					}
					assert.Equal(t, want, got, "bound %d, budget %s", bound, budget)
					if bound == 7 && filters[0].Fields[0] == activity.FieldUsername {
						assert.Positive(t, incomplete)
					}
				}
			}
		}
	}
}

// The kinds of a query hold whatever way its events are found.
func TestKindsHoldInLookups(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	events := newEvents(0, 200)
	write(t, st, events...)
	for _, f := range []activity.Filter{
		{Fields: []activity.Field{activity.FieldUserID}, Op: activity.OpIn, Text: []string{"user-1", "user-2", "user-1"}},
		{Fields: []activity.Field{activity.FieldObjectID}, Op: activity.OpEqual, Text: []string{"3"}},
		{Fields: []activity.Field{activity.FieldID}, Op: activity.OpIn, Text: []string{events[1].ID.String(), events[2].ID.String()}},
	} {
		for _, kinds := range [][]activity.Kind{nil, {activity.KindLogin}, {activity.KindLogin, activity.KindSystem}} {
			q := activity.Query{Kinds: kinds, Filters: []activity.Filter{f}, Limit: 100, Order: activity.OldestFirst}
			p, err := st.Page(context.Background(), activity.AllTenants(), q)
			require.NoError(t, err)
			var want, got []string
			for i := range events {
				if matches(q.Filters, &events[i]) && wantsKind(kinds, events[i].Kind.String()) {
					want = append(want, events[i].URL)
				}
			}
			for i := range p.Events {
				got = append(got, p.Events[i].URL)
			}
			require.NotEmpty(t, want)
			assert.Equal(t, want, got, "%v %v", f.Text, kinds)
		}
	}
}

func TestAScopeOfManyTenants(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	events := newEvents(0, 200)
	for i := range events {
		events[i].TenantID = string(rune('A' + i%50))
	}
	write(t, st, events...)
	p, err := st.Page(context.Background(), activity.AllTenants(), activity.Query{Limit: 1000})
	require.NoError(t, err)
	assert.Len(t, p.Events, 200)
	p, err = st.Page(context.Background(), activity.Tenants("B", "C", "none"), activity.Query{Limit: 1000})
	require.NoError(t, err)
	assert.Len(t, p.Events, 8)
}

func TestHoursAndShards(t *testing.T) {
	for _, ns := range []int64{-1 << 63, -nsPerHour - 1, -nsPerHour, -1, 0, 1, nsPerHour - 1, nsPerHour, base, 1<<63 - 1} {
		h := hourOf(ns)
		assert.LessOrEqual(t, hourStart(h), ns)
		assert.GreaterOrEqual(t, hourEnd(h), ns)
		assert.Zero(t, h%msPerHour)
	}
	count := make([]int, 8)
	for i := range 8000 {
		count[shardOf(newEvent(i).ID, 8)]++
	}
	for _, n := range count {
		assert.InDelta(t, 1000, n, 150)
	}
}
