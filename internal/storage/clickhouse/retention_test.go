package clickhouse

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// monthly makes n events in each of three months, oldest first.
func monthly(n int) []activity.Event {
	var out []activity.Event
	for m := range 3 {
		for i := range n {
			e := newEvent(m*n + i)
			e.Datetime = time.Date(2026, time.Month(1+m), 5, 0, 0, i, 0, time.UTC).UnixNano()
			out = append(out, sealedWith(e, 1))
		}
	}
	return out
}

func TestRetentionDropsWholeMonths(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t), Options{})
	write(t, st, monthly(50))
	r := storage.Retention{Before: time.Date(2026, 3, 5, 0, 0, 10, 0, time.UTC).UnixNano(), Limit: 20}
	var deleted []int64
	for more := true; more; {
		res, err := st.DeleteBefore(ctx, allTenants, r)
		require.NoError(t, err)
		deleted = append(deleted, res.Deleted)
		more, r.After = res.More, res.Next
	}
	require.Equal(t, []int64{50, 50, 10}, deleted, "two months whole, then rows")
	require.Len(t, scanned(t, st, activity.Query{}), 40)
	require.EqualValues(t, 0, number(t, st, "SELECT toInt64(count()) FROM system.parts WHERE active AND database = currentDatabase() AND partition IN ('202601', '202602')"))
}

// Deleting rows only marks them: the files go with the month.
func TestAMonthWhoseRowsWereDeletedIsDropped(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t), Options{})
	write(t, st, monthly(30))
	inJanuary := "SELECT toInt64(sum(rows)) FROM system.parts WHERE active AND database = currentDatabase() AND partition = '202601'"
	r := storage.Retention{Before: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC).UnixNano(), Limit: 100, Hold: func(*activity.Event) bool { return false }}
	res, err := st.DeleteBefore(ctx, allTenants, r)
	require.NoError(t, err)
	require.EqualValues(t, 30, res.Deleted)
	require.Len(t, scanned(t, st, activity.Query{}), 60)
	require.EqualValues(t, 30, number(t, st, inJanuary))
	r.Hold = nil
	res, err = st.DeleteBefore(ctx, allTenants, r)
	require.NoError(t, err)
	require.Zero(t, res.Deleted)
	require.True(t, res.More)
	require.EqualValues(t, 0, number(t, st, inJanuary))
}

// A month above the server's max_partition_size_to_drop goes, too, and one that
// cannot be counted.
func TestALargeMonthIsDropped(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t)
	p := behind(t, &cfg)
	st := openTest(t, cfg, Options{})
	run(t, st, "SYSTEM STOP MERGES activity_events")
	for range 2 {
		write(t, st, monthly(20))
	}
	r := storage.Retention{Before: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC).UnixNano(), Limit: 100}
	events := fault{match: "SELECT toInt64(count()) FROM activity_events FINAL WHERE", code: "159"}
	rows := fault{match: "SELECT toInt64(count()) FROM activity_events WHERE", code: "241"}
	for _, c := range []struct {
		faults  []fault
		deleted int64
	}{{nil, 20}, {[]fault{events}, 40}, {[]fault{events, rows}, 0}} {
		p.plan(c.faults...)
		res, err := st.DeleteBefore(ctx, allTenants, r)
		require.NoError(t, err)
		require.Equal(t, c.deleted, res.Deleted)
		require.True(t, res.More)
	}
	require.Empty(t, scanned(t, st, activity.Query{}))
	drops := p.seen("DROP PARTITION")
	require.Len(t, drops, 3)
	for _, d := range drops {
		require.Equal(t, []string{"0"}, d.settings["max_partition_size_to_drop"])
	}
}

func TestRetentionKeepsWhatIsHeld(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t), Options{})
	events := monthly(600)
	write(t, st, events)
	write(t, st, events[:100]) // doubles that no merge has seen
	twin := events[0]          // the same id and time in another tenant, held
	twin.TenantID, twin.UserID = "acme", "held"
	write(t, st, []activity.Event{twin})
	held := func(e *activity.Event) bool {
		return e.UserID == "user-1" || e.UserID == "held" || e.Datetime > events[1200].Datetime
	}
	r := storage.Retention{Before: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), Limit: 1000, Hold: held}
	var deleted, kept int64
	calls := 0
	for more := true; more; calls++ {
		res, err := st.DeleteBefore(ctx, allTenants, r)
		require.NoError(t, err)
		deleted, kept = deleted+res.Deleted, kept+res.Held
		more, r.After = res.More, res.Next
	}
	require.Greater(t, calls, 2, "bounded")
	want := 0
	for i := range events {
		if held(&events[i]) {
			want++
		}
	}
	// A twin at the end of a call waits for the next round.
	rest := scanned(t, st, activity.Query{})
	require.Len(t, rest, want+1)
	for i := range rest {
		require.True(t, held(&rest[i]))
	}
	require.EqualValues(t, len(events)-want, deleted)
	require.GreaterOrEqual(t, kept, int64(want))
}

func TestErasureLeavesNoCopyAndNoName(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t), Options{})
	events := monthly(60)
	write(t, st, events)
	write(t, st, events) // copies that no merge has replaced
	res, err := st.Erase(ctx, allTenants, storage.Erasure{UserID: "user-1", Group: activity.GroupPersonal, Limit: 1000})
	require.NoError(t, err)
	want := 0
	for i := range events {
		if events[i].UserID == "user-1" {
			want++
		}
	}
	require.EqualValues(t, want, res.Erased)
	require.EqualValues(t, 0, number(t, st, "SELECT toInt64(count()) FROM activity_events WHERE user_id = 'user-1' OR username = 'Name 1'"))
	require.EqualValues(t, 0, number(t, st, "SELECT toInt64(count()) FROM system.mutations WHERE database = currentDatabase() AND command LIKE '%user-1%'"))
	require.EqualValues(t, 1, number(t, st, "SELECT toInt64(count()) FROM system.mutations WHERE database = currentDatabase() AND is_done"))
	var enc canonical.Encoder
	forgotten := 0
	for _, e := range scanned(t, st, activity.Query{}) {
		require.Equal(t, canonical.Verified, enc.Verify(&e))
		if e.Erased(activity.GroupPersonal) {
			forgotten++
		}
	}
	require.Equal(t, want, forgotten)

	// A late retry with the content loses to the erased row.
	write(t, st, events)
	page, err := st.Page(ctx, allTenants, activity.Query{Limit: 1, Filters: []activity.Filter{
		{Fields: []activity.Field{activity.FieldUserID}, Op: activity.OpEqual, Text: []string{"user-1"}},
	}})
	require.NoError(t, err)
	require.Empty(t, page.Events)
	again, err := st.Erase(ctx, allTenants, storage.Erasure{UserID: "user-1", Group: activity.GroupPersonal, Limit: 1000})
	require.NoError(t, err)
	require.Zero(t, again.Erased)
	require.EqualValues(t, 0, number(t, st, "SELECT toInt64(count()) FROM activity_events WHERE user_id = 'user-1'"))
}

// What is accepted while the hold looks at the oldest events is not deleted,
// though it lies among them and nobody has asked whether it is held.
func TestRetentionLeavesWhatCameAfterItBegan(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t), Options{})
	events := monthly(20)
	write(t, st, events)
	late := events[3]
	late.ID[1]++
	came := false
	res, err := st.DeleteBefore(ctx, allTenants, storage.Retention{
		Before: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), Limit: 1000,
		Hold: func(*activity.Event) bool {
			if !came {
				came = true
				write(t, st, []activity.Event{late})
			}
			return false
		},
	})
	require.NoError(t, err)
	require.EqualValues(t, len(events), res.Deleted)
	rest := scanned(t, st, activity.Query{})
	require.Len(t, rest, 1)
	require.Equal(t, late.ID, rest[0].ID)
}
