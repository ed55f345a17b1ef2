package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBackends holds every database, through the built binary, to one table of
// cases: events in by HTTP, out by REST. What storagetest asks of a driver is
// asked here of everything around it. Each case has a tenant of its own.
func TestBackends(t *testing.T) {
	for _, b := range backends() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			c := b.collector(t)
			c.Start()
			for _, area := range backendCases {
				t.Run(area.name, func(t *testing.T) {
					for i, bc := range area.cases {
						t.Run(bc.name, func(t *testing.T) {
							inTest(t, c, func() {
								bc.run(t, &room{backend: &b, collector: c, tenant: fmt.Sprintf("%s-%d", area.name, i)})
							})
						})
					}
				})
			}
			c.Stop()
			require.NotContains(t, c.logs.String(), "panic")
			if dsn, given := secretOf(c); given {
				require.NotContains(t, c.logs.String(), dsn, "a DSN is never logged")
			}
		})
	}
}

// inTest lets the collector, which outlives a case, fail that case.
func inTest(t *testing.T, c *collector, run func()) {
	t.Helper()
	outer := c.t
	c.t = t
	defer func() { c.t = outer }()
	run()
}

func secretOf(c *collector) (string, bool) {
	for key, value := range c.env {
		if len(key) > 4 && key[len(key)-4:] == "_DSN" {
			return value, true
		}
	}
	return "", false
}

type backendCase struct {
	name string
	run  func(t *testing.T, r *room)
}

// backendCases are the areas, in the order of their dependence.
var backendCases = []struct {
	name  string
	cases []backendCase
}{
	{"fields", fieldCases},
	{"idempotency", idempotencyCases},
	{"filters", filterCases},
	{"paging", pagingCases},
	{"tenants", tenantCases},
	{"files", fileCases},
	{"refusals", refusalCases},
	{"life", lifeCases},
}

// room is what a case works with.
type room struct {
	*backend
	*collector
	tenant string
}

// said is an event as a client says it.
type said map[string]any

var kinds = []string{"crud", "login", "request", "cors", "system"}

// epoch is when the events of the cases begin: some hours ago, and two minutes
// before a full hour, so that they lie in two of them.
var epoch = time.Now().UTC().Truncate(time.Hour).Add(-4*time.Hour - 2*time.Minute)

// id gives the n-th id of the room.
func (r *room) id(n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", r.tenant, n))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// event makes the n-th event of a kind, ten seconds after the one before. Its
// fields repeat at different rates, and some are absent.
func (r *room) event(kind string, n int) said {
	e := said{
		"kind": kind, "id": r.id(n), "tenant_id": r.tenant, "datetime": epoch.Add(time.Duration(n) * 10 * time.Second).Format(time.RFC3339Nano),
		"user_id": fmt.Sprintf("user-%d", n%4), "username": fmt.Sprintf("Name %d", n%4), "service": fmt.Sprintf("shop-%d", n%2),
		"remote_ip": fmt.Sprintf("203.0.113.%d", n%5), "producer": "pod-1", "producer_seq": n + 1, "action": fmt.Sprintf("Act.%d", n%3),
		"severity_number": 1 + n%24, "actor_type": "user", "city": []string{"Paris", "Zürich"}[n%2], "country": "Somewhere", "country_code": "CH",
		"extra_data": map[string]any{"n": n, "word": fmt.Sprintf("Alpha%d", n%3)},
	}
	if n%3 == 0 {
		e["trace_id"], e["span_id"] = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
		e["user_email"], e["reason"] = "ada@example.org", "because of "+kind
		e["user_agent"], e["browser"], e["platform"], e["operating_system"] = "curl/8.1", "curl", "Linux", "Debian"
	}
	switch kind {
	case "crud":
		e["event_type"], e["content_type"], e["object_id"] = []string{"create", "update", "delete"}[n%3], "shop.order", strconv.Itoa(1000+n%6)
		e["object_repr"], e["changed_fields"] = fmt.Sprintf("Order %d", n%6), map[string]any{"state": []string{"new", "paid"}}
	case "login":
		e["login_type"] = []string{"login", "logout", "login_failed"}[n%3]
	case "request":
		e["method"], e["url"], e["response_status"] = []string{"GET", "POST"}[n%2], fmt.Sprintf("/orders/%d", n%6), 200+n%3
		e["query_string"], e["route"] = fmt.Sprintf("page=%d", n%3), "/orders/{id}"
		if n%5 != 0 {
			e["response_time_ms"] = float64(n%7)*400 + 0.125
			e["request_body_size"], e["response_body_size"] = 0, n*10
		}
	case "cors":
		e["method"], e["url"], e["origin"] = "OPTIONS", "https://app.example/cart", fmt.Sprintf("https://app%d.example", n%3)
		if n%3 != 2 {
			e["allowed"] = n%3 == 0
		}
	case "system":
		e["event_name"], e["category"] = fmt.Sprintf("backup.step%d", n%4), []string{"server", "database"}[n%2]
		e["message"], e["source"] = fmt.Sprintf("Disk %d is full", n%4), "cron"
	}
	return e
}

// send posts events; each of them must be accepted.
func (r *room) send(events ...said) answer {
	r.t.Helper()
	code, a := r.post(events...)
	require.Equal(r.t, http.StatusOK, code, "%.500v", a)
	require.Empty(r.t, a.Rejected[:min(len(a.Rejected), 3)])
	return a
}

func (r *room) post(events ...said) (int, answer) {
	r.t.Helper()
	body, err := json.Marshal(events)
	require.NoError(r.t, err)
	return r.Post("application/json", string(body))
}

// contradict posts an event whose key holds other content. A store that cannot
// tell accepts it and goes on to show the first.
func (r *room) contradict(e said) {
	r.t.Helper()
	code, a := r.post(e)
	if r.silentDuplicates {
		require.Equal(r.t, http.StatusOK, code)
		return
	}
	require.Equal(r.t, http.StatusBadRequest, code, "nothing of the request was taken")
	require.Equal(r.t, []string{fmt.Sprint(e["id"])}, a.Conflicts)
}

// fill sends n events of each of the kinds, numbered through.
func (r *room) fill(n int, of ...string) {
	r.t.Helper()
	var events []said
	for k, kind := range of {
		for i := range n {
			events = append(events, r.event(kind, k*n+i))
		}
	}
	r.send(events...)
}

// path is a list of the room's tenant with parameters of its own.
func (r *room) path(kind, below string, params ...string) string {
	values := url.Values{"tenant_id": {r.tenant}}
	for i := 0; i < len(params); i += 2 {
		values.Set(params[i], params[i+1])
	}
	return "/api/activity/" + kind + "-events/" + below + "?" + values.Encode()
}

// rows lists every event of a kind in the room.
func (r *room) rows(kind string, params ...string) []map[string]any {
	r.t.Helper()
	var l list
	code := r.Get(r.path(kind, "", append([]string{"page_size", "1000"}, params...)...), &l)
	require.Equal(r.t, http.StatusOK, code)
	require.True(r.t, l.Complete)
	require.Nil(r.t, l.Next)
	return l.Results
}

// problem is an error of the API.
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// refused reads what must be answered with an error.
func (r *room) refused(path string, status int, code string) string {
	r.t.Helper()
	var p problem
	assert.Equal(r.t, status, r.Get(path, &p), path)
	assert.Equal(r.t, problem{Status: status, Code: code, Detail: p.Detail}, p, path)
	assert.NotEmpty(r.t, p.Detail, path)
	return p.Detail
}

func idsOf(rows []map[string]any) []string {
	out := make([]string, len(rows))
	for i := range rows {
		out[i], _ = rows[i]["id"].(string)
	}
	return out
}

func idsSaid(events []said) []string {
	out := make([]string, len(events))
	for i := range events {
		out[i], _ = events[i]["id"].(string)
	}
	return out
}
