package storagetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Factory opens stores for the suite.
type Factory struct {
	// Open gives a fresh, empty, migrated store and closes it with the test.
	Open func(t *testing.T) storage.Store
	// Reopen closes the store and opens what it kept; nil when it keeps nothing.
	Reopen func(t *testing.T, s storage.Store) storage.Store
	// Settle is how long after a write the feed may hold an event back.
	Settle time.Duration
}

// env is what a case works with.
type env struct {
	storage.Store
	factory Factory
}

type testCase struct {
	name string
	run  func(t *testing.T, s *env)
}

// Run holds the stores of the factory to the contract, each case with a store
// of its own. It fails when no case ran.
func Run(t *testing.T, f Factory) {
	t.Helper()
	var ran atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d conformance cases ran", ran.Load())
		assert.Positive(t, ran.Load(), "no conformance case ran")
	})
	for _, area := range []struct {
		name  string
		cases []testCase
	}{
		{"write", writeCases},
		{"read", readCases},
		{"page", pageCases},
		{"feed", feedCases},
		{"aggregate", aggregateCases},
		{"retention", retentionCases},
		{"erasure", erasureCases},
		{"tenants", tenantCases},
		{"limits", limitCases},
		{"canonical vectors", vectorCases},
		{"faults", faultCases},
	} {
		t.Run(area.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range area.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					ran.Add(1)
					c.run(t, &env{Store: f.Open(t), factory: f})
				})
			}
		})
	}
}

// epoch is when the suite's events happen.
var epoch = time.Date(2026, 3, 31, 23, 55, 0, 0, time.UTC).UnixNano()

// everything selects all events.
var everything = activity.AllTenants()

// newEvent makes the i-th of a series, a second apart, sealed.
func newEvent(i int) activity.Event {
	e := activity.Event{
		Kind: activity.Kinds()[i%5], Datetime: epoch + int64(i)*int64(time.Second), ReceivedAt: epoch + int64(i) + 1,
		TenantID: []string{"", "acme"}[i%2], Service: "shop", Producer: "pod-1", ProducerSeq: int64(i),
		Action: fmt.Sprintf("Act%d", i%3), Outcome: activity.OutcomeSuccess, SeverityNumber: int64(i % 25),
		UserID: fmt.Sprintf("user-%d", i%4), Username: fmt.Sprintf("Name %d", i%4), AuthVerified: activity.AuthNotChecked,
		RemoteIP: fmt.Sprintf("10.0.0.%d", i%5), ObjectID: strconv.Itoa(i % 6), ContentType: "shop.order",
		URL: fmt.Sprintf("/orders/%d%%_x", i), Method: "GET", ResponseStatus: int64(200 + i%3), Message: "Hello World",
		ExtraData: fmt.Sprintf(`{"n":%d}`, i), Allowed: activity.Allowed(i % 3),
	}
	e.ID[0] = byte(i * 37)
	binary.BigEndian.PutUint64(e.ID[8:], uint64(i)+1)
	if i%3 == 0 {
		e.ResponseTimeUS = activity.Some(int64(i%7) * 1000)
		e.Latitude, e.Longitude = activity.Some(0), activity.Some(-1)
		e.TraceID[0], e.SpanID[7] = 1, 2
	}
	if e.Kind == activity.KindLogin {
		e.Type = "login_failed"
	}
	seal(&e, byte(i))
	return e
}

func seal(e *activity.Event, salt byte) {
	var salts [32]byte
	for i := range salts {
		salts[i] = salt | 1
	}
	var enc canonical.Encoder
	enc.Seal(e, &salts)
}

func newEvents(n int) []activity.Event {
	out := make([]activity.Event, n)
	for i := range out {
		out[i] = newEvent(i)
	}
	return out
}

func (s *env) write(t *testing.T, events ...activity.Event) storage.WriteResult {
	t.Helper()
	res, err := s.Write(context.Background(), events)
	require.NoError(t, err)
	assert.Equal(t, len(events), res.Written+len(res.Duplicates)+len(res.Conflicts)+len(res.Refused), "every event is accounted for")
	return res
}

// scan gives every match.
func (s *env) scan(t *testing.T, scope activity.Scope, q activity.Query) []activity.Event {
	t.Helper()
	var out []activity.Event
	for r, err := range s.Scan(context.Background(), scope, q) {
		require.NoError(t, err)
		assert.Empty(t, r.Derived)
		out = append(out, r.Event)
	}
	return out
}

// page gives one page, or asserts that the store refuses an order it declares
// it cannot answer; ok is false then.
func (s *env) page(t *testing.T, scope activity.Scope, q activity.Query) (p activity.Page, ok bool) {
	t.Helper()
	p, err := s.Page(context.Background(), scope, q)
	caps := s.Capabilities()
	unable := q.Order.ByResponseTime() && !caps.OrderByResponseTime
	for _, f := range q.Filters {
		unable = unable || f.Op == activity.OpContains && !caps.Contains
	}
	if unable {
		require.ErrorIs(t, err, activity.ErrUnsupported)
		return p, false
	}
	require.NoError(t, err)
	return p, true
}

// supported reports whether a capability is declared; when not, the call must
// have been refused.
func supported(t *testing.T, declared bool, err error) bool {
	t.Helper()
	if !declared {
		require.ErrorIs(t, err, activity.ErrUnsupported)
		return false
	}
	require.NoError(t, err)
	return true
}

func ids(events []activity.Event) []string {
	out := make([]string, len(events))
	for i := range events {
		out[i] = events[i].TenantID + "/" + events[i].ID.String()
	}
	return out
}
