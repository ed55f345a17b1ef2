package storagetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

var orders = []activity.Order{activity.NewestFirst, activity.OldestFirst, activity.SlowestFirst, activity.FastestFirst}

// selected gives what a query has to find among the events.
func selected(events []activity.Event, q *activity.Query) []activity.Event {
	var out []activity.Event
	for i := range events {
		if Matches(q, &events[i]) {
			out = append(out, events[i])
		}
	}
	slices.SortFunc(out, func(a, b activity.Event) int {
		return ComparePositions(q.Order, activity.PositionOf(q.Order, &a), activity.PositionOf(q.Order, &b))
	})
	return out
}

// filtersOf makes filters of every comparison that a field takes, with values
// of the event and with one that nothing holds.
func filtersOf(field activity.Field, e *activity.Event) []activity.Filter {
	fs := []activity.Field{field}
	out := []activity.Filter{{Fields: fs, Op: activity.OpIsNull}, {Fields: fs, Op: activity.OpNotNull}}
	if isNumber(field) {
		n, _ := valueInt(e, field)
		for _, op := range []activity.Op{activity.OpEqual, activity.OpIn, activity.OpAtLeast, activity.OpAtMost} {
			out = append(out, activity.Filter{Fields: fs, Op: op, Int: []int64{n}})
		}
		return append(out, activity.Filter{Fields: fs, Op: activity.OpIn, Int: []int64{n, 0, -5}})
	}
	text, _ := valueText(e, field)
	out = append(out,
		activity.Filter{Fields: fs, Op: activity.OpEqual, Text: []string{text}},
		activity.Filter{Fields: fs, Op: activity.OpIn, Text: []string{text, "no such value"}})
	if isText(field) && text != "" {
		out = append(out,
			activity.Filter{Fields: fs, Op: activity.OpContains, Text: []string{lowerASCII(text[len(text)/2:])}},
			activity.Filter{Fields: fs, Op: activity.OpContains, Text: []string{"%_"}})
	}
	return out
}

var readCases = []testCase{
	{"get", func(t *testing.T, s *env) {
		t.Helper()
		e := newEvent(3)
		s.write(t, e)
		got, err := s.Get(context.Background(), everything, e.ID)
		require.NoError(t, err)
		got.StoredNS = 0
		assert.Equal(t, e, got)
		_, err = s.Get(context.Background(), everything, activity.ID{9})
		require.ErrorIs(t, err, activity.ErrNotFound)
	}},
	{"contains folds the letters of ASCII and no others", func(t *testing.T, s *env) {
		t.Helper()
		events := newEvents(3)
		for i, text := range []string{"Über die Ärger-Straße", "über die ärger-strasse", "UBER DIE ARGER-STRASSE"} {
			events[i].ObjectRepr = text
		}
		s.write(t, events...)
		for needle, want := range map[string]int{
			"Ärger": 1, "ärger": 1, "arger": 1, "DIE": 3, "STRASSE": 2, "straße": 1, "STRAßE": 1, "ÄRGER": 1, "é": 0, "\u212a": 0,
		} {
			page, err := s.Page(context.Background(), everything, activity.Query{Limit: 10, Filters: []activity.Filter{
				{Fields: []activity.Field{activity.FieldObjectRepr}, Op: activity.OpContains, Text: []string{needle}},
			}})
			if !supported(t, s.Capabilities().Contains, err) {
				return
			}
			assert.Len(t, page.Events, want, needle)
		}
	}},
	{"every field and comparison", func(t *testing.T, s *env) {
		t.Helper()
		s.write(t, newEvents(60)...)
		all := s.scan(t, everything, activity.Query{})
		for _, field := range activity.Fields() {
			for _, f := range filtersOf(field, &all[30]) {
				q := activity.Query{Filters: []activity.Filter{f}, Limit: 100}
				p, ok := s.page(t, everything, q)
				if !ok {
					continue
				}
				name := fmt.Sprintf("%s op %d %v %v", field, f.Op, f.Text, f.Int)
				assert.Equal(t, ids(selected(all, &q)), ids(p.Events), name)
				assert.Equal(t, ids(p.Events), ids(s.scan(t, everything, activity.Query{Filters: q.Filters, Order: activity.NewestFirst})), "scan: %s", name)
				n, err := s.Count(context.Background(), everything, q, 1000)
				if supported(t, s.Capabilities().Count, err) {
					assert.Equal(t, activity.Count{N: int64(len(p.Events)), Exact: true}, n, name)
				}
			}
		}
	}},
	{"an event by its whole key", func(t *testing.T, s *env) {
		t.Helper()
		e, later := newEvent(3), newEvent(3)
		later.Datetime += int64(time.Minute)
		seal(&later, 4)
		s.write(t, e, later, newEvent(4))
		q := activity.Query{From: e.Datetime, To: e.Datetime, Limit: 2, Filters: []activity.Filter{
			{Fields: []activity.Field{activity.FieldID}, Op: activity.OpEqual, Text: []string{e.ID.String()}},
		}}
		want := []string{ids([]activity.Event{e})[0]}
		p, ok := s.page(t, activity.Tenants(e.TenantID), q)
		require.True(t, ok)
		require.Equal(t, want, ids(p.Events))
		assert.Equal(t, e.Datetime, p.Events[0].Datetime)
		got := s.scan(t, activity.Tenants(e.TenantID), q)
		require.Equal(t, want, ids(got))
		assert.Equal(t, e.Datetime, got[0].Datetime)
		p, _ = s.page(t, activity.Tenants("another"), q)
		assert.Empty(t, p.Events)
	}},
	{"every order, kinds, times and a search over fields", func(t *testing.T, s *env) {
		t.Helper()
		s.write(t, newEvents(60)...)
		all := s.scan(t, everything, activity.Query{})
		for _, o := range orders {
			for _, q := range []activity.Query{
				{},
				{Kinds: []activity.Kind{activity.KindCRUD, activity.KindRequest}},
				{From: newEvent(10).Datetime, To: newEvent(20).Datetime},
				{Filters: []activity.Filter{{Fields: []activity.Field{activity.FieldUserID, activity.FieldAction}, Op: activity.OpIn, Text: []string{"user-1", "Act2"}}}},
				{Filters: []activity.Filter{
					{Fields: []activity.Field{activity.FieldUserID}, Op: activity.OpEqual, Text: []string{"user-1"}},
					{Fields: []activity.Field{activity.FieldResponseStatus}, Op: activity.OpAtLeast, Int: []int64{201}},
				}},
			} {
				q.Order, q.Limit = o, 100
				if p, ok := s.page(t, everything, q); ok {
					assert.Equal(t, ids(selected(all, &q)), ids(p.Events), "%+v", q)
				}
			}
		}
	}},
	{"count stops at its limit", func(t *testing.T, s *env) {
		t.Helper()
		s.write(t, newEvents(20)...)
		n, err := s.Count(context.Background(), everything, activity.Query{}, 7)
		if supported(t, s.Capabilities().Count, err) {
			assert.Equal(t, activity.Count{N: 7}, n)
		}
	}},
	{"what has no meaning is refused", func(t *testing.T, s *env) {
		t.Helper()
		for _, q := range []activity.Query{
			{Limit: 0},
			{Limit: activity.MaxLimit + 1},
			{Limit: 1, Offset: activity.MaxOffset},
			{Limit: 1, Kinds: []activity.Kind{9}},
			{Limit: 1, Filters: []activity.Filter{{Op: activity.OpEqual, Text: []string{"x"}}}},
			{Limit: 1, Filters: []activity.Filter{{Fields: []activity.Field{activity.FieldUserID}, Op: activity.OpAtLeast, Int: []int64{1}}}},
		} {
			_, err := s.Page(context.Background(), everything, q)
			require.ErrorIs(t, err, activity.ErrInvalid, "%+v", q)
		}
	}},
	{"a scan starts after a position, both ways", func(t *testing.T, s *env) {
		t.Helper()
		s.write(t, newEvents(30)...)
		for _, o := range orders[:2] {
			all := s.scan(t, everything, activity.Query{Order: o})
			require.Len(t, all, 30)
			rest := s.scan(t, everything, activity.Query{Order: o, After: activity.PositionOf(o, &all[9])})
			assert.Equal(t, ids(all[10:]), ids(rest))
		}
	}},
}

var pageCases = []testCase{
	{"forward and back through every order", func(t *testing.T, s *env) {
		t.Helper()
		s.write(t, newEvents(50)...)
		all := s.scan(t, everything, activity.Query{})
		for _, o := range orders {
			q := activity.Query{Order: o, Limit: 7}
			want := ids(selected(all, &q))
			var got []string
			var last activity.Page
			for {
				p, ok := s.page(t, everything, q)
				if !ok {
					return
				}
				got, last = append(got, ids(p.Events)...), p
				if q.After = p.Next; q.After.IsZero() {
					break
				}
			}
			assert.Equal(t, want, got)
			back := ids(last.Events)
			for q.Backward, q.After = true, last.Previous; !q.After.IsZero(); {
				p, _ := s.page(t, everything, q)
				back = append(ids(p.Events), back...)
				q.After = p.Previous
			}
			assert.Equal(t, want, back)
		}
	}},
	{"offset", func(t *testing.T, s *env) {
		t.Helper()
		s.write(t, newEvents(30)...)
		all := ids(s.scan(t, everything, activity.Query{Order: activity.NewestFirst}))
		p, _ := s.page(t, everything, activity.Query{Limit: 5, Offset: 12})
		assert.Equal(t, all[12:17], ids(p.Events))
		p, _ = s.page(t, everything, activity.Query{Limit: 5, Offset: 100})
		assert.Empty(t, p.Events)
	}},
	{"pages stay put while others write", func(t *testing.T, s *env) {
		t.Helper()
		all := newEvents(80)
		s.write(t, all[:40]...)
		want := s.scan(t, everything, activity.Query{})
		q := activity.Query{Limit: 5}
		var got []activity.Event
		for i := 40; ; i++ {
			p, _ := s.page(t, everything, q)
			got = append(got, p.Events...)
			if q.After = p.Next; q.After.IsZero() {
				break
			}
			s.write(t, all[i%80]) // newer than every page
		}
		assert.Equal(t, ids(selected(want, &activity.Query{})), ids(got))
	}},
}

var feedCases = []testCase{
	{"no gaps under concurrent writers", func(t *testing.T, s *env) {
		t.Helper()
		_, err := s.Feed(context.Background(), everything, activity.FeedPosition{}, 1)
		if !supported(t, s.Capabilities().Feed, err) {
			return
		}
		events := newEvents(400)
		var wg sync.WaitGroup
		for part := range slices.Chunk(events, 100) {
			wg.Go(func() {
				for batch := range slices.Chunk(part, 5) {
					_, err := s.Write(context.Background(), batch)
					assert.NoError(t, err)
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		seen := map[activity.Key]bool{}
		var at activity.FeedPosition
		for finished := false; ; {
			got, err := s.Feed(context.Background(), everything, at, 33)
			require.NoError(t, err)
			for i := range got {
				require.False(t, seen[got[i].Key()], "given twice")
				require.GreaterOrEqual(t, got[i].StoredNS, at.StoredNS)
				seen[got[i].Key()] = true
				at = activity.FeedPosition{StoredNS: got[i].StoredNS, ID: got[i].ID}
			}
			if len(got) == 0 {
				if finished {
					break
				}
				<-done
				time.Sleep(s.factory.Settle)
				finished = true
			}
		}
		assert.Len(t, seen, len(events))
	}},
}
