package api

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func (a *testAPI) report(t *testing.T, path string) *report {
	t.Helper()
	return decode[report](t, a.do(t, http.MethodGet, path))
}

func TestReportNamesWhatIsNotAsItWasSealed(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		events := newEvents(activity.KindCRUD, 6)
		events[1].Message = "changed by hand"
		events[2].IntegrityHash, events[2].IntegritySalts, events[2].IntegrityCommitments, events[2].SchemaVersion = nil, nil, nil, 0
		events[3].Erase(activity.GroupPersonal)
		events[4].Erase(activity.GroupContent)
		write(t, s, events...)
		want := report{
			Total: 6, Verified: 4, Tampered: 1, TamperedIDs: idsOf(events[1:2]), Unsealed: 1, UnsealedIDs: idsOf(events[2:3]),
			Erased: 2, IDsComplete: true,
		}
		for _, path := range []string{"verify_integrity/", "verify-integrity", "verify_integrity/?level=full", "verify_integrity/?level=hash&city__isnull=false"} {
			got := a.report(t, "crud-events/"+path)
			if strings.Contains(path, "city") { // the erased person has no city
				want.Total, want.Verified, want.Erased = 5, 3, 1
			}
			assert.Equal(t, want, *got, path)
		}
		assert.Equal(t, int64(6*3+5), a.verified)
		sound := a.report(t, "crud-events/verify_integrity/?date_from=2026-03-01T12:00:00Z")
		assert.Equal(t, report{Total: 1, Verified: 1, TamperedIDs: []string{}, UnsealedIDs: []string{}, IDsComplete: true, OK: true}, *sound)
		nothing := a.report(t, "crud-events/verify_integrity/?user=nobody")
		assert.Equal(t, report{TamperedIDs: []string{}, UnsealedIDs: []string{}, IDsComplete: true, OK: true}, *nothing)

		for i, want := range []string{`"status":"ok","valid":true`, `"status":"tampered","valid":false`, `"status":"no_hash","valid":null`, `"status":"ok","valid":true`} {
			id := events[i].ID.String()
			for _, path := range []string{"/verify_integrity/", "/verify-integrity"} {
				w := a.do(t, http.MethodGet, "crud-events/"+id+path)
				require.Equal(t, http.StatusOK, w.Code)
				assert.True(t, strings.HasPrefix(w.Body.String(), fmt.Sprintf(`{"id":%q,%s,"total":1,`, id, want)), w.Body.String())
			}
			row := *decode[map[string]any](t, a.do(t, http.MethodGet, "crud-events/"+id))
			assert.Equal(t, []string{"verified", "tampered", "unsealed", "verified"}[i], row["integrity"])
			assert.Equal(t, i == 1, row["is_tampered"])
		}
		a.refused(t, http.StatusNotFound, "login-events/"+events[0].ID.String()+"/verify_integrity/")
	})
}

// timed tells the time by how many records it gave: the context of the caller
// ends after each batch of so many.
type timed struct {
	storage.Reader
	derived []string
	every   time.Duration
}

func (s *timed) Scan(ctx context.Context, scope activity.Scope, q activity.Query) iter.Seq2[storage.Record, error] {
	return func(yield func(storage.Record, error) bool) {
		for record, err := range s.Reader.Scan(ctx, scope, q) {
			record.Derived = s.derived
			if s.every > 0 {
				select {
				case <-time.After(s.every):
				case <-ctx.Done():
					err = ctx.Err()
				}
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

func TestASpentReportGoesOnAndAddsUp(t *testing.T) {
	s := storagetest.NewMemory()
	events := newEvents(activity.KindSystem, 40)
	events[30].Message, events[3].Message = "changed", "changed"
	write(t, s, events...)
	a := newAPI(t, &timed{Reader: s, every: 2 * time.Millisecond}, func(s *Settings) { s.VerifyBudget = 30 * time.Millisecond })
	var sum report
	path, parts := "system-events/verify_integrity/?city=London", 0
	for {
		r := a.report(t, path)
		parts++
		sum.Total, sum.Verified, sum.Tampered = sum.Total+r.Total, sum.Verified+r.Verified, sum.Tampered+r.Tampered
		sum.TamperedIDs = append(sum.TamperedIDs, r.TamperedIDs...)
		require.Positive(t, r.Total+int64(btoi(r.NextCursor == nil)), "every part gets on")
		if r.NextCursor == nil {
			break
		}
		assert.False(t, r.OK, "a part does not speak for the whole")
		assert.Contains(t, a.refused(t, http.StatusBadRequest, "system-events/verify_integrity/?cursor="+*r.NextCursor), "another query")
		path = "system-events/verify_integrity/?city=London&cursor=" + *r.NextCursor
	}
	assert.Greater(t, parts, 1)
	assert.Equal(t, report{Total: 40, Verified: 38, Tampered: 2, TamperedIDs: []string{events[30].ID.String(), events[3].ID.String()}}, sum)
}

func TestAReportThatFindsNothingInTimeSaysSo(t *testing.T) {
	s := storagetest.NewMemory()
	write(t, s, newEvent(activity.KindSystem, 1))
	a := newAPI(t, &timed{Reader: s, every: time.Minute}, func(s *Settings) { s.VerifyBudget, s.Logger = 5*time.Millisecond, nop() })
	w := a.do(t, http.MethodGet, "system-events/verify_integrity/")
	assert.Contains(t, problemOf(t, http.StatusServiceUnavailable, w), "narrow the query by time")
	assert.Equal(t, "2", w.Header().Get("Retry-After"))
}

func TestLevelFullNamesDerivedColumns(t *testing.T) {
	s := storagetest.NewMemory()
	e := newEvent(activity.KindSystem, 1)
	write(t, s, e)
	a := newAPI(t, &timed{Reader: s, derived: []string{"datetime"}})
	r := a.report(t, "system-events/verify_integrity/?level=full")
	assert.Equal(t, map[string][]string{e.ID.String(): {"datetime"}}, r.Derived)
	assert.Equal(t, int64(1), r.Tampered)
	assert.False(t, r.OK)
	assert.Nil(t, a.report(t, "system-events/verify_integrity/").Derived)
}

func TestAReportListsManyEventsInOrderAndBoundsItsIDs(t *testing.T) {
	s := storagetest.NewMemory()
	events := newEvents(activity.KindSystem, 3*verifyBatch)
	for i := range events {
		events[i].Message = "changed"
	}
	write(t, s, events...)
	r := newAPI(t, s).report(t, "system-events/verify_integrity/")
	assert.Equal(t, int64(len(events)), r.Tampered)
	assert.False(t, r.IDsComplete)
	ids := idsOf(events)
	slices.Reverse(ids)
	assert.Equal(t, ids[:maxReportIDs], r.TamperedIDs)
}

func TestOnlySoManyLongRequestsRun(t *testing.T) {
	s := storagetest.NewMemory()
	write(t, s, newEvent(activity.KindSystem, 1))
	a := newAPI(t, s)
	var releases []func()
	for range 2 {
		release, err := a.takeLong()
		require.NoError(t, err)
		releases = append(releases, release)
	}
	for _, path := range []string{"verify_integrity", "export_csv", "export_json", "export_ndjson"} {
		w := a.do(t, http.MethodGet, "system-events/"+path)
		problemOf(t, http.StatusTooManyRequests, w)
		assert.Equal(t, "5", w.Header().Get("Retry-After"))
	}
	assert.Len(t, a.list(t, "system-events/").Results, 1, "lists go on")
	releases[0]()
	a.report(t, "system-events/verify_integrity")
	releases[1]()
	assert.Empty(t, a.long, "every place is given back")
}
