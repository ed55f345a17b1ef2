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

func erasePerson(t *testing.T, st *store, user string) int64 {
	t.Helper()
	res, err := st.Erase(context.Background(), activity.AllTenants(), storage.Erasure{UserID: user, Group: activity.GroupPersonal, Limit: 1000})
	require.NoError(t, err)
	require.False(t, res.More)
	return res.Erased
}

// An acceptance that comes after an erasure, received before or after the one
// that was erased, brings nobody back, and the row verifies.
func TestErasureWinsForEver(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	at := newEvent(3).ReceivedAt
	write(t, st, accepted(3, at, "original"), newEvent(4))
	require.Equal(t, int64(1), erasePerson(t, st, "user-3"))

	for _, late := range []activity.Event{
		accepted(3, at+int64(time.Hour), "later"), accepted(3, at-int64(time.Hour), "earlier"), accepted(3, at-int64(48*time.Hour), "earliest"),
	} {
		write(t, st, late)
		got := get(t, st, late.ID)
		assert.True(t, got.Erased(activity.GroupPersonal))
		assert.Empty(t, got.UserID+got.City+got.RemoteIP+got.ObjectID)
		assert.False(t, got.Erased(activity.GroupContent))
		for field, value := range map[activity.Field]string{
			activity.FieldUserID: "user-3", activity.FieldRemoteIP: late.RemoteIP, activity.FieldObjectID: late.ObjectID,
		} {
			assert.Empty(t, pageOf(t, st, field, value))
			var n int
			require.NoError(t, st.session.Query(st.named("SELECT count(*) FROM {keyspace}.lookups WHERE tenant_id = '' AND field = ? AND value = ? AND hour = ?"),
				field.String(), []byte(digest(field, value)), hourOf(late.Datetime)).Scan(&n))
			assert.Zero(t, n, "the lookup of %s is gone", field)
		}
	}
	assert.Equal(t, "earliest", get(t, st, newEvent(3).ID).Producer, "what is left is the earliest acceptance")
	assert.Zero(t, erasePerson(t, st, "user-3"))
	assert.Len(t, pageOf(t, st, activity.FieldUserID, "user-4"), 1)
}

// Two erasures at the same time, of a person and of an object's content, both
// take effect: neither reads and writes back what the other empties.
func TestErasuresOfBothGroupsDoNotUndoEachOther(t *testing.T) {
	cfg := emptyKeyspace(t)
	one, two := openTest(t, cfg, Options{}), openTest(t, cfg, Options{})
	ctx := context.Background()
	events := make([]activity.Event, 60)
	for i := range events {
		e := newEvent(i)
		e.UserID, e.ObjectID = "ann", "7"
		seal(&e, byte(i))
		events[i] = e
	}
	write(t, one, events...)
	other := make(chan error, 1)
	go func() {
		_, err := two.Erase(ctx, activity.AllTenants(), storage.Erasure{ContentType: "shop.order", ObjectID: "7", Group: activity.GroupContent, Limit: 1000})
		other <- err
	}()
	erasePerson(t, one, "ann")
	require.NoError(t, <-other)
	for i := range events {
		got := get(t, one, events[i].ID)
		assert.True(t, got.Erased(activity.GroupPersonal), i)
	}
	// Those that the other had not come to when their object was forgotten.
	assert.Empty(t, pageOf(t, one, activity.FieldObjectID, "7"))
}

// A run that was cut short between the cell and its lookups is completed by the next.
func TestAnErasureCutShortIsCompleted(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	e := newEvent(1)
	write(t, st, e)
	b := st.eventBucket(&e)
	require.NoError(t, st.session.Query(st.cql.erasePerson, time.Now().UnixMicro(), erased(1), b.tenant, b.source, b.hour, b.shard, e.Datetime, e.ID[:]).Exec())
	require.Equal(t, 3, rows(t, st, "lookups"))
	assert.Zero(t, erasePerson(t, st, e.UserID))
	assert.Equal(t, 2, rows(t, st, "lookups"), "the lookup of the person is gone")
}

// No digest of an erased person stays in the catalogue.
func TestAnErasureForgetsItsBuckets(t *testing.T) {
	c := &clock{now: time.Now().Add(-2 * bucketGrace)}
	st := openTest(t, emptyKeyspace(t), Options{Now: c.Now})
	write(t, st, newEvent(1), newEvent(2))
	require.Equal(t, 8, rows(t, st, "buckets"))
	require.Equal(t, int64(1), erasePerson(t, st, "user-1"))
	assert.Equal(t, 8, rows(t, st, "buckets"), "a writer may be at work in them")
	c.set(time.Now())
	require.Zero(t, erasePerson(t, st, "user-1"))
	assert.Equal(t, 7, rows(t, st, "buckets"), "that of the user goes with the next erasure")
	require.Equal(t, int64(1), erasePerson(t, st, "user-2"))
	assert.Equal(t, 4, rows(t, st, "buckets"), "those of the user, the address and the object")
}

// An unsealed event has no salts: it is emptied and stays unsealed.
func TestAnUnsealedEventIsEmptied(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	e := newEvent(1)
	e.IntegrityHash, e.IntegritySalts, e.IntegrityCommitments, e.SchemaVersion = nil, nil, nil, 0
	write(t, st, e)
	require.Equal(t, int64(1), erasePerson(t, st, e.UserID))
	got, err := st.Get(context.Background(), activity.AllTenants(), e.ID)
	require.NoError(t, err)
	e.Erase(activity.GroupPersonal)
	got.StoredNS = 0
	assert.Equal(t, e, got)
}

// Nobody is named outside the three cells.
func TestNoValueIsInAKey(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	e := newEvent(1)
	e.UserID = "ann@example.com"
	seal(&e, 1)
	write(t, st, e)
	for _, table := range []string{"ids", "lookups", "buckets", "tenants"} {
		iter := st.session.Query(st.named("SELECT * FROM {keyspace}." + table)).Iter()
		all, err := iter.SliceMap()
		require.NoError(t, err)
		require.NotEmpty(t, all)
		for _, row := range all {
			for column, value := range row {
				for _, secret := range []string{e.UserID, e.RemoteIP, e.Username} {
					assert.NotContains(t, toText(value), secret, "%s.%s", table, column)
				}
			}
		}
	}
}

func toText(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case []byte:
		return string(x)
	}
	return ""
}
