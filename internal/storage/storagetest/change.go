package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

var aggregateCases = []testCase{
	{"groups by every field as the reference does", func(t *testing.T, s *env) {
		t.Helper()
		events := newEvents(60)
		s.write(t, events...)
		reference := NewMemory()
		_, err := reference.Write(context.Background(), events)
		require.NoError(t, err)
		for _, f := range activity.Fields() {
			if f == activity.FieldStoredNS {
				continue // each store has its own clock
			}
			by := activity.GroupBy{Fields: []activity.Field{f, activity.FieldKind}, MinCount: 2, Top: 10}
			q := activity.Query{From: newEvent(5).Datetime}
			got, err := s.Aggregate(context.Background(), everything, q, by)
			if !supported(t, s.Capabilities().Aggregate, err) {
				return
			}
			want, err := reference.Aggregate(context.Background(), everything, q, by)
			require.NoError(t, err)
			assert.Equal(t, want, got, f.String())
		}
	}},
}

var retentionCases = []testCase{
	{"bounded, held, scoped, by kind, and counted first", func(t *testing.T, s *env) {
		t.Helper()
		s.write(t, newEvents(50)...)
		r := storage.Retention{
			Before: newEvent(40).Datetime, Limit: 7, Kinds: []activity.Kind{activity.KindCRUD, activity.KindLogin},
			Hold: func(e *activity.Event) bool { return e.UserID == "user-1" },
		}
		scope := activity.Tenants("acme")
		goes := func(e *activity.Event) bool {
			return e.TenantID == "acme" && e.Kind <= activity.KindLogin && e.Datetime < r.Before
		}
		var deleted, held int64
		var stay []string
		all := s.scan(t, everything, activity.Query{})
		for i := range all {
			switch e := &all[i]; {
			case !goes(e):
				stay = append(stay, ids(all[i : i+1])[0])
			case r.Hold(e):
				held++
				stay = append(stay, ids(all[i : i+1])[0])
			default:
				deleted++
			}
		}
		for _, dry := range []bool{true, false} {
			r.DryRun, r.After = dry, activity.Position{}
			var gotDeleted, gotHeld int64
			for more := true; more; {
				res, err := s.DeleteBefore(context.Background(), scope, r)
				if !supported(t, s.Capabilities().Retention, err) {
					return
				}
				assert.LessOrEqual(t, res.Deleted+res.Held, int64(r.Limit))
				gotDeleted, gotHeld = gotDeleted+res.Deleted, gotHeld+res.Held
				more, r.After = res.More, res.Next
			}
			assert.Equal(t, []int64{deleted, held}, []int64{gotDeleted, gotHeld})
			if dry {
				assert.Len(t, s.scan(t, everything, activity.Query{}), 50)
			}
		}
		assert.ElementsMatch(t, stay, ids(s.scan(t, everything, activity.Query{})))
	}},
	{"without a time or a limit it is refused", func(t *testing.T, s *env) {
		t.Helper()
		if !s.Capabilities().Retention {
			return
		}
		_, err := s.DeleteBefore(context.Background(), everything, storage.Retention{Limit: 1})
		require.ErrorIs(t, err, activity.ErrInvalid)
		_, err = s.DeleteBefore(context.Background(), everything, storage.Retention{Before: 1, Limit: storage.MaxDeleteBatch + 1})
		require.ErrorIs(t, err, activity.ErrInvalid)
	}},
}

var erasureCases = []testCase{
	{"a person and an object are forgotten and every row still verifies", func(t *testing.T, s *env) {
		t.Helper()
		for _, e := range []storage.Erasure{
			{UserID: "user-1", Group: activity.GroupPersonal, Limit: 4},
			{ContentType: "shop.order", ObjectID: "2", Group: activity.GroupContent, Limit: 4},
		} {
			if _, err := s.Erase(context.Background(), everything, e); !supported(t, s.Capabilities().Erasure, err) {
				return
			}
			s.write(t, newEvents(40)...)
			before := s.scan(t, everything, activity.Query{Order: activity.OldestFirst})
			for more := true; more; {
				res, err := s.Erase(context.Background(), everything, e)
				require.NoError(t, err)
				assert.LessOrEqual(t, res.Erased, int64(e.Limit))
				more, e.After = res.More, res.Next
			}
			after := s.scan(t, everything, activity.Query{Order: activity.OldestFirst})
			require.Len(t, after, len(before))
			var enc canonical.Encoder
			forgotten := 0
			for i := range before {
				if e.UserID != "" && before[i].UserID == e.UserID || e.ObjectID != "" && before[i].ObjectID == e.ObjectID {
					before[i].Erase(e.Group)
					assert.True(t, after[i].Erased(e.Group))
					forgotten++
				}
				assert.Equal(t, before[i], after[i])
				assert.Equal(t, canonical.Verified, enc.Verify(&after[i]))
			}
			assert.Positive(t, forgotten)
		}
	}},
	{"an unclear erasure is refused", func(t *testing.T, s *env) {
		t.Helper()
		if !s.Capabilities().Erasure {
			return
		}
		for _, e := range []storage.Erasure{
			{Group: activity.GroupPersonal, Limit: 1},
			{UserID: "u", Group: activity.GroupEvent, Limit: 1},
			{UserID: "u", Group: activity.GroupPersonal},
			{UserID: "u", ContentType: "c", ObjectID: "o", Group: activity.GroupPersonal, Limit: 1},
		} {
			_, err := s.Erase(context.Background(), everything, e)
			require.ErrorIs(t, err, activity.ErrInvalid, "%+v", e)
		}
	}},
}

var tenantCases = []testCase{
	{"nothing crosses a tenant, and an empty scope gives nothing", func(t *testing.T, s *env) {
		t.Helper()
		ctx, caps := context.Background(), s.Capabilities()
		s.write(t, newEvents(20)...)
		time.Sleep(s.factory.Settle) // the feed is asked, too
		all := s.scan(t, everything, activity.Query{})
		for _, scope := range []activity.Scope{{}, activity.Tenants(), activity.Tenants("other"), activity.Tenants("acme"), activity.Tenants("")} {
			want := 0
			for i := range all {
				_, err := s.Get(ctx, scope, all[i].ID)
				if scope.Matches(all[i].TenantID) {
					want++
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, activity.ErrNotFound)
				}
			}
			p, _ := s.page(t, scope, activity.Query{Limit: 100})
			assert.Len(t, p.Events, want)
			assert.Len(t, s.scan(t, scope, activity.Query{}), want)
			if caps.Count {
				n, err := s.Count(ctx, scope, activity.Query{}, 100)
				require.NoError(t, err)
				assert.Equal(t, int64(want), n.N)
			}
			if caps.Feed {
				got, err := s.Feed(ctx, scope, activity.FeedPosition{}, 100)
				require.NoError(t, err)
				assert.Len(t, got, want)
			}
			if caps.Aggregate {
				groups, err := s.Aggregate(ctx, scope, activity.Query{}, activity.GroupBy{Fields: []activity.Field{activity.FieldService}, Top: 5})
				require.NoError(t, err)
				var n int64
				for _, g := range groups {
					n += g.Count
				}
				assert.Equal(t, int64(want), n)
			}
			if want > 0 {
				continue
			}
			if caps.Erasure {
				_, err := s.Erase(ctx, scope, storage.Erasure{UserID: "user-1", Group: activity.GroupPersonal, Limit: 100})
				require.NoError(t, err)
			}
			if caps.Retention {
				_, err := s.DeleteBefore(ctx, scope, storage.Retention{Before: newEvent(100).Datetime, Limit: 100})
				require.NoError(t, err)
			}
			assert.Equal(t, all, s.scan(t, everything, activity.Query{}))
		}
	}},
	{"one id in two tenants is two events", func(t *testing.T, s *env) {
		t.Helper()
		a, b := newEvent(0), newEvent(0)
		b.TenantID = "acme"
		seal(&b, 1)
		assert.Equal(t, 2, s.write(t, a, b).Written)
	}},
}
