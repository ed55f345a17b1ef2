package api

import (
	"encoding/base64"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func TestCursorsComeBackAsTheyWere(t *testing.T) {
	f := fingerprintOf("crud-events", url.Values{"user": {"1"}})
	for _, p := range []activity.Position{
		{Datetime: 1}, {ID: activity.ID{15: 1}}, {Value: math.MaxInt64, Datetime: math.MinInt64, ID: activity.ID{0xff}}, {Value: -1, Datetime: -1},
	} {
		for _, backward := range []bool{false, true} {
			got, way, err := decodeCursor(encodeCursor(f, p, backward), f)
			require.NoError(t, err)
			assert.Equal(t, p, got)
			assert.Equal(t, backward, way)
		}
	}
}

func TestFingerprintsTellQueriesApart(t *testing.T) {
	seen := map[fingerprint]string{}
	for _, q := range []string{"", "a=1", "a=2", "b=1", "a=1&b=1", "a=1%26b%3D1", "a=%221%22", "a=", "ordering=datetime"} {
		for _, endpoint := range []string{"crud", "login", `crud"a`} {
			params, err := url.ParseQuery(q)
			require.NoError(t, err)
			f := fingerprintOf(endpoint, params)
			assert.Empty(t, seen[f], "%s?%s", endpoint, q)
			seen[f] = endpoint + "?" + q
			for _, paging := range pagingParams {
				params.Set(paging, "7")
			}
			assert.Equal(t, f, fingerprintOf(endpoint, params), "paging is no part of a query")
		}
	}
}

func TestCursorsThatNobodyGave(t *testing.T) {
	f := fingerprint{1}
	good := encodeCursor(f, activity.Position{Datetime: 1}, false)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	require.NoError(t, err)
	change := func(at int, b byte) string {
		c := append([]byte(nil), raw...)
		c[at] = b
		return base64.RawURLEncoding.EncodeToString(c)
	}
	for name, s := range map[string]string{
		"empty": "", "short": good[:len(good)-4], "long": good + "AAAA", "padding": good + "==", "text": "not a cursor", "version": change(0, 2),
		"direction": change(1, 2), "other query": change(2, 9), "no place": encodeCursor(f, activity.Position{}, false), "line break": good[:8] + "\n" + good[8:],
	} {
		_, _, err := decodeCursor(s, f)
		require.ErrorIs(t, err, activity.ErrInvalid, name)
	}
}

func FuzzCursor(f *testing.F) {
	want := fingerprint{1, 2, 3}
	f.Add(encodeCursor(want, activity.Position{Value: 1, Datetime: 2, ID: activity.ID{3}}, true))
	f.Add(encodeCursor(fingerprint{}, activity.Position{Datetime: 2}, false))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		p, backward, err := decodeCursor(s, want)
		if err != nil {
			require.ErrorIs(t, err, activity.ErrInvalid)
			return
		}
		require.Equal(t, s, encodeCursor(want, p, backward), "one spelling for one place")
	})
}

func FuzzQueryString(f *testing.F) {
	for _, q := range []string{
		"", "user=42&page=2&page_size=3", "ordering=-response_time_ms&response_time_ms__gte=1.5", "date_from=2026-01-01&last_hours=3", "search=%00%ff",
		"method__in=GET,POST&url__icontains=%25", "page=99999", "cursor=AQ", "user=1&user=2", "a;b", "%", "level=full", "response_status__isnull=true", "threshold_ms=1e9",
	} {
		for which := range 5 {
			f.Add(uint8(which), q)
		}
	}
	store := storagetest.NewMemory()
	for n := range 5 {
		_, err := store.Write(f.Context(), []activity.Event{newEvent(activity.KindRequest, n), newEvent(activity.KindSystem, n)})
		require.NoError(f, err)
	}
	paths := []string{"request-events/", "request-events/verify_integrity/", "request-events/export_ndjson/", "request-events/slow_requests/", "system-events/"}
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		a := newAPI(t, store)
		r := &http.Request{
			Method: http.MethodGet, URL: &url.URL{Path: Root + "/" + paths[int(which)%len(paths)], RawQuery: query}, Host: "x",
			Header: http.Header{"Authorization": {"Bearer " + testToken}},
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r.WithContext(t.Context()))
		require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, w.Code, w.Body.String())
		if w.Code == http.StatusBadRequest {
			require.NotEmpty(t, problemOf(t, http.StatusBadRequest, w))
		}
	})
}
