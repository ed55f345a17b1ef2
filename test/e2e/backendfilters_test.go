package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const filtered = 24 // events of a kind

var filterCases = func() (cases []backendCase) {
	for _, kind := range kinds {
		cases = append(cases, backendCase{"every parameter of " + kind, func(t *testing.T, r *room) {
			t.Helper()
			everyParameter(t, r, kind)
		}})
	}
	return append(cases,
		backendCase{"bounds of time", boundsOfTime},
		backendCase{"orders", orders},
		backendCase{"search", search},
		backendCase{"failed logins, slow requests, critical events", presets},
	)
}()

// everyParameter asks for each filter that the API names, with values that the
// rows hold, and works out the answer from the rows themselves.
func everyParameter(t *testing.T, r *room, kind string) {
	t.Helper()
	r.fill(filtered, kind)
	rows := r.rows(kind)
	require.Len(t, rows, filtered)
	names := r.parameters(kind)
	require.Greater(t, len(names), 60, "the API names its filters")
	for _, name := range names {
		field, op, _ := strings.Cut(name, "__")
		value, held := sample(rows, field)
		if !held && op != "isnull" {
			value = "nothing-holds-it"
			if numeric(field) {
				value = "7"
			}
		}
		for _, value := range valuesOf(op, value) {
			t.Run(name+"="+value, func(t *testing.T) {
				inTest(t, r.collector, func() { r.filter(t, kind, name, value, rows) })
			})
		}
	}
}

func (r *room) filter(t *testing.T, kind, name, value string, rows []map[string]any) {
	t.Helper()
	path := r.path(kind, "", name, value, "page_size", "1000")
	if r.lacks(kind, name) {
		r.refused(path, http.StatusUnprocessableEntity, "unsupported")
		t.Skip("declared lacking, and refused with the code unsupported")
	}
	var l list
	require.Equal(t, http.StatusOK, r.Get(path, &l))
	var want []map[string]any
	for _, row := range rows {
		if holds(t, row, name, value) {
			want = append(want, row)
		}
	}
	assert.Equal(t, idsOf(want), idsOf(l.Results))
	if !r.uncounted {
		assert.Equal(t, len(want), l.Count)
	}
}

// parameters lists the filters of a kind, as the API names them in its answer
// to one that it does not have.
func (r *room) parameters(kind string) []string {
	r.t.Helper()
	detail := r.refused(r.path(kind, "", "no_such_parameter", "1"), http.StatusBadRequest, "invalid")
	_, known, found := strings.Cut(detail, "known are ")
	require.True(r.t, found, detail)
	names := strings.Split(known, ", ")
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.Contains([]string{
			"page", "page_size", "cursor", "ordering", "tenant_id", "search", "date_from", "date_to", "last_hours",
			"id", "session_key", "session_key__in", // below, in their own words
		}, name)
	})
}

// cell gives what a row holds under the name of a parameter, nil for nothing.
func cell(row map[string]any, field string) any {
	switch field {
	case "user":
		return row["user_id"]
	case "event_type":
		return row["event_type_display"]
	case "login_type":
		return row["login_type_display"]
	case "city", "country", "country_code":
		geo, _ := row["geo"].(map[string]any)
		return geo[field]
	}
	return row[field]
}

// sample gives a value that some row holds, as it is written in a query.
func sample(rows []map[string]any, field string) (string, bool) {
	for _, row := range rows[3:] {
		switch v := cell(row, field).(type) {
		case nil:
		case string:
			return v, true
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64), true
		case bool:
			return strconv.FormatBool(v), true
		default: // JSON: a word of it
			return "alpha1", true
		}
	}
	return "", false
}

func numeric(field string) bool {
	return slices.Contains([]string{
		"producer_seq", "severity_number", "response_status", "response_time_ms", "request_body_size", "response_body_size",
	}, field)
}

func valuesOf(op, value string) []string {
	switch op {
	case "isnull":
		return []string{"true", "false"}
	case "in":
		if _, err := strconv.ParseFloat(value, 64); err == nil {
			return []string{value + ",1"}
		}
		return []string{value}
	case "icontains":
		middle := value[len(value)/3:]
		return []string{strings.ToUpper(middle), "%"}
	}
	return []string{value}
}

// holds is the meaning of a parameter.
func holds(t *testing.T, row map[string]any, name, value string) bool {
	t.Helper()
	field, op, _ := strings.Cut(name, "__")
	have := cell(row, field)
	switch {
	case op == "isnull":
		return (have == nil) == (value == "true")
	case have == nil:
		return false
	case op == "gte" || op == "lte":
		bound, err := strconv.ParseFloat(value, 64)
		require.NoError(t, err)
		n, isNumber := have.(float64)
		require.True(t, isNumber, name)
		return op == "gte" && n >= bound || op == "lte" && n <= bound
	}
	text := textOf(t, have)
	switch op {
	case "icontains":
		return strings.Contains(strings.ToLower(text), strings.ToLower(value))
	case "in":
		return slices.Contains(strings.Split(value, ","), text)
	}
	return text == value
}

func textOf(t *testing.T, v any) string {
	t.Helper()
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func boundsOfTime(t *testing.T, r *room) {
	t.Helper()
	r.fill(30, "request") // five minutes, over a full hour
	all := r.rows("request", "ordering", "datetime")
	require.Len(t, all, 30)
	at := func(i int) string { return fmt.Sprint(all[i]["datetime"]) }
	assert.Equal(t, idsOf(all[10:]), idsOf(r.rows("request", "ordering", "datetime", "date_from", at(10))), "inclusive")
	assert.Equal(t, idsOf(all[:21]), idsOf(r.rows("request", "ordering", "datetime", "date_to", at(20))), "inclusive")
	assert.Equal(t, idsOf(all[5:6]), idsOf(r.rows("request", "date_from", at(5), "date_to", at(5))))
	late, err := time.Parse(time.RFC3339Nano, at(5))
	require.NoError(t, err)
	after := late.Add(time.Nanosecond).Format(time.RFC3339Nano)
	assert.Equal(t, idsOf(all[6:8]), idsOf(r.rows("request", "ordering", "datetime", "date_from", after, "date_to", at(7))))
	assert.Empty(t, r.rows("request", "date_from", at(20), "date_to", at(10)))
	assert.Len(t, r.rows("request", "last_hours", "6"), 30)
	assert.Empty(t, r.rows("request", "last_hours", "1"))
}

func orders(t *testing.T, r *room) {
	t.Helper()
	r.fill(20, "request")
	newest := r.rows("request")
	oldest := slices.Clone(newest)
	slices.Reverse(oldest)
	assert.Equal(t, idsOf(oldest), idsOf(r.rows("request", "ordering", "datetime")))
	assert.True(t, slices.IsSortedFunc(oldest, func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(a["datetime"]), fmt.Sprint(b["datetime"]))
	}))
	fastest := slices.DeleteFunc(slices.Clone(oldest), func(row map[string]any) bool { return row["response_time_ms"] == nil })
	slices.SortStableFunc(fastest, func(a, b map[string]any) int {
		return int(a["response_time_ms"].(float64)*1000) - int(b["response_time_ms"].(float64)*1000)
	})
	if r.lacks("request", "ordering=response_time_ms") {
		for _, order := range []string{"response_time_ms", "-response_time_ms"} {
			r.refused(r.path("request", "", "ordering", order), http.StatusUnprocessableEntity, "unsupported")
		}
		return
	}
	assert.Equal(t, idsOf(fastest), idsOf(r.rows("request", "ordering", "response_time_ms")))
	slices.Reverse(fastest)
	assert.Equal(t, idsOf(fastest), idsOf(r.rows("request", "ordering", "-response_time_ms")))
}

func search(t *testing.T, r *room) {
	t.Helper()
	r.fill(8, "system")
	if r.lacks("system", "search") {
		r.refused(r.path("system", "", "search", "disk"), http.StatusUnprocessableEntity, "unsupported")
		return
	}
	assert.Len(t, r.rows("system", "search", "DISK 3"), 2)
	assert.Len(t, r.rows("system", "search", "step3"), 2, "another field")
	assert.Empty(t, r.rows("system", "search", "dis_"), "matched literally")
	assert.Len(t, r.rows("system", "search", "disk", "user_id", "user-1"), 2)
}

// presets are the questions with a path of their own.
func presets(t *testing.T, r *room) {
	t.Helper()
	r.fill(filtered, "login", "request", "system")
	for _, p := range []struct {
		kind, below string
		holds       func(row map[string]any) bool
	}{
		{"login", "failed_logins/", func(row map[string]any) bool { return row["login_type_display"] == "login_failed" }},
		{"request", "slow_requests/", func(row map[string]any) bool {
			took, timed := row["response_time_ms"].(float64)
			return timed && took >= 1000
		}},
		{"system", "critical/", func(row map[string]any) bool { return row["severity"] == "CRITICAL" }},
	} {
		path := r.path(p.kind, p.below, "page_size", "1000")
		if r.lacks(p.kind, p.below) {
			r.refused(path, http.StatusUnprocessableEntity, "unsupported")
			continue
		}
		want := slices.DeleteFunc(r.rows(p.kind), func(row map[string]any) bool { return !p.holds(row) })
		require.NotEmpty(t, want, p.below)
		var l list
		require.Equal(t, http.StatusOK, r.Get(path, &l))
		assert.ElementsMatch(t, idsOf(want), idsOf(l.Results), p.below)
	}
}

var tenantCases = []backendCase{
	{"a tenant sees its own", func(t *testing.T, r *room) {
		t.Helper()
		mine, theirs := r.event("crud", 1), r.event("crud", 2)
		theirs["tenant_id"] = r.tenant + "-other"
		nobodys := r.event("crud", 3)
		delete(nobodys, "tenant_id")
		r.send(mine, theirs, nobodys)
		assert.Equal(t, []string{r.id(1)}, idsOf(r.rows("crud")))
		assert.Equal(t, []string{r.id(2)}, idsOf(r.rows("crud", "tenant_id", r.tenant+"-other")))
		assert.Empty(t, r.rows("crud", "tenant_id", r.tenant+"-none"))
		assert.Contains(t, idsOf(r.rows("crud", "tenant_id", "default")), r.id(3), "no tenant is one of its own")
		assert.NotContains(t, idsOf(r.rows("crud", "tenant_id", "default")), r.id(1))
	}},
	{"one key in two tenants is two events", func(t *testing.T, r *room) {
		t.Helper()
		a, b := r.event("login", 1), r.event("login", 1)
		b["tenant_id"] = r.tenant + "-other"
		b["username"] = "somebody else"
		answer := r.send(a, b)
		assert.Empty(t, answer.Duplicates)
		assert.Empty(t, answer.Conflicts)
		assert.Equal(t, "Name 1", r.rows("login")[0]["username"])
		assert.Equal(t, "somebody else", r.rows("login", "tenant_id", r.tenant+"-other")[0]["username"])
	}},
	{"without a tenant in the question every one is listed", func(t *testing.T, r *room) {
		t.Helper()
		r.fill(3, "cors")
		query := url.Values{"page_size": {"1000"}, "date_from": {epoch.Format(time.RFC3339)}}
		var l list
		require.Equal(t, http.StatusOK, r.Get("/api/activity/cors-events/?"+query.Encode(), &l))
		for i := range 3 {
			assert.Contains(t, idsOf(l.Results), r.id(i))
		}
	}},
}
