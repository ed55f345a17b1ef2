package api

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Page sizes.
const (
	defaultPageSize = 50
	maxSearch       = 512 // bytes
)

// query makes the conditions and the order of the caller's parameters. The
// scope it gives is never wider than the caller's own.
func (c *call) query() (activity.Query, activity.Scope, error) {
	q := activity.Query{Kinds: []activity.Kind{c.endpoint.kind}, Filters: slices.Clone(c.endpoint.preset)}
	scope := c.scope
	names := make([]string, 0, len(c.params))
	for name := range c.params {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		value := c.params.Get(name)
		if p, isFilter := c.endpoint.lookup[name]; isFilter && c.endpoint.filters {
			f, err := p.filter(name, value)
			if err != nil {
				return q, scope, err
			}
			q.Filters = append(q.Filters, f)
			continue
		}
		switch name {
		case paramTenant:
			scope = narrowed(scope, value)
		case paramSearch:
			if value == "" || len(value) > maxSearch {
				return q, scope, fmt.Errorf("%w: search: want 1 to %d bytes", activity.ErrInvalid, maxSearch)
			}
			q.Filters = append(q.Filters, activity.Filter{
				Fields: searched(c.endpoint.kind), Op: activity.OpContains, Text: []string{activity.CleanText(value)},
			})
		}
	}
	if err := c.times(&q); err != nil {
		return q, scope, err
	}
	err := c.order(&q)
	return q, scope, err
}

// narrowed restricts a scope to one tenant of it.
func narrowed(scope activity.Scope, tenant string) activity.Scope {
	if tenant == "default" {
		tenant = ""
	}
	if !scope.Matches(tenant) {
		return activity.Scope{}
	}
	return activity.Tenants(tenant)
}

func (c *call) times(q *activity.Query) error {
	for _, bound := range []struct {
		name string
		into *int64
	}{{"date_from", &q.From}, {"date_to", &q.To}} {
		if !c.params.Has(bound.name) {
			continue
		}
		t, err := parseTime(c.params.Get(bound.name))
		if err != nil {
			return fmt.Errorf("%w: %s: %w", activity.ErrInvalid, bound.name, err)
		}
		*bound.into = t.UnixNano()
	}
	if c.params.Has("last_hours") {
		hours, err := strconv.ParseInt(c.params.Get("last_hours"), 10, 32)
		if err != nil || hours < 1 || hours > 10*366*24 {
			return fmt.Errorf("%w: last_hours: want 1 to 87840, got %q", activity.ErrInvalid, c.params.Get("last_hours"))
		}
		q.From = max(q.From, c.settings.Now().Add(-time.Duration(hours)*time.Hour).UnixNano())
	}
	return nil
}

// parseTime takes RFC 3339, a time without offset (UTC) and a date.
func parseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			if t.Year() < 1970 || t.Year() > 2261 {
				break
			}
			// 0 means open; the first nanosecond of 1970 is close enough to it.
			return t.Add(time.Duration(btoi(t.UnixNano() == 0))), nil
		}
	}
	return time.Time{}, fmt.Errorf("want ISO 8601 from 1970 on, for example 2026-01-31T23:59:59Z (a + is written %%2B), got %q", s)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *call) order(q *activity.Query) error {
	switch o := c.params.Get(paramOrdering); {
	case o == "" && !c.params.Has(paramOrdering), o == "-datetime":
		q.Order = activity.NewestFirst
	case o == "datetime":
		q.Order = activity.OldestFirst
	case o == "response_time_ms" && c.endpoint.kind == activity.KindRequest:
		q.Order = activity.FastestFirst
	case o == "-response_time_ms" && c.endpoint.kind == activity.KindRequest:
		q.Order = activity.SlowestFirst
	default:
		known := "datetime, -datetime"
		if c.endpoint.kind == activity.KindRequest {
			known += ", response_time_ms, -response_time_ms"
		}
		return fmt.Errorf("%w: ordering: no index serves %q; known are %s", activity.ErrInvalid, o, known)
	}
	return nil
}

// paging fills the place of the page: by number up to MaxOffset, by cursor
// without a limit.
func (c *call) paging(q *activity.Query) (page int, err error) {
	q.Limit = defaultPageSize
	if c.params.Has("page_size") {
		if q.Limit, err = c.integer("page_size", activity.MaxLimit); err != nil {
			return 0, err
		}
	}
	if c.params.Has("cursor") {
		if c.params.Has("page") {
			return 0, fmt.Errorf("%w: give page or cursor, not both", activity.ErrInvalid)
		}
		q.After, q.Backward, err = decodeCursor(c.params.Get("cursor"), c.fingerprint())
		return 0, err
	}
	if !c.params.Has("page") {
		return 1, nil
	}
	page, err = c.integer("page", math.MaxInt32)
	if err != nil {
		return 0, err
	}
	if page > activity.MaxOffset/q.Limit {
		return 0, fmt.Errorf("%w: page %d of %d events reaches beyond the first %d; follow next_cursor with the parameter cursor instead",
			activity.ErrInvalid, page, q.Limit, activity.MaxOffset)
	}
	q.Offset = (page - 1) * q.Limit
	return page, nil
}

func (c *call) integer(name string, limit int) (int, error) {
	n, err := strconv.Atoi(c.params.Get(name))
	if err != nil || n < 1 || n > limit {
		return 0, fmt.Errorf("%w: %s: want 1 to %d, got %q", activity.ErrInvalid, name, limit, c.params.Get(name))
	}
	return n, nil
}

func (c *call) fingerprint() fingerprint { return fingerprintOf(c.endpoint.name, c.params) }
