package scylla

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func retain(t *testing.T, st *store, r storage.Retention) (deleted, held int64) {
	t.Helper()
	for more := true; more; {
		res, err := st.DeleteBefore(context.Background(), activity.AllTenants(), r)
		require.NoError(t, err)
		deleted, held = deleted+res.Deleted, held+res.Held
		more, r.After = res.More, res.Next
	}
	return deleted, held
}

// What retention leaves is nothing: no lookup and, once writers can no longer
// be at work in them, no bucket.
func TestRetentionLeavesNothingBehind(t *testing.T) {
	c := &clock{now: time.Now().Add(-2 * bucketGrace)}
	st := openTest(t, emptyKeyspace(t), Options{Now: c.Now})
	write(t, st, newEvents(0, 300)...)
	r := storage.Retention{Before: base + int64(10*time.Hour), Limit: 1000}

	deleted, _ := retain(t, st, storage.Retention{Before: r.Before, Limit: 1000, DryRun: true})
	require.Equal(t, int64(300), deleted)
	require.Equal(t, 300, rows(t, st, "events"))

	deleted, _ = retain(t, st, r)
	assert.Equal(t, int64(300), deleted)
	for _, table := range []string{"events", "ids", "lookups"} {
		assert.Zero(t, rows(t, st, table), table)
	}
	assert.Positive(t, rows(t, st, "buckets"), "a writer may be at work in them")

	// The buckets of events go with the next retention after the time of grace,
	// though nothing is in them any more.
	c.set(time.Now())
	deleted, _ = retain(t, st, r)
	assert.Zero(t, deleted)
	x, err := st.newSearch(context.Background(), activity.AllTenants(), &activity.Query{Limit: 1})
	require.NoError(t, err)
	e, err := x.nextEntry(context.Background())
	require.NoError(t, err)
	assert.Nil(t, e)
	assert.Zero(t, x.walk.hours, "no empty bucket is walked")
}

// However small the calls are, and kind by kind: no bucket stays when its last
// event goes.
func TestRetentionForgetsBucketsCallByCall(t *testing.T) {
	for _, limit := range []int{7, 1000} {
		for _, kinds := range [][][]activity.Kind{{nil}, {{activity.KindLogin}, {activity.KindSystem, activity.KindCRUD}, nil}} {
			c := &clock{now: time.Now().Add(-2 * bucketGrace)}
			st := openTest(t, emptyKeyspace(t), Options{Now: c.Now})
			write(t, st, newEvents(0, 50)...)
			c.set(time.Now())
			var deleted int64
			for _, k := range kinds {
				require.Positive(t, rows(t, st, "buckets"))
				n, _ := retain(t, st, storage.Retention{Kinds: k, Before: base + int64(10*time.Hour), Limit: limit})
				deleted += n
			}
			assert.Equal(t, int64(50), deleted)
			assert.Zero(t, rows(t, st, "buckets"), "limit %d, kinds %v", limit, kinds)
		}
	}
}

// What a writer put into the catalogue within the grace of the beginning stays,
// however long the reads take.
func TestTheGraceIsThatOfTheBeginning(t *testing.T) {
	start := time.Now().Add(-2 * bucketGrace)
	c := &clock{now: start}
	st := openTest(t, emptyKeyspace(t), Options{Now: c.Now})
	write(t, st, newEvents(0, 20)...)
	before := rows(t, st, "buckets")
	c.set(start.Add(bucketGrace - time.Minute))
	deleted, _ := retain(t, st, storage.Retention{
		Before: base + int64(10*time.Hour), Limit: 1000,
		Hold: func(*activity.Event) bool { // long reads
			c.set(start.Add(bucketGrace + time.Minute))
			return false
		},
	})
	require.Equal(t, int64(20), deleted)
	assert.Equal(t, before, rows(t, st, "buckets"))
}

// An event that arrives after retention has been through its hour is there: a
// tombstone of the partition would have swallowed it.
func TestALateEventOfAnEmptiedHourIsKept(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	write(t, st, newEvents(0, 20)...)
	r := storage.Retention{Before: base + int64(10*time.Hour), Limit: 7}
	retain(t, st, r)
	late := newEvents(20, 40)
	write(t, st, late...)
	n := 0
	for _, err := range st.Scan(context.Background(), activity.AllTenants(), activity.Query{}) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, len(late), n)
	assert.Equal(t, late[3].UserID, get(t, st, late[3].ID).UserID)
	assert.NotEmpty(t, pageOf(t, st, activity.FieldUserID, late[3].UserID))
	deleted, _ := retain(t, st, r)
	assert.Equal(t, int64(len(late)), deleted)
}

// A bucket with a held event stays in the catalogue, however the calls are cut.
func TestAHeldEventCanBeFound(t *testing.T) {
	for _, limit := range []int{1, 3, 1000} {
		c := &clock{now: time.Now().Add(-2 * bucketGrace)}
		st := openTest(t, emptyKeyspace(t), Options{Now: c.Now})
		write(t, st, newEvents(0, 20)...)
		c.set(time.Now())
		held := newEvent(11)
		r := storage.Retention{
			Before: base + int64(10*time.Hour), Limit: limit,
			Hold: func(e *activity.Event) bool { return e.ID == held.ID },
		}
		for range 2 {
			_, n := retain(t, st, r)
			assert.Equal(t, int64(1), n)
		}
		p, err := st.Page(context.Background(), activity.AllTenants(), activity.Query{Limit: 10})
		require.NoError(t, err)
		require.Len(t, p.Events, 1)
		assert.Equal(t, held.ID, p.Events[0].ID)
		assert.Len(t, pageOf(t, st, activity.FieldUserID, held.UserID), 1)
		deleted, _ := retain(t, st, storage.Retention{Before: r.Before, Limit: 10})
		assert.Equal(t, int64(1), deleted)
	}
}
