package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const paged = 45 // events

var pagingCases = []backendCase{
	{"cursors forward, newest first", func(t *testing.T, r *room) { t.Helper(); walk(t, r, "-datetime") }},
	{"cursors forward, oldest first", func(t *testing.T, r *room) { t.Helper(); walk(t, r, "datetime") }},
	{"cursors forward, slowest first", func(t *testing.T, r *room) { t.Helper(); walk(t, r, "-response_time_ms") }},
	{"cursors back", walkBack},
	{"page numbers", pageNumbers},
	{"paging while events are written", pagingWhileWriting},
	{"a cursor stays where it is", stableCursor},
	{"a cursor of another question", foreignCursor},
	{"equal times", equalTimes},
}

// follow reads a list to its end by the links it gives, which begin with start.
func (r *room) follow(start string, link func(*list) *string) (ids []string) {
	r.t.Helper()
	for range 100 {
		var l list
		require.Equal(r.t, http.StatusOK, r.Get(start, &l))
		require.True(r.t, l.Complete)
		ids = append(ids, idsOf(l.Results)...)
		next := link(&l)
		if next == nil {
			return ids
		}
		u, err := url.Parse(*next)
		require.NoError(r.t, err)
		start = u.RequestURI()
	}
	require.FailNow(r.t, "the list has no end")
	return nil
}

func next(l *list) *string { return l.Next }

func walk(t *testing.T, r *room, order string) {
	t.Helper()
	r.fill(paged, "request")
	if name := "ordering=" + strings.TrimPrefix(order, "-"); r.lacks("request", name) {
		r.refused(r.path("request", "", "ordering", order), http.StatusUnprocessableEntity, "unsupported")
		return
	}
	all := idsOf(r.rows("request", "ordering", order))
	require.NotEmpty(t, all)
	for _, size := range []string{"1", "7", "45", "46"} {
		assert.Equal(t, all, r.follow(r.path("request", "", "ordering", order, "page_size", size), next), "pages of %s", size)
	}
}

func walkBack(t *testing.T, r *room) {
	t.Helper()
	r.fill(paged, "crud")
	all := idsOf(r.rows("crud"))
	var third list
	path := r.path("crud", "", "page_size", "10")
	for range 3 {
		third = list{}
		require.Equal(t, http.StatusOK, r.Get(path, &third))
		require.NotNil(t, third.Next)
		u, err := url.Parse(*third.Next)
		require.NoError(t, err)
		path = u.RequestURI()
	}
	assert.Equal(t, all[20:30], idsOf(third.Results))
	require.NotNil(t, third.Previous)
	u, err := url.Parse(*third.Previous)
	require.NoError(t, err)
	var second list
	require.Equal(t, http.StatusOK, r.Get(u.RequestURI(), &second))
	assert.Equal(t, all[10:20], idsOf(second.Results))
}

func pageNumbers(t *testing.T, r *room) {
	t.Helper()
	r.fill(paged, "login")
	all := idsOf(r.rows("login"))
	for page, want := range map[string][]string{"1": all[:20], "2": all[20:40], "3": all[40:], "4": {}} {
		var l list
		require.Equal(t, http.StatusOK, r.Get(r.path("login", "", "page", page, "page_size", "20"), &l))
		assert.Equal(t, want, idsOf(l.Results), "page %s", page)
		if !r.uncounted {
			assert.Equal(t, paged, l.Count)
		}
	}
	assert.Equal(t, all, r.follow(r.path("login", "", "page", "1", "page_size", "20"), next))
}

// pagingWhileWriting: what was there when the walk began is met once each,
// whatever comes before and behind it meanwhile.
func pagingWhileWriting(t *testing.T, r *room) {
	t.Helper()
	r.fill(paged, "request")
	all := idsOf(r.rows("request"))
	written := 0
	ids := r.follow(r.path("request", "", "page_size", "4"), func(l *list) *string {
		later, earlier := r.event("request", 100+written), r.event("request", 200+written)
		earlier["datetime"] = epoch.Add(-time.Duration(written+1) * time.Minute).Format(time.RFC3339Nano)
		if written < paged {
			r.send(later, earlier)
			written++
		}
		return l.Next
	})
	require.Greater(t, written, 10)
	kept := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !slices.Contains(all, id) })
	assert.Equal(t, all, kept)
	unique := slices.Compact(slices.Sorted(slices.Values(ids)))
	assert.Len(t, unique, len(ids), "nothing is met twice")
}

func stableCursor(t *testing.T, r *room) {
	t.Helper()
	r.fill(paged, "system")
	var first, once, again list
	require.Equal(t, http.StatusOK, r.Get(r.path("system", "", "page_size", "9"), &first))
	require.NotNil(t, first.NextCursor)
	second := r.path("system", "", "page_size", "9", "cursor", *first.NextCursor)
	require.Equal(t, http.StatusOK, r.Get(second, &once))
	require.Len(t, once.Results, 9)
	r.send(r.event("system", 500), r.event("system", 501))
	r.Stop()
	r.Start()
	require.Equal(t, http.StatusOK, r.Get(second, &again))
	assert.Equal(t, once.Results, again.Results, "new events and a restart do not move it")
}

func foreignCursor(t *testing.T, r *room) {
	t.Helper()
	r.fill(12, "crud")
	var l list
	require.Equal(t, http.StatusOK, r.Get(r.path("crud", "", "page_size", "5"), &l))
	require.NotNil(t, l.NextCursor)
	r.refused(r.path("crud", "", "cursor", *l.NextCursor, "ordering", "datetime"), http.StatusBadRequest, "invalid")
	r.refused(r.path("login", "", "cursor", *l.NextCursor), http.StatusBadRequest, "invalid")
	r.refused(r.path("crud", "", "cursor", "AAAA"), http.StatusBadRequest, "invalid")
	r.refused(r.path("crud", "", "cursor", *l.NextCursor, "page", "2"), http.StatusBadRequest, "invalid")
}

// equalTimes: events of one instant have an order too, by their ids.
func equalTimes(t *testing.T, r *room) {
	t.Helper()
	var events []said
	for i := range 20 {
		e := r.event("cors", i)
		e["datetime"] = epoch.Format(time.RFC3339Nano)
		events = append(events, e)
	}
	r.send(events...)
	want := idsSaid(events)
	slices.Sort(want)
	assert.Equal(t, want, r.follow(r.path("cors", "", "ordering", "datetime", "page_size", "3"), next))
	slices.Reverse(want)
	assert.Equal(t, want, r.follow(r.path("cors", "", "page_size", "3"), next))
}
