package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

// walk follows a list's links from a page on.
func (a *testAPI) walk(t *testing.T, from string, link func(*listAnswer) *string) (pages []*listAnswer) {
	t.Helper()
	for at := &from; at != nil; {
		page := a.list(t, *at)
		pages = append(pages, page)
		require.LessOrEqual(t, len(pages), 100)
		at = link(page)
	}
	return pages
}

func next(l *listAnswer) *string     { return l.Next }
func previous(l *listAnswer) *string { return l.Previous }

func idsOfPages(pages []*listAnswer) []string {
	out := []string{}
	for _, p := range pages {
		out = append(out, p.ids()...)
	}
	return out
}

func TestLinksLeadThroughEveryEventBothWays(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		events := newEvents(activity.KindRequest, 23)
		events[7].Datetime = events[8].Datetime // a tie
		events[9].ResponseTimeUS = events[10].ResponseTimeUS
		write(t, s, events...)
		for _, order := range []string{"datetime", "-datetime", "response_time_ms", "-response_time_ms"} {
			all := a.list(t, "request-events/?page_size=100&ordering="+order)
			require.Len(t, all.Results, len(events))
			assert.Nil(t, all.Next)
			assert.Nil(t, all.Previous)
			assert.Nil(t, all.NextCursor)
			for _, first := range []string{"", "&page=1"} {
				pages := a.walk(t, "request-events/?page_size=5&user=42&ordering="+order+first, next)
				require.Len(t, pages, 5)
				assert.Equal(t, all.ids(), idsOfPages(pages), order)
				assert.Nil(t, pages[0].Previous)
				for i, p := range pages {
					assert.Equal(t, int64(23), p.Count)
					assert.True(t, p.CountExact)
					assert.True(t, p.Complete)
					assert.Equal(t, i == len(pages)-1, p.NextCursor == nil)
					if p.Next != nil {
						assert.Equal(t, first == "", strings.Contains(*p.Next, "cursor="), "pages by number lead to pages by number")
						assert.True(t, strings.HasPrefix(*p.Next, "http://api.test/api/activity/request-events/?"), *p.Next)
						assert.Contains(t, *p.Next, "user=42")
					}
				}
				back := a.walk(t, *pages[4].Previous, previous)
				slices.Reverse(back)
				assert.Equal(t, idsOfPages(pages[:4]), idsOfPages(back), order+first)
			}
		}
	})
}

func TestNextCursorGoesOnWithTheSameQuery(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		events := newEvents(activity.KindCRUD, 7)
		write(t, s, events...)
		p := a.list(t, "crud-events/?page_size=3&city=London")
		second := a.list(t, "crud-events?city=London&page_size=2&cursor="+*p.NextCursor)
		assert.Equal(t, idsOf(events[3:5]), second.ids(), "another page size is the same query")
		late := newEvent(activity.KindCRUD, 0)
		late.ID, late.Datetime = activity.ID{9}, clock.UnixNano()+1
		write(t, s, late)
		assert.Equal(t, second.ids(), a.list(t, "crud-events/?page_size=2&city=London&cursor="+*p.NextCursor).ids(), "newer events move nothing")
		for _, other := range []string{
			"crud-events/?", "crud-events/?city=Paris&", "crud-events/?city=London&user=1&", "crud-events/?city=London&ordering=datetime&",
			"login-events/?city=London&", "crud-events/verify_integrity/?city=London&", "crud-events/?city=London&tenant_id=acme&",
		} {
			assert.Contains(t, a.refused(t, http.StatusBadRequest, other+"cursor="+*p.NextCursor), "another query", other)
		}
	})
}

func TestPagesByNumberEndWhereAnOffsetWouldHurt(t *testing.T) {
	a := newAPI(t, storagetest.NewMemory())
	for _, query := range []string{"page=11&page_size=1000", "page=201", "page=10001&page_size=1", "page=2147483647&page_size=1000", "page=5001&page_size=2"} {
		assert.Contains(t, a.refused(t, http.StatusBadRequest, "crud-events/?"+query), "cursor", query)
	}
	for _, query := range []string{"page=10&page_size=1000", "page=200", "page=10000&page_size=1"} {
		got := a.list(t, "crud-events/?"+query)
		assert.Empty(t, got.Results)
		assert.Nil(t, got.Next)
	}
}

func TestTheLastPageByNumberLeadsOnByCursor(t *testing.T) {
	events := newEvents(activity.KindCRUD, 2)
	a := newAPI(t, &scripted{Reader: storagetest.NewMemory(), page: activity.Page{Events: events, Complete: true, Next: activity.PositionOf(activity.NewestFirst, &events[1])}})
	p := a.list(t, "crud-events/?page=10&page_size=1000")
	assert.Contains(t, *p.Next, "cursor=")
	assert.NotContains(t, *p.Next, "page=")
	assert.Contains(t, *p.Previous, "page=9")
}

func TestCountStopsAtItsLimit(t *testing.T) {
	s := storagetest.NewMemory()
	a := newAPI(t, s)
	events := newEvents(activity.KindCRUD, maxCount)
	write(t, s, events...)
	p := a.list(t, "crud-events/?page_size=1")
	assert.Equal(t, int64(maxCount), p.Count)
	assert.True(t, p.CountExact)
	write(t, s, newEvent(activity.KindCRUD, maxCount))
	p = a.list(t, "crud-events/?page_size=1")
	assert.Equal(t, int64(maxCount), p.Count)
	assert.False(t, p.CountExact)
}

// scripted answers pages as it is told.
type scripted struct {
	storage.Reader
	page  activity.Page
	asked []activity.Query
}

func (s *scripted) Page(_ context.Context, _ activity.Scope, q activity.Query) (activity.Page, error) {
	s.asked = append(s.asked, q)
	return s.page, nil
}

func TestASpentBudgetAnswersWhatWasFound(t *testing.T) {
	events := newEvents(activity.KindCRUD, 2)
	stopped := activity.Position{Datetime: clock.Add(-time.Hour).UnixNano(), ID: activity.ID{7}}
	s := &scripted{Reader: storagetest.NewMemory(), page: activity.Page{Events: events, Next: stopped}}
	a := newAPI(t, s)
	for _, query := range []string{"user=42", "user=42&page=3"} {
		p := a.list(t, "crud-events/?"+query)
		assert.False(t, p.Complete)
		assert.Equal(t, idsOf(events), p.ids())
		assert.Contains(t, *p.Next, "cursor="+*p.NextCursor)
		assert.NotContains(t, *p.Next, "page=")
		assert.Nil(t, p.Previous, "no page number is right when pages are not full")
		a.list(t, *p.Next)
		last := s.asked[len(s.asked)-1]
		assert.Equal(t, stopped, last.After)
		assert.False(t, last.Backward)
		assert.Equal(t, 5*time.Second, last.Budget)
	}
}

func TestGetOneEvent(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		e := newEvent(activity.KindLogin, 3)
		write(t, s, e)
		id := e.ID.String()
		for _, path := range []string{id, id + "/", strings.ToUpper(id), strings.ReplaceAll(id, "-", "")} {
			row := *decode[map[string]any](t, a.do(t, http.MethodGet, "login-events/"+path))
			assert.Equal(t, id, row["id"], path)
		}
		for _, path := range []string{"crud-events/" + id, "login-events/" + activity.ID{1}.String(), "login-events/17", "login-events/..%2F..", "login-events/" + id + "/nothing"} {
			a.refused(t, http.StatusNotFound, path)
		}
	})
}

// TestAnotherKindCannotHideAnEvent: a later event of another kind that carries
// the same id takes neither the page nor the report of the first away.
func TestAnotherKindCannotHideAnEvent(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		hidden, later := newEvent(activity.KindCRUD, 9), newEvent(activity.KindSystem, 1)
		later.ID = hidden.ID
		seal(&later)
		write(t, s, hidden, later)
		id := hidden.ID.String()
		for kind, e := range map[string]*activity.Event{"crud": &hidden, "system": &later} {
			row := *decode[map[string]any](t, a.do(t, http.MethodGet, kind+"-events/"+id+"/"))
			assert.Equal(t, kind, row["kind"])
			assert.Equal(t, cellOf(timeValue(e.Datetime)), row["datetime"])
			one := *decode[map[string]any](t, a.do(t, http.MethodGet, kind+"-events/"+id+"/verify_integrity/"))
			assert.Equal(t, "ok", one["status"], kind)
		}
	})
}

func TestLinksNameTheHostAndSchemeOfTheRequest(t *testing.T) {
	s := storagetest.NewMemory()
	a := newAPI(t, s)
	write(t, s, newEvents(activity.KindCRUD, 2)...)
	for i, host := range []string{"api.test", "[::1]:8686", "example.org:80"} {
		p := a.list(t, "http://"+host+Root+"/crud-events?page_size=1&search="+"17"+"&ordering=datetime")
		u, err := url.Parse(*p.Next)
		require.NoError(t, err, strconv.Itoa(i))
		assert.Equal(t, host, u.Host)
		assert.Equal(t, "datetime", u.Query().Get("ordering"))
		assert.Equal(t, "17", u.Query().Get("search"))
		assert.Equal(t, Root+"/crud-events/", u.Path)
	}
}
