package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// corsNamespace is documented in the README of the enrich processor.
const corsNamespace = "f138f6a3-1aad-54a7-b6e0-d7172d1e9db9"

// overlay writes a second configuration, which is laid over the shipped one.
func overlay(t *testing.T, text string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "overlay.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return []string{"--config", path}
}

// startWithMetrics starts a collector that also serves its own metrics.
func startWithMetrics(t *testing.T, text string) (c *collector, metrics func() string) {
	t.Helper()
	address := freeAddress(t)
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	c = newCollector(t, "otelcol-config.yaml")
	c.Start(overlay(t, text+fmt.Sprintf(`
service:
  telemetry:
    metrics:
      level: normal
      readers: [{pull: {exporter: {prometheus: {host: %q, port: %s}}}}]
`, host, port))...)
	return c, func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(b)
	}
}

// count gives the value of a counter for a rule, "" when there is none.
func count(metrics, name, rule string) string {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "otelcol_"+name) && strings.Contains(line, `rule="`+rule+`"`) {
			return strings.TrimSpace(line[strings.LastIndexByte(line, ' '):])
		}
	}
	return ""
}

const filtersOverlay = `
processors:
  enrich:
    filter:
      exclude_models_extra: [shop.*]
      include_models: [shop.order]
      skip_unchanged: true
      drop: ['attributes["user.name"] == "probe"']
      keep: ['attributes["http.response.status_code"] >= 500']
      dry_run: %t
    cors: {allowed_origins: ["https://*.example.com"]}
`

const filteredEvents = `[
 {"kind":"request","method":"GET","url":"/orders","response_status":200,"username":"ann"},
 {"kind":"request","method":"GET","url":"/static/a.js","response_status":200},
 {"kind":"request","method":"GET","url":"/static/b.js","response_status":503},
 {"kind":"request","method":"GET","url":"/orders","response_status":200,"username":"probe"},
 {"kind":"crud","event_type":"update","content_type":"shop.order","object_id":"7","before":{"a":1},"after":{"a":2}},
 {"kind":"crud","event_type":"update","content_type":"shop.order","object_id":"7","before":{"a":1},"after":{"a":1}},
 {"kind":"crud","event_type":"update","content_type":"shop.cart","object_id":"7"},
 {"kind":"crud","event_type":"create","content_type":"sessions.session","object_id":"s"}
]`

// TestFiltersCountWhatTheyDrop: each rule drops what it should, the answer says
// how many, and a metric by which rule.
func TestFiltersCountWhatTheyDrop(t *testing.T) {
	c, metrics := startWithMetrics(t, fmt.Sprintf(filtersOverlay, false))
	code, a := c.Post("application/json", filteredEvents)
	require.Equal(t, http.StatusOK, code)
	assert.Equal(t, 3, a.Accepted)
	assert.Equal(t, 5, a.Filtered)
	assert.Equal(t, 2, c.List("request", "").Count)
	assert.Equal(t, 1, c.List("crud", "").Count)
	text := metrics()
	for rule, want := range map[string]string{
		"exclude_urls::^/static/": "1", "exclude_models_extra::shop.*": "1", "exclude_models::sessions.session": "1", "skip_unchanged": "1", "drop::0": "1",
	} {
		assert.Equal(t, want, count(text, "enrich_filtered", rule), rule)
	}
	assert.NotContains(t, text, "filtered_dry_run")
}

// TestDryRunKeepsEverything: the same rules drop nothing, and count the same.
func TestDryRunKeepsEverything(t *testing.T) {
	c, metrics := startWithMetrics(t, fmt.Sprintf(filtersOverlay, true))
	code, a := c.Post("application/json", filteredEvents)
	require.Equal(t, http.StatusOK, code)
	assert.Equal(t, 8, a.Accepted)
	assert.Zero(t, a.Filtered)
	assert.Equal(t, 4, c.List("request", "").Count)
	assert.Equal(t, 4, c.List("crud", "").Count)
	text := metrics()
	for _, rule := range []string{"exclude_urls::^/static/", "exclude_models_extra::shop.*", "exclude_models::sessions.session", "skip_unchanged", "drop::0"} {
		assert.Equal(t, "1", count(text, "enrich_filtered_dry_run", rule), rule)
	}
}

// TestAuditModeRefusesToStart while a rule could drop an event, and starts
// without one.
func TestAuditModeRefusesToStart(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	c.Launch(overlay(t, "processors: {enrich: {mode: audit, filter: {drop: ['severity_number < 9'], skip_unchanged: true}}}")...)
	require.NotEqual(t, 0, c.Wait(20*time.Second))
	for _, named := range []string{"filter::exclude_urls", "^/admin/", "filter::exclude_models", "sessions.session", "filter::drop", "severity_number", "filter::skip_unchanged"} {
		assert.Contains(t, c.logs.String(), named)
	}

	c = newCollector(t, "otelcol-config.yaml")
	c.Launch(overlay(t, `processors: {enrich: {filter: {keep: ['attributes["a"] ==']}}}`)...)
	require.NotEqual(t, 0, c.Wait(20*time.Second))
	assert.Contains(t, c.logs.String(), "filter::keep::0", "the condition that does not compile")

	c = newCollector(t, "otelcol-config.yaml")
	c.Start(overlay(t, "processors: {enrich: {mode: audit, filter: {exclude_urls: [], exclude_models: []}}}")...)
	code, a := c.Post("application/json", filteredEvents)
	require.Equal(t, http.StatusOK, code)
	assert.Equal(t, 8, a.Accepted)
}

// TestCORSEventOfARequest: a request from another origin is stored with its cors
// event; sent again, neither is stored twice, and the answers count the client's.
func TestCORSEventOfARequest(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	c.Start(overlay(t, fmt.Sprintf(filtersOverlay, false))...)
	const id = "018f4e9a-0000-7000-8000-0000000000aa"
	body := `[{"id":"` + id + `","datetime":"2026-01-02T03:04:05Z","kind":"request","method":"POST","url":"/api/orders","response_status":201,
		"user_id":"7","username":"ann","tenant_id":"acme","peer_address":"198.51.100.7",
		"headers":{"origin":"https://app.example.com","host":"api.example.com","x-frontend-url":"https://app.example.com/cart?token=hush",
		"x-request-id":"r-1","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}},
		{"id":"018f4e9a-0000-7000-8000-0000000000ab","datetime":"2026-01-02T03:04:06Z","kind":"request","method":"POST","url":"/api/orders","tenant_id":"acme",
		"headers":{"origin":"https://api.example.com","host":"api.example.com"}}]`
	code, a := c.Post("application/json", body)
	require.Equal(t, http.StatusOK, code)
	assert.Equal(t, 2, a.Accepted)
	assert.Len(t, a.IDs, 2)
	code, a = c.Post("application/json", body)
	require.Equal(t, http.StatusOK, code)
	assert.Zero(t, a.Accepted)
	assert.Len(t, a.Duplicates, 2)
	assert.Empty(t, a.Conflicts)

	require.Equal(t, 2, c.List("request", "").Count)
	cors := c.List("cors", "")
	require.Equal(t, 1, cors.Count)
	row := cors.Results[0]
	assert.Equal(t, uuid.NewSHA1(uuid.MustParse(corsNamespace), []byte(id)).String(), row["id"])
	assert.Equal(t, "https://app.example.com", row["origin"])
	assert.Equal(t, "https://app.example.com/cart?token=***", row["url"])
	assert.Equal(t, true, row["allowed"])
	assert.Equal(t, "POST", row["method"])
	assert.Equal(t, "198.51.100.7", row["remote_ip"])
	assert.Equal(t, "2026-01-02T03:04:05Z", row["datetime"])
	assert.Equal(t, map[string]any{"_derived_from": id, "_request_id": "r-1"}, row["extra_data"])
	var one map[string]any
	require.Equal(t, http.StatusOK, c.Get("/api/activity/cors-events/"+row["id"].(string)+"/", &one))
	assert.Equal(t, "7", one["user_id"])
	assert.Equal(t, "acme", one["tenant_id"])
	assert.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", one["trace_id"])
	assert.True(t, c.Verify("cors").OK)

	// A client's event under a derived id is not written over.
	const other = "018f4e9a-0000-7000-8000-0000000000ac"
	mine := uuid.NewSHA1(uuid.MustParse(corsNamespace), []byte(other)).String()
	code, a = c.Post("application/json", `[{"id":"`+mine+`","datetime":"2026-01-02T03:04:07Z","kind":"cors","method":"GET","url":"https://mine.example/"},
		{"id":"`+other+`","datetime":"2026-01-02T03:04:07Z","kind":"request","method":"GET","url":"/a","headers":{"x-frontend-url":"https://theirs.example/"}}]`)
	require.Equal(t, http.StatusOK, code)
	assert.Equal(t, http.StatusOK, c.Get("/api/activity/cors-events/"+mine+"/", &one))
	assert.Equal(t, "https://mine.example/", one["url"])
}

// TestFailedLoginNamesWhoTried reads back what brute force detection needs.
func TestFailedLoginNamesWhoTried(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	c.Start(overlay(t, "processors: {enrich: {correlation: {session_cookie: sessionid}}}")...)
	code, a := c.Post("application/json", `{"kind":"login","login_type":"login_failed","username":"nobody","reason":"unknown_user","peer_address":"203.0.113.9",
		"headers":{"cookie":"csrf=1; sessionid=hush"}}`)
	require.Equal(t, http.StatusOK, code)
	var row map[string]any
	require.Equal(t, http.StatusOK, c.Get("/api/activity/login-events/"+a.IDs[0]+"/", &row))
	for key, want := range map[string]any{
		"username": "nobody", "user_id": nil, "outcome": "failure", "reason": "unknown_user", "auth_method": "session", "actor_type": "unknown",
		"remote_ip": "203.0.113.9",
	} {
		assert.Equal(t, want, row[key], key)
	}
	assert.Len(t, row["session_key"], 64)
	assert.NotContains(t, fmt.Sprint(row), "hush")
}
