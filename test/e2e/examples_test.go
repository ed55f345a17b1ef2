package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// postEvents sends events as NDJSON and asks for a status.
func (c *collector) postEvents(status int, lines ...string) answer {
	c.t.Helper()
	code, a := c.Post("application/x-ndjson", strings.Join(lines, "\n"))
	require.Equal(c.t, status, code)
	require.Empty(c.t, a.Rejected)
	return a
}

// checkConfig holds a shipped file to the checks of auditctl.
func checkConfig(t *testing.T, c *collector) {
	t.Helper()
	out, code := c.Tool("auditctl", "config", "check", c.config)
	require.Equal(t, 0, code, out)
}

// urls gives the urls of the stored requests.
func urls(c *collector) (out []string) {
	for _, e := range c.List("request", "").Results {
		out = append(out, e["url"].(string))
	}
	return out
}

// TestDefaultStaysTheDefault: what make run starts needs no variable and no
// server, and keeps every kind.
func TestDefaultStaysTheDefault(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(repo, "scripts", "run.sh"))
	require.NoError(t, err)
	require.Contains(t, string(script), "--config otelcol-config.yaml")
	c := newCollector(t, "otelcol-config.yaml")
	checkConfig(t, c)
	c.Start()
	a := c.postEvents(http.StatusOK,
		`{"kind":"crud","event_type":"create"}`, `{"kind":"login","login_type":"login"}`, `{"kind":"request","method":"GET","url":"/a"}`,
		`{"kind":"cors","origin":"https://app.example"}`, `{"kind":"system","event_name":"x"}`)
	assert.Equal(t, 5, a.Accepted)
	for _, kind := range kinds {
		assert.Equal(t, 1, c.List(kind, "").Count, kind)
	}
	assert.FileExists(t, filepath.Join(c.DataDir, "activity.db"))
}

// TestExampleWebsite: sessions, logins, pages and the admin's changes, on SQLite.
func TestExampleWebsite(t *testing.T) {
	c := newCollector(t, "deploy/examples/website.yaml")
	c.env["ACTIVITYLOG_TRUSTED_PROXIES"] = "127.0.0.1"
	checkConfig(t, c)
	c.Start()
	page := `{"kind":"request","method":"GET","url":%q,"response_status":200,"user_id":"7","username":"ada","peer_address":"127.0.0.1:5000",
		"headers":{"cookie":"csrftoken=c; sessionid=s3ss10n","x-forwarded-for":"203.0.113.5"}}`
	one := func(path string) string { return strings.ReplaceAll(fmt.Sprintf(page, path), "\n", "") }
	a := c.postEvents(http.StatusOK, one("/articles/1"), one("/static/x.css"), one("/media/x.png"), one("/health/"), one("/admin/shop/order/"),
		`{"kind":"crud","event_type":"update","content_type":"shop.order","object_id":"1","user_id":"7","before":{"state":"new"},"after":{"state":"paid"}}`,
		`{"kind":"crud","event_type":"create","content_type":"sessions.session","object_id":"s"}`,
		`{"kind":"login","login_type":"login_failed","username":"nobody-known","remote_ip":"198.51.100.7"}`,
		`{"kind":"cors","origin":"https://app.example"}`)
	assert.Equal(t, 3, a.Accepted)
	assert.Equal(t, 6, a.Filtered)
	assert.Equal(t, []string{"/articles/1"}, urls(c))
	seen := c.List("request", "").Results[0]
	assert.Equal(t, "ada", seen["username"])
	assert.Equal(t, "203.0.113.5", seen["remote_ip"])
	assert.Len(t, seen["session_key"], 64, "the digest of the cookie's value")
	assert.JSONEq(t, `{"state":["new","paid"]}`, c.List("crud", "").Results[0]["changed_fields"].(string))
	assert.Equal(t, "nobody-known", c.List("login", "").Results[0]["username"])
	require.True(t, c.Verify("request").OK)
}

// TestExampleJWTAPI: the actor of an API's requests, by each kind of key the
// file has a place for, and without any.
func TestExampleJWTAPI(t *testing.T) {
	const secret = "a secret of at least thirty-two bytes"
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	token := func(secret string) string {
		signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"token_type": "access", "user_id": "42", "jti": "j", "iss": "shop", "exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString([]byte(secret))
		require.NoError(t, err)
		return signed
	}
	for name, env := range map[string]map[string]string{
		"secret":      {"ACTIVITYLOG_JWT_SECRET": secret, "ACTIVITYLOG_JWT_ISSUER": "shop"},
		"secret file": {"ACTIVITYLOG_JWT_SECRET_FILE": file, "ACTIVITYLOG_JWT_VERIFY": "required"},
		"no key":      {},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t, "deploy/examples/jwt-api.yaml")
			c.env = env
			checkConfig(t, c)
			c.Start()
			request := func(path, authorization string) string {
				return fmt.Sprintf(`{"kind":"request","method":"GET","url":%q,"response_status":200,"peer_address":"198.51.100.7:1","headers":{"authorization":%q}}`, path, authorization)
			}
			a := c.postEvents(http.StatusOK,
				request("/api/orders/", "Bearer "+token(secret)), request("/api/forged/", "Bearer "+token("another secret of thirty-two bytes!!")),
				request("/api/other-prefix/", "JWT "+token(secret)),
				request("/api/health/", ""), request("/api/schema/", ""), request("/index.html", ""), request("/static/api/", ""),
				`{"kind":"crud","event_type":"delete","content_type":"shop.order","object_id":"1"}`)
			assert.Equal(t, 4, a.Accepted)
			assert.Equal(t, 4, a.Filtered)
			genuine := row(t, c, "request", "?url=/api/orders/")
			forged := row(t, c, "request", "?url=/api/forged/")
			assert.Equal(t, "42", genuine["user_id"])
			if len(env) == 0 {
				assert.Equal(t, "unverified", genuine["auth_verified"])
				assert.Equal(t, "unverified", forged["auth_verified"])
			} else {
				assert.Equal(t, "verified", genuine["auth_verified"])
				assert.Equal(t, "failed", forged["auth_verified"])
				assert.Nil(t, forged["user_id"])
			}
			assert.Nil(t, row(t, c, "request", "?url=/api/other-prefix/")["user_id"])
			row(t, c, "crud", "?object_id=1")
			assert.NotContains(t, c.logs.String(), "eyJ")
		})
	}
}

// TestExampleSaaS: events are taken while PostgreSQL is away, and reach it when
// it is there; saves without a change are left out; old events are cleaned up.
func TestExampleSaaS(t *testing.T) {
	dsn := os.Getenv("ACTIVITYLOG_TEST_POSTGRES_DSN")
	require.NotEmpty(t, dsn, "make e2e starts the server; or set it by hand")
	env := preparePostgres(t, dsn, fmt.Sprintf("e2e_saas_%d", time.Now().UnixNano()))
	u, err := url.Parse(env["ACTIVITYLOG_POSTGRES_DSN"])
	require.NoError(t, err)
	server := u.Host
	u.Host = freeAddress(t)
	file := filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, os.WriteFile(file, []byte(u.String()), 0o600))

	c := newCollector(t, "deploy/examples/saas.yaml")
	c.env = map[string]string{
		"ACTIVITYLOG_POSTGRES_DSN_FILE": file, "ACTIVITYLOG_API_TOKEN": apiToken,
		"ACTIVITYLOG_JWT_SECRET": demoSecret, "ACTIVITYLOG_TENANT_CLAIM": "org.id",
	}
	checkConfig(t, c)
	c.Launch()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"user_id": "42", "org": map[string]any{"id": "acme"}, "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(demoSecret))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.status("http://"+c.Events+"/v1/events") != 0 }, 20*time.Second, 50*time.Millisecond)
	a := c.postEvents(http.StatusAccepted,
		`{"kind":"request","method":"GET","url":"/orders/1","headers":{"authorization":"Bearer `+token+`"}}`,
		`{"kind":"request","method":"GET","url":"/live/"}`,
		`{"kind":"crud","event_type":"update","content_type":"shop.order","object_id":"1","tenant_id":"acme","before":{"state":"new"},"after":{"state":"paid"}}`,
		`{"kind":"crud","event_type":"update","content_type":"shop.order","object_id":"2","tenant_id":"acme","before":{"state":"new"},"after":{"state":"new"}}`,
		`{"kind":"crud","event_type":"delete","content_type":"shop.order","object_id":"old","datetime":"2020-01-01T00:00:00Z"}`)
	assert.Equal(t, 3, a.Accepted)
	assert.Equal(t, 2, a.Filtered)
	c.Kill() // what was accepted is on disk

	forward(t, u.Host, server)
	c.Start()
	found := row(t, c, "request", "?url=/orders/1")
	assert.Equal(t, "acme", found["tenant_id"], "the token's word")
	assert.Equal(t, "42", found["user_id"])
	assert.JSONEq(t, `{"state":["new","paid"]}`, row(t, c, "crud", "?object_id=1")["changed_fields"].(string))
	row(t, c, "crud", "?object_id=old")
	assert.Equal(t, 2, c.List("crud", "").Count)

	out, code := c.Tool("auditctl", "cleanup", "--days", "90", "--config", c.config)
	require.Equal(t, 0, code, out)
	assert.Equal(t, 1, c.List("crud", "").Count, "the old one is gone")
	assert.NotContains(t, c.logs.String(), u.String(), "a DSN is never logged")
	c.Stop()
}

// forward passes connections on from one address to another.
func forward(t *testing.T, from, to string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", from)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
}
