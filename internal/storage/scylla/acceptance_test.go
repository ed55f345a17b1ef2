package scylla

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

var base = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC).UnixNano()

// newEvent makes the i-th of a series of events, one second apart, sealed.
func newEvent(i int) activity.Event {
	e := activity.Event{
		Kind: activity.Kinds()[i%5], Datetime: base + int64(i)*int64(time.Second), ReceivedAt: base + int64(i)*int64(time.Second) + 1000,
		Service: "shop", UserID: fmt.Sprintf("user-%d", i%7), Username: fmt.Sprintf("Name %d", i%7), RemoteIP: fmt.Sprintf("10.0.0.%d", i%11),
		ObjectID: strconv.Itoa(i % 13), ContentType: "shop.order", URL: fmt.Sprintf("/orders/%d", i), Method: "GET", ResponseStatus: 200,
		Message: "hello", Action: "test",
	}
	binary.BigEndian.PutUint64(e.ID[8:], uint64(i)+1)
	seal(&e, byte(i))
	return e
}

func newEvents(from, to int) []activity.Event {
	var out []activity.Event
	for i := from; i < to; i++ {
		out = append(out, newEvent(i))
	}
	return out
}

func seal(e *activity.Event, salt byte) {
	var salts [32]byte
	for i := range salts {
		salts[i] = salt | 1
	}
	var enc canonical.Encoder
	enc.Seal(e, &salts)
}

// accepted gives another acceptance of the event i: received at another time,
// sealed with other salts, and every group says something else, so that a
// mixture of two does not verify.
func accepted(i int, received int64, name string) activity.Event {
	e := newEvent(i)
	e.ReceivedAt, e.Producer, e.City, e.ExtraData = received, name, name, `"`+name+`"`
	seal(&e, name[0])
	return e
}

func write(t *testing.T, st *store, events ...activity.Event) {
	t.Helper()
	res, err := st.Write(context.Background(), events)
	require.NoError(t, err)
	require.Equal(t, len(events), res.Written)
}

func get(t *testing.T, st *store, id activity.ID) activity.Event {
	t.Helper()
	e, err := st.Get(context.Background(), activity.AllTenants(), id)
	require.NoError(t, err)
	var enc canonical.Encoder
	require.Equal(t, canonical.Verified, enc.Verify(&e), "what is read back verifies: %+v", e)
	return e
}

func pageOf(t *testing.T, st *store, field activity.Field, value string) []activity.Event {
	t.Helper()
	p, err := st.Page(context.Background(), activity.AllTenants(), activity.Query{Limit: 1000, Filters: []activity.Filter{
		{Fields: []activity.Field{field}, Op: activity.OpEqual, Text: []string{value}},
	}})
	require.NoError(t, err)
	require.True(t, p.Complete)
	return p.Events
}

// clock gives the times it is set to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// Two acceptances of one key, written in either order, by one process and by
// two, read back as the one received first, whole.
func TestEarliestAcceptanceWinsWhole(t *testing.T) {
	cfg := emptyKeyspace(t)
	one, two := openTest(t, cfg, Options{}), openTest(t, cfg, Options{})
	n := 0
	for _, late := range []int64{1, int64(time.Microsecond), int64(time.Hour), int64(100 * 24 * time.Hour)} {
		for _, stores := range [][2]*store{{one, one}, {one, two}} {
			for _, earlierFirst := range []bool{true, false} {
				n++
				at := newEvent(n).ReceivedAt
				early, later := accepted(n, at, "early"), accepted(n, at+late, "zlater")
				if earlierFirst {
					write(t, stores[0], early)
					write(t, stores[1], later)
				} else {
					write(t, stores[0], later)
					write(t, stores[1], early)
				}
				got := get(t, one, early.ID)
				got.StoredNS = 0
				assert.Equal(t, early, got, "received %d ns apart, the earlier written first: %v", late, earlierFirst)
			}
		}
	}
	assert.Equal(t, n, rows(t, one, "events"))
}

// In one nanosecond: the one that was stored first, whole, whatever the bytes
// of its cells and the order in which the database gets them.
func TestTiesAreBrokenForTheWholeRow(t *testing.T) {
	cfg := emptyKeyspace(t)
	c := &clock{}
	one, two := openTest(t, cfg, Options{Now: c.Now}), openTest(t, cfg, Options{Now: c.Now})
	now := time.Now()
	for n, order := range [][2]int{{0, 1}, {1, 0}} {
		at := newEvent(n).ReceivedAt
		// Each name is the larger in some cell: a comparison cell by cell mixes them.
		a, b := accepted(n, at, "first"), accepted(n, at, "second")
		a.Message, b.Message = "zzz", "aaa"
		seal(&a, 1)
		seal(&b, 200)
		both := [2]func(){
			func() { c.set(now); write(t, one, a) },
			func() { c.set(now.Add(time.Second)); write(t, two, b) },
		}
		both[order[0]]()
		both[order[1]]()
		got := get(t, one, a.ID)
		got.StoredNS = 0
		assert.Equal(t, a, got, "written in the order %v", order)
	}
	// Stored in the same nanosecond by two processes as well: one of them, whole.
	for i := 10; i < 40; i++ {
		at := newEvent(i).ReceivedAt
		a, b := accepted(i, at, "first"), accepted(i, at, "second")
		if i%2 == 0 {
			a.Message, b.Message = b.Message+"zz", a.Message
			seal(&a, 1)
		}
		one.lastStored, two.lastStored = 0, 0
		c.set(now)
		write(t, one, a)
		write(t, two, b)
		got := get(t, two, a.ID)
		got.StoredNS = 0
		assert.Contains(t, []activity.Event{a, b}, got)
	}
}

// What an acceptance is never mixed of holds for writers that race, too.
func TestRacingAcceptances(t *testing.T) {
	cfg := emptyKeyspace(t)
	st := openTest(t, cfg, Options{})
	const events, racers = 20, 4
	var owned sync.WaitGroup
	for r := range racers {
		other := openTest(t, cfg, Options{})
		owned.Go(func() {
			for i := range events {
				e := accepted(i, newEvent(i).ReceivedAt+int64((r+i)%racers), string(rune('a'+r)))
				if _, err := other.Write(context.Background(), []activity.Event{e}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	owned.Wait()
	for i := range events {
		got := get(t, st, newEvent(i).ID)
		assert.Equal(t, newEvent(i).ReceivedAt, got.ReceivedAt)
	}
}

// A lookup without its event, which a crash leaves behind, leads nowhere; the
// retry completes it.
func TestACrashBetweenLookupsAndEvent(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	ctx := context.Background()
	require.NoError(t, st.settle(ctx))
	e := newEvent(1)
	var lookups, row work
	buckets := st.addLookups(&lookups, &e)
	buckets = append(buckets, st.addRow(&row, newAcceptance(&e, 1, 1)))
	require.NoError(t, st.catalogue(ctx, buckets))
	require.NoError(t, st.run(ctx, &lookups))

	_, err := st.Get(ctx, activity.AllTenants(), e.ID)
	require.ErrorIs(t, err, activity.ErrNotFound)
	assert.Empty(t, pageOf(t, st, activity.FieldUserID, e.UserID))
	_, err = st.Erase(ctx, activity.AllTenants(), storage.Erasure{UserID: e.UserID, Group: activity.GroupPersonal, Limit: 10})
	require.NoError(t, err)

	write(t, st, e)
	assert.Len(t, pageOf(t, st, activity.FieldUserID, e.UserID), 1, "an erasure leaves alone what may be on its way")
}

func TestAnEventTooLargeForTheServerIsRefusedAlone(t *testing.T) {
	st := openTest(t, emptyKeyspace(t), Options{})
	events := newEvents(0, 9)
	events[4].Traceback = string(make([]byte, 6<<20))
	res, err := st.Write(context.Background(), events)
	require.NoError(t, err)
	assert.Equal(t, 8, res.Written)
	require.Len(t, res.Refused, 1)
	assert.Equal(t, 4, res.Refused[0].Index)
	require.ErrorIs(t, res.Refused[0].Err, storage.ErrContent)
	assert.Equal(t, 8, rows(t, st, "events"))
}

// A commit is small enough to end while its caller waits, and goes on without one.
func TestACommitIsBounded(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gone := func() time.Time { // the first commit asks for the time
		cancel()
		return time.Now()
	}
	cfg := emptyKeyspace(t)
	st := open(t, cfg, Options{Now: gone})
	_, err := st.Write(ctx, newEvents(0, maxCommit+500))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, st.Close())
	assert.Equal(t, maxCommit, rows(t, openTest(t, cfg, Options{}), "events"))
}
