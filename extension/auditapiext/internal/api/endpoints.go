package api

import (
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// endpoint is one question of the API.
type endpoint struct {
	// patterns of http.ServeMux, without a slash at the end.
	patterns []string
	// name of the endpoint, to which cursors are bound.
	name string
	kind activity.Kind
	// filters are taken when true, besides the parameters listed.
	filters bool
	params  []string
	// preset conditions beside the caller's.
	preset []activity.Filter
	format exportFormat // of an export
	handle func(*call) error

	columns []column
	lookup  map[string]filterParam
}

const (
	paramOrdering = "ordering"
	paramLevel    = "level"
	paramTenant   = "tenant_id"
	paramSearch   = "search"
)

// timeParams bound the time of occurrence.
var timeParams = []string{"date_from", "date_to", "last_hours"}

// endpoints lists every endpoint of every kind. The spellings of the replaced
// package's README (export_csv) and of its code (export/csv) are both taken.
func endpoints() []endpoint {
	var out []endpoint
	for _, k := range activity.Kinds() {
		base := Root + "/" + k.String() + "-events"
		columns := columnsOf(k)
		lookup := filterParams(k, columns)
		add := func(e endpoint, paths ...string) {
			for _, p := range paths {
				e.patterns = append(e.patterns, base+p)
			}
			e.name = k.String() + paths[0]
			e.kind, e.columns, e.lookup = k, columns, lookup
			out = append(out, e)
		}
		listParams := append([]string{paramOrdering}, pagingParams...)
		add(endpoint{filters: true, params: listParams, handle: (*call).list}, "")
		add(endpoint{handle: (*call).get}, "/{id}")
		add(endpoint{filters: true, params: []string{"cursor", paramLevel}, handle: (*call).verify}, "/verify_integrity", "/verify-integrity")
		add(endpoint{params: []string{paramLevel}, handle: (*call).verifyOne}, "/{id}/verify_integrity", "/{id}/verify-integrity")
		for _, f := range exportFormats {
			add(endpoint{filters: true, params: []string{paramOrdering}, format: f, handle: (*call).export},
				"/export_"+f.name, "/export/"+f.name)
		}
		switch k {
		case activity.KindLogin:
			add(endpoint{filters: true, params: listParams, handle: (*call).list, preset: []activity.Filter{
				{Fields: []activity.Field{activity.FieldType}, Op: activity.OpEqual, Text: []string{"login_failed"}},
			}}, "/failed_logins", "/failed-logins")
		case activity.KindRequest:
			add(endpoint{filters: true, params: append([]string{paramThreshold}, listParams...), handle: (*call).slow},
				"/slow_requests", "/slow-requests")
		case activity.KindSystem:
			low, high, _ := activity.SeverityRange("CRITICAL")
			add(endpoint{filters: true, params: listParams, handle: (*call).list, preset: []activity.Filter{
				{Fields: []activity.Field{activity.FieldSeverityNumber}, Op: activity.OpIn, Int: numbers(low, high)},
			}}, "/critical")
		case activity.KindCRUD, activity.KindCORS:
		}
	}
	return out
}

// knows reports whether the endpoint has the parameter.
func (e *endpoint) knows(name string) bool {
	if slices.Contains(e.params, name) {
		return true
	}
	if !e.filters {
		return false
	}
	_, isFilter := e.lookup[name]
	return isFilter || name == paramSearch || name == paramTenant || slices.Contains(timeParams, name)
}

// known lists the parameters of the endpoint.
func (e *endpoint) known() []string {
	out := slices.Clone(e.params)
	if e.filters {
		out = append(append(out, timeParams...), paramSearch, paramTenant)
		for name := range e.lookup {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// numbers lists the integers from low to high.
func numbers(low, high int64) []int64 {
	out := make([]int64, 0, high-low+1)
	for n := low; n <= high; n++ {
		out = append(out, n)
	}
	return out
}
