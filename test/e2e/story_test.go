package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fiveKinds is one event of each kind, as a client says it.
const fiveKinds = `[
 {"kind":"crud","event_type":"update","user_id":"42","username":"ada","content_type":"shop.order","object_id":"1001",
  "object_repr":"Order 1001","before":{"state":"new","total":10},"after":{"state":"paid","total":10},"extra_data":{"big":18446744073709551615,"f":1.0}},
 {"kind":"login","login_type":"login_failed","username":"eve","remote_ip":"203.0.113.9","reason":"bad password"},
 {"kind":"request","method":"GET","url":"/orders/1001","query_string":"page=2&token=s3cr3t","response_status":503,"response_time_ms":12.3456,
  "request_body_size":0,"response_body_size":512,"user_agent":"curl/8","service":"shop","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"},
 {"kind":"cors","url":"https://app.example/cart","method":"OPTIONS","origin":"https://app.example","allowed":false},
 {"kind":"system","event_name":"backup.failed","category":"database","severity":"ERROR","message":"disk full","source":"cron","traceback":"Traceback: x"}
]`

// TestFiveKindsOverCurl sends one event of each kind with curl, as the README
// does, and reads every field back.
func TestFiveKindsOverCurl(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	body := filepath.Join(t.TempDir(), "events.json")
	require.NoError(t, os.WriteFile(body, []byte(fiveKinds), 0o600))
	out, err := exec.CommandContext(t.Context(), "curl", "-sS", "-X", "POST", "http://"+c.Events+"/v1/events",
		"-H", "Content-Type: application/json", "--data-binary", "@"+body).Output()
	require.NoError(t, err)
	var a answer
	require.NoError(t, json.Unmarshal(out, &a), string(out))
	require.Equal(t, 5, a.Accepted, string(out))
	require.Len(t, a.IDs, 5)

	crud := only(t, c, "crud")
	assert.Equal(t, a.IDs[0], crud["id"])
	assert.EqualValues(t, 2, crud["event_type"])
	assert.Equal(t, "update", crud["event_type_display"])
	assert.EqualValues(t, 42, crud["user"])
	assert.Equal(t, "42", crud["user_id"])
	assert.Equal(t, "shop.order", crud["content_type"])
	assert.Equal(t, "1001", crud["object_id"])
	assert.JSONEq(t, `{"state":["new","paid"]}`, crud["changed_fields"].(string))
	assert.Equal(t, false, crud["is_tampered"])
	assert.Equal(t, "not_checked", crud["auth_verified"])
	assert.True(t, strings.HasSuffix(crud["datetime"].(string), "Z"), crud["datetime"])

	login := only(t, c, "login")
	assert.EqualValues(t, 2, login["login_type"])
	assert.Equal(t, "login_failed", login["login_type_display"])
	assert.Equal(t, "failure", login["outcome"])
	assert.Equal(t, "203.0.113.9", login["remote_ip"])
	assert.Nil(t, login["user"])
	assert.Equal(t, "bad password", login["reason"])

	request := only(t, c, "request")
	assert.Equal(t, "/orders/1001", request["url"])
	assert.NotContains(t, request["query_string"], "s3cr3t")
	assert.Contains(t, request["query_string"], "page=2")
	assert.EqualValues(t, 503, request["response_status"])
	assert.InDelta(t, 12.346, request["response_time_ms"], 1e-9)
	assert.EqualValues(t, 0, request["request_body_size"])
	assert.Equal(t, "shop", request["service"])
	assert.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", request["trace_id"])
	assert.Equal(t, "GET", request["action"])

	cors := only(t, c, "cors")
	assert.Equal(t, "https://app.example", cors["origin"])
	assert.Equal(t, false, cors["allowed"])
	assert.Equal(t, "denied", cors["outcome"])

	system := only(t, c, "system")
	assert.Equal(t, "ERROR", system["severity"])
	assert.Equal(t, "database", system["category"])
	assert.Equal(t, "disk full", system["message"])

	for _, kind := range []string{"crud", "login", "request", "cors", "system"} {
		r := c.Verify(kind)
		assert.Equal(t, report{Total: 1, Verified: 1, TamperedIDs: []string{}, UnsealedIDs: []string{}, OK: true}, r, kind)
	}
	out2, code := auditctl(t, "verify", "--sqlite-directory", c.DataDir)
	assert.Equal(t, 0, code, out2)
	c.Stop()
	assert.NotContains(t, c.logs.String(), c.Token(), "the token is never printed")
}

// TestTokenIsPrivate: generated once, 0600, reused, demanded.
func TestTokenIsPrivate(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	info, err := os.Stat(filepath.Join(c.DataDir, "api-token"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	first := c.Token()
	assert.Equal(t, http.StatusUnauthorized, c.status("http://"+c.API+"/api/activity/crud-events/"))
	c.Stop()
	c.Start()
	assert.Equal(t, first, c.Token())
}

// TestEmptyVariablesMeanDefaults: a variable that is set but empty is the same
// as one that is not set.
func TestEmptyVariablesMeanDefaults(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	for _, name := range []string{"ACTIVITYLOG_API_TOKEN", "ACTIVITYLOG_JWT_SECRET", "ACTIVITYLOG_TRUSTED_PROXIES", "ACTIVITYLOG_GEOIP_PATH", "ACTIVITYLOG_GEOIP_ASN_PATH"} {
		c.env[name] = ""
	}
	c.Start()
	code, a := c.Post("application/json", `{"kind":"system","event_name":"x","message":"m"}`)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, 1, a.Accepted)
}

// TestRetryStoresNothingTwice: the same events with ids, sent twice.
func TestRetryStoresNothingTwice(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	body := `{"id":"018f4e9a-0000-7000-8000-00000000abcd","datetime":"2026-01-02T03:04:05.678Z","kind":"crud","event_type":"create","object_id":"7"}`
	_, first := c.Post("application/json", body)
	require.Equal(t, 1, first.Accepted)
	code, second := c.Post("application/json", body)
	require.Equal(t, http.StatusOK, code)
	require.Len(t, second.Duplicates, 1)
	code, other := c.Post("application/json", strings.Replace(body, `"7"`, `"8"`, 1))
	require.Len(t, other.Conflicts, 1, "status %d", code)
	require.Len(t, c.List("crud", "").Results, 1)
	require.Equal(t, "7", c.List("crud", "").Results[0]["object_id"])
}

// TestSecondWriterIsRefused: the lock names the folder and what to do; a reader
// is welcome.
func TestSecondWriterIsRefused(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	second := newCollector(t, "otelcol-config.yaml")
	second.DataDir = c.DataDir
	second.Launch()
	require.NotEqual(t, 0, second.Wait(20e9))
	require.Contains(t, second.logs.String(), "in use by another process")
	out, code := auditctl(t, "verify", "--sqlite-directory", c.DataDir)
	require.Equal(t, 0, code, out)
}

// only gives the single row of a kind.
func only(t *testing.T, c *collector, kind string) map[string]any {
	t.Helper()
	l := c.List(kind, "")
	require.Equal(t, 1, l.Count)
	require.True(t, l.CountExact)
	require.True(t, l.Complete)
	require.Len(t, l.Results, 1)
	var one map[string]any
	require.Equal(t, http.StatusOK, c.Get("/api/activity/"+kind+"-events/"+l.Results[0]["id"].(string)+"/", &one))
	require.Equal(t, l.Results[0], one)
	return one
}
