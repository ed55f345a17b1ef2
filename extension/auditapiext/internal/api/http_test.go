package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func nop() *zap.Logger { return zap.NewNop() }

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	a := newAPI(t, storagetest.NewMemory())
	for _, path := range []string{"crud-events/", "crud-events/?nonsense=1", "crud-events/export_csv", "nothing", "http://x/livez", "http://x/readyz"} {
		h := a.do(t, http.MethodGet, path).Header()
		assert.Equal(t, "no-store", h.Get("Cache-Control"), path)
		assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		assert.Equal(t, "default-src 'none'; frame-ancestors 'none'", h.Get("Content-Security-Policy"), path)
	}
}

func TestOnlyReadingIsAnswered(t *testing.T) {
	a := newAPI(t, storagetest.NewMemory())
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "PURGE"} {
		w := a.do(t, method, "crud-events/")
		problemOf(t, http.StatusMethodNotAllowed, w)
		assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	}
	assert.Equal(t, http.StatusOK, a.do(t, http.MethodHead, "crud-events/").Code)
}

func TestPathsThatAreNone(t *testing.T) {
	a := newAPI(t, storagetest.NewMemory())
	for _, path := range []string{"", "crud", "crud_events/", "dashboard/", "stream/", "retention-policies/", "crud-events/failed_logins/x", "http://x/", "http://x/api/activity/", "http://x///"} {
		assert.Contains(t, a.refused(t, http.StatusNotFound, path), "-events/", path)
	}
	for _, path := range []string{"crud-events", "crud-events/", "crud-events//", "crud-events///"} {
		assert.Equal(t, http.StatusOK, a.do(t, http.MethodGet, path).Code, path)
	}
}

func TestCallersAreAskedWhoTheyAre(t *testing.T) {
	a := newAPI(t, storagetest.NewMemory())
	for _, path := range []string{Root + "/crud-events/", Root + "/crud-events/export_csv/", Root + "/login-events/verify_integrity/", "/nothing"} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path+"?nonsense=1", http.NoBody))
		assert.Equal(t, "send Authorization: Bearer <token>", problemOf(t, http.StatusUnauthorized, w))
		assert.Equal(t, `Bearer realm="activitylog"`, w.Header().Get("WWW-Authenticate"))
	}
}

func TestHealth(t *testing.T) {
	var down error
	a := newAPI(t, storagetest.NewMemory(), func(s *Settings) { s.Ping = func(*http.Request) error { return down } })
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		return w
	}
	check := func(livez, readyz, healthz int) {
		t.Helper()
		for path, want := range map[string]int{"/livez": livez, "/readyz": readyz, "/healthz": healthz, "/healthz/": healthz} {
			w := get(path)
			assert.Equal(t, want, w.Code, path)
			if want == http.StatusOK {
				assert.JSONEq(t, `{"status":"ok"}`, w.Body.String())
			} else {
				assert.Equal(t, "not ready", problemOf(t, http.StatusServiceUnavailable, w))
				assert.NotEmpty(t, w.Header().Get("Retry-After"))
			}
		}
	}
	check(200, 503, 200)
	a.SetReady(true)
	check(200, 200, 200)
	down = errors.New("the password of the database is wrong")
	check(200, 503, 503)
	down = nil
	a.SetReady(false)
	check(200, 503, 200)
}

// broken is a store of which every answer is an error.
type broken struct{ err error }

func (s broken) Get(context.Context, activity.Scope, activity.ID) (activity.Event, error) {
	return activity.Event{}, s.err
}

func (s broken) Page(context.Context, activity.Scope, activity.Query) (activity.Page, error) {
	return activity.Page{}, s.err
}

func (s broken) Count(context.Context, activity.Scope, activity.Query, int64) (activity.Count, error) {
	return activity.Count{}, s.err
}

func (s broken) Scan(context.Context, activity.Scope, activity.Query) iter.Seq2[storage.Record, error] {
	return func(yield func(storage.Record, error) bool) { yield(storage.Record{}, s.err) }
}

func (s broken) Feed(context.Context, activity.Scope, activity.FeedPosition, int) ([]activity.Event, error) {
	return nil, s.err
}

func (s broken) Aggregate(context.Context, activity.Scope, activity.Query, activity.GroupBy) ([]activity.GroupCount, error) {
	return nil, s.err
}

// uncounted is a store that lists and cannot count.
type uncounted struct{ storage.Store }

func (uncounted) Count(context.Context, activity.Scope, activity.Query, int64) (activity.Count, error) {
	return activity.Count{}, fmt.Errorf("count: %w", activity.ErrUnsupported)
}

func TestAListThatCannotBeCounted(t *testing.T) {
	s := storagetest.NewMemory()
	write(t, s, newEvents(activity.KindCRUD, 3)...)
	w := newAPI(t, uncounted{s}).do(t, http.MethodGet, "crud-events/?page_size=2")
	require.Equal(t, http.StatusOK, w.Code)
	assert.Contains(t, w.Body.String(), `{"count":null,"count_exact":false,`)
	assert.Contains(t, w.Body.String(), `"complete":true`)
}

// TestWhatTheStoreLacksHasACode: the message is the store's own, which names what to do instead.
func TestWhatTheStoreLacksHasACode(t *testing.T) {
	lacking := broken{fmt.Errorf("%w: text search; filter by user_id", activity.ErrUnsupported)}
	w := newAPI(t, lacking).do(t, http.MethodGet, "crud-events/?search=x")
	assert.Contains(t, problemOf(t, http.StatusUnprocessableEntity, w), "filter by user_id")
	assert.Contains(t, w.Body.String(), `"code":"unsupported"`)
}

func TestErrorsOfTheStoreBecomeAnswers(t *testing.T) {
	id := activity.ID{1}.String()
	for _, c := range []struct {
		err    error
		status int
	}{
		{storage.ErrRetryable, http.StatusServiceUnavailable},
		{storage.ErrOverloaded, http.StatusServiceUnavailable},
		{storage.ErrClosed, http.StatusServiceUnavailable},
		{storage.ErrLocked, http.StatusServiceUnavailable},
		{storage.ErrSchemaTooNew, http.StatusServiceUnavailable},
		{storage.ErrSchemaTooOld, http.StatusServiceUnavailable},
		{context.DeadlineExceeded, http.StatusServiceUnavailable},
		{context.Canceled, statusClientGone},
		{activity.ErrUnsupported, http.StatusUnprocessableEntity},
		{activity.ErrInvalid, http.StatusBadRequest},
		{activity.ErrNotFound, http.StatusNotFound},
		{errors.New("disk I/O error at /var/lib/secret"), http.StatusInternalServerError},
	} {
		a := newAPI(t, broken{fmt.Errorf("read: %w", c.err)}, func(s *Settings) { s.Logger = nop() })
		for _, path := range []string{"crud-events/", "crud-events/" + id, "crud-events/" + id + "/verify_integrity", "crud-events/verify_integrity", "crud-events/export_csv", "crud-events/export_json", "crud-events/export_ndjson"} {
			w := a.do(t, http.MethodGet, path)
			detail := problemOf(t, c.status, w)
			assert.Equal(t, c.status == http.StatusServiceUnavailable, w.Header().Get("Retry-After") != "", path)
			if c.status == http.StatusInternalServerError || c.status == http.StatusServiceUnavailable {
				assert.NotContains(t, detail, "secret", "what the store says is not the caller's")
				assert.NotContains(t, detail, "read:")
			}
			assert.Empty(t, w.Header().Get("Content-Disposition"))
		}
		require.Empty(t, a.long)
	}
}

func TestEveryAnswerIsObserved(t *testing.T) {
	s := storagetest.NewMemory()
	a := newAPI(t, s)
	e := newEvent(activity.KindCRUD, 1)
	write(t, s, e)
	for _, path := range []string{"crud-events/", "crud-events/" + e.ID.String(), "crud-events/export/csv", "crud-events/?x=1", "nothing", "http://x/livez", "http://x/readyz"} {
		a.do(t, http.MethodGet, path)
	}
	assert.Equal(t, []string{
		"/api/activity/crud-events 200", "/api/activity/crud-events/{id} 200", "/api/activity/crud-events/export/csv 200",
		"/api/activity/crud-events 400", "other 404", "/livez 200", "/readyz 503",
	}, a.observed)
}
