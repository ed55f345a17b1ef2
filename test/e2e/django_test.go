package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// djangoSecret signs the tokens of examples/django/testproject.
const djangoSecret = "a secret of at least thirty-two bytes"

// django is the test project of examples/django behind a real server.
type django struct {
	t      *testing.T
	python string
	server string // gunicorn, uvicorn
	env    []string

	URL   string
	Spool string
	cmd   *exec.Cmd
	logs  lockedBuffer
}

// newDjango prepares an empty database; events go to the collector.
func newDjango(t *testing.T, c *collector, server string) *django {
	t.Helper()
	python := os.Getenv("E2E_PYTHON")
	require.NotEmpty(t, python, "E2E_PYTHON names a python with testdata/requirements.txt; make e2e sets it")
	dir := t.TempDir()
	d := &django{t: t, python: python, server: server, Spool: filepath.Join(dir, "spool")}
	d.env = append(os.Environ(), "SHOP_DB="+filepath.Join(dir, "shop.sqlite3"), "SHOP_SPOOL="+d.Spool,
		"SHOP_COLLECTOR=http://"+c.Events+"/v1/events", "SHOP_SECRET_KEY="+djangoSecret, "PYTHONDONTWRITEBYTECODE=1")
	d.Manage("migrate", "--verbosity", "0")
	t.Cleanup(d.Kill)
	return d
}

func (d *django) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = filepath.Join(repo, "examples", "django", "testproject"), d.env
	// A group of its own: a killed master must not leave workers.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Manage runs a management command.
func (d *django) Manage(args ...string) string {
	d.t.Helper()
	out, code := output(d.t, d.command(d.python, append([]string{"manage.py"}, args...)...))
	require.Equal(d.t, 0, code, out)
	return out
}

// Start runs the server with two workers and waits until it answers.
func (d *django) Start(extra ...string) {
	d.t.Helper()
	address := freeAddress(d.t)
	d.URL = "http://" + address
	args := map[string][]string{
		"gunicorn": {"-m", "gunicorn", "wsgi:application", "--bind", address, "--workers", "2", "--threads", "2", "--preload", "--no-control-socket"},
		"uvicorn":  {"-m", "uvicorn", "asgi:application", "--port", address[strings.LastIndex(address, ":")+1:], "--workers", "2", "--no-proxy-headers", "--lifespan", "off"},
	}[d.server]
	require.NotNil(d.t, args, d.server)
	cmd := d.command(d.python, append(args, extra...)...)
	cmd.Stdout, cmd.Stderr = &d.logs, &d.logs
	require.NoError(d.t, cmd.Start())
	d.cmd = cmd
	require.Eventually(d.t, func() bool {
		code, _, err := d.try(http.DefaultClient, http.MethodGet, "/whoami/", nil, nil)
		return err == nil && code == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond, "%s", &d.logs)
}

// Signal sends a signal to the server and all its workers.
func (d *django) Signal(s syscall.Signal) {
	if d.cmd != nil {
		_ = syscall.Kill(-d.cmd.Process.Pid, s)
	}
}

// Kill ends the server and its workers as kill -9 does.
func (d *django) Kill() {
	if d.cmd == nil {
		return
	}
	d.Signal(syscall.SIGKILL)
	_ = d.cmd.Wait()
	d.cmd = nil
}

// Stop ends the server as its supervisor does.
func (d *django) Stop() {
	d.t.Helper()
	require.NoError(d.t, d.cmd.Process.Signal(syscall.SIGTERM))
	_ = d.cmd.Wait()
	d.cmd = nil
}

func (d *django) try(client *http.Client, method, path string, form url.Values, headers map[string]string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, d.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// Get requests a path and wants a status.
func (d *django) Get(status int, path string, headers ...string) map[string]any {
	d.t.Helper()
	named := map[string]string{}
	for i := 0; i < len(headers); i += 2 {
		named[headers[i]] = headers[i+1]
	}
	code, body, err := d.try(http.DefaultClient, http.MethodGet, path, nil, named)
	require.NoError(d.t, err, &d.logs)
	require.Equal(d.t, status, code, "%s: %s\n%s", path, body, &d.logs)
	return jsonObject(body)
}

// jsonObject reads an object, and nothing of anything else.
func jsonObject(text string) map[string]any {
	var object map[string]any
	_ = json.Unmarshal([]byte(text), &object)
	return object
}

// eventually waits until the list of a kind holds n events and gives them,
// oldest first.
func (c *collector) eventually(kind, query string, n int) []map[string]any {
	c.t.Helper()
	var l list
	require.Eventually(c.t, func() bool {
		l = c.List(kind, query)
		return len(l.Results) >= n
	}, 30*time.Second, 50*time.Millisecond, "%s%s: %d events, not %d", kind, query, len(l.Results), n)
	require.Len(c.t, l.Results, n, "%v", l.Results)
	return l.Results
}

// TestDjango runs the example on a WSGI and on an ASGI server.
func TestDjango(t *testing.T) {
	for _, server := range []string{"gunicorn", "uvicorn"} {
		t.Run(server, func(t *testing.T) {
			c := newCollector(t, "otelcol-config.yaml")
			c.env["ACTIVITYLOG_JWT_SECRET"] = djangoSecret
			c.env["ACTIVITYLOG_TRUSTED_PROXIES"] = "127.0.0.1"
			c.Start()
			d := newDjango(t, c, server)
			d.Manage("shell", "-c", "from django.contrib.auth.models import User; User.objects.create_user('ada', password='correct horse')")
			d.Start()
			t.Run("changes", func(t *testing.T) { djangoChanges(t, c, d) })
			t.Run("transactions", func(t *testing.T) { djangoTransactions(t, c, d) })
			t.Run("requests", func(t *testing.T) { djangoRequests(t, c, d) })
			t.Run("actors", func(t *testing.T) { djangoActors(t, c, d) })
			t.Run("secrets", func(t *testing.T) { djangoSecrets(t, c, d) })
			for _, kind := range []string{"crud", "login", "request"} {
				assert.True(t, c.Verify(kind).OK, kind)
			}
			assert.NotContains(t, d.logs.String(), "not recorded")
		})
	}
}

func orderEvents(t *testing.T, c *collector, key any, n int) []map[string]any {
	t.Helper()
	return c.eventually("crud", fmt.Sprintf("?content_type=shop.order&object_id=%v&ordering=datetime", key), n)
}

func djangoChanges(t *testing.T, c *collector, d *django) {
	t.Helper()
	key := d.Get(200, "/create/?number=A1&note=first")["id"]
	d.Get(200, fmt.Sprintf("/orders/%v/change/?state=paid", key))
	d.Get(200, fmt.Sprintf("/orders/%v/change-some/", key))
	tags := d.Get(200, fmt.Sprintf("/orders/%v/tags/", key))
	d.Get(204, fmt.Sprintf("/orders/%v/delete/", key))
	events := orderEvents(t, c, key, 7)
	words := make([]any, 0, len(events))
	for _, e := range events {
		words = append(words, e["event_type_display"])
	}
	require.Equal(t, []any{"create", "update", "update", "m2m_add", "m2m_remove", "m2m_clear", "delete"}, words)
	assert.Contains(t, events[0]["object_json_repr"], `"note":"first"`)
	assert.JSONEq(t, `{"state":["new","paid"]}`, events[1]["changed_fields"].(string))
	assert.JSONEq(t, "{}", events[2]["changed_fields"].(string), "paid is paid, and note was never saved")
	assert.JSONEq(t, fmt.Sprintf(`{"tags":[[],[%v,%v]]}`, tags["red"], tags["blue"]), events[3]["changed_fields"].(string))
	assert.JSONEq(t, fmt.Sprintf(`{"tags":[[%v],[]]}`, tags["red"]), events[4]["changed_fields"].(string))
	assert.Contains(t, events[6]["object_json_repr"], `"number":"A1"`, "a delete keeps its object")
	reverse := c.eventually("crud", fmt.Sprintf("?content_type=shop.tag&object_id=%v&event_type=reverse_m2m_add", tags["red"]), 1)
	assert.JSONEq(t, fmt.Sprintf(`{"orders":[[],[%v]]}`, key), reverse[0]["changed_fields"].(string))

	keys := d.Get(200, "/bulk/")["keys"].([]any)
	for _, key := range keys {
		events := orderEvents(t, c, key, 2)
		assert.Equal(t, "create", events[0]["event_type_display"])
		assert.JSONEq(t, `{"state":["new","void"]}`, events[1]["changed_fields"].(string))
	}
}

func djangoTransactions(t *testing.T, c *collector, d *django) {
	t.Helper()
	first := d.Get(200, "/create/?number=T1")["id"]
	second := d.Get(200, "/create/?number=T2")["id"]
	d.Get(500, "/rollback/?number=rolled-back")
	d.Get(200, "/savepoint/?number=T3")
	d.Get(409, fmt.Sprintf("/orders/%v/failed-save/?number=T1", second))
	outer := c.eventually("crud", "?content_type=shop.order&search=outer-T3", 1)
	assert.Equal(t, "create", outer[0]["event_type_display"])
	// What is sent later has arrived: what is not there was not sent.
	d.Get(200, fmt.Sprintf("/orders/%v/change/?state=paid", first))
	orderEvents(t, c, first, 2)
	orderEvents(t, c, second, 1)
	assert.Empty(t, c.List("crud", "?search=rolled-back").Results)
	assert.Empty(t, c.List("crud", "?search=inner-T3").Results)
}

func djangoRequests(t *testing.T, c *collector, d *django) {
	t.Helper()
	// By path, so that each is told from what other parts of the test requested.
	requested := func(path string, n int) []map[string]any {
		return c.eventually("request", "?ordering=datetime&url="+url.QueryEscape(path), n)
	}
	d.Get(404, "/not-there/?page=2&password=hunter2")
	missing := requested("/not-there/", 1)[0]
	assert.EqualValues(t, 404, missing["response_status"])
	assert.Equal(t, "page=2&password=***", missing["query_string"])
	assert.Equal(t, "failure", missing["outcome"])
	assert.Greater(t, missing["response_time_ms"], 0.0)
	assert.Greater(t, missing["response_body_size"], 0.0)
	assert.Equal(t, "shop", missing["service"])

	d.Get(500, "/boom/")
	assert.EqualValues(t, 500, requested("/boom/", 1)[0]["response_status"])

	rows := 0
	for n := range 1000 {
		rows += len(fmt.Sprintf("row %d\n", n))
	}
	for _, path := range []string{"/stream/", "/stream-async/"} {
		code, body, err := d.try(http.DefaultClient, http.MethodGet, path, nil, nil)
		require.NoError(t, err)
		require.Equal(t, 200, code)
		require.Len(t, body, rows)
		assert.EqualValues(t, rows, requested(path, 1)[0]["response_body_size"], path)
	}
	_, file, err := d.try(http.DefaultClient, http.MethodGet, "/download/", nil, nil)
	require.NoError(t, err)
	assert.EqualValues(t, len(file), requested("/download/", 1)[0]["response_body_size"])

	key := d.Get(200, "/create-async/?number=async")["id"]
	assert.Equal(t, "127.0.0.1", orderEvents(t, c, key, 1)[0]["remote_ip"])

	// The header comes through a proxy that the collector trusts.
	d.Get(200, "/whoami/?who=proxied", "X-Forwarded-For", "203.0.113.5", "User-Agent", "Mozilla/5.0",
		"Sec-CH-UA", `"Chromium";v="140"`, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	proxied := c.eventually("request", "?search=who%3Dproxied", 1)[0]
	assert.Equal(t, "203.0.113.5", proxied["remote_ip"])
	assert.Equal(t, "Mozilla/5.0", proxied["user_agent"])
	assert.Equal(t, "0af7651916cd43dd8448eb211c80319c", proxied["trace_id"])

	// Whatever the headers are, the request is answered.
	for name, value := range map[string]string{
		"Authorization": "Bearer " + strings.Repeat("x", 4000), "X-Forwarded-For": strings.Repeat("1,", 2000), "Cookie": "sessionid=\xff\xfe; =; a",
		"User-Agent": "<script>\xff", "Traceparent": "00-zz", "Sec-CH-UA": strings.Repeat(`"`, 1000), "Origin": "null", "Forwarded": "for=;;;",
	} {
		d.Get(200, "/whoami/?odd="+name, name, value)
	}
	c.eventually("request", "?search=odd%3D", 8)
}

func djangoActors(t *testing.T, c *collector, d *django) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	do := func(method, path string, form url.Values, headers map[string]string) (int, string) {
		code, body, err := d.try(browser, method, path, form, headers)
		require.NoError(t, err)
		return code, body
	}
	password := "correct horse"
	code, _ := do(http.MethodPost, "/login/", url.Values{"username": {"ada"}, "password": {"a wrong one"}}, nil)
	require.Equal(t, 403, code)
	code, _ = do(http.MethodPost, "/login/", url.Values{"username": {"ada"}, "password": {password}}, nil)
	require.Equal(t, 200, code)
	code, body := do(http.MethodGet, "/create/?number=by-session", nil, nil)
	require.Equal(t, 200, code)
	code, _ = do(http.MethodGet, "/logout/", nil, nil)
	require.Equal(t, 200, code)

	logins := c.eventually("login", "?ordering=datetime", 3)
	failed, login, logout := logins[0], logins[1], logins[2]
	assert.Equal(t, []any{"login_failed", "login", "logout"},
		[]any{failed["login_type_display"], login["login_type_display"], logout["login_type_display"]})
	assert.Equal(t, []any{"ada", nil}, []any{failed["username"], failed["user_id"]})
	assert.Equal(t, "127.0.0.1", failed["remote_ip"])
	assert.Equal(t, []any{"1", "ada", "session"}, []any{login["user_id"], login["username"], login["auth_method"]})
	assert.Len(t, login["session_key"], 64, "hashed")
	assert.Equal(t, login["session_key"], logout["session_key"])

	bySession := orderEvents(t, c, jsonObject(body)["id"], 1)[0]
	assert.Equal(t, []any{"1", "ada", "session", "not_checked"},
		[]any{bySession["user_id"], bySession["username"], bySession["auth_method"], bySession["auth_verified"]})
	out := c.eventually("request", "?url=%2Flogout%2F", 1)[0]
	assert.Equal(t, "1", out["user_id"], "a request that logs out has its user")

	code, body = do(http.MethodPost, "/token/", url.Values{"username": {"ada"}, "password": {password}}, nil)
	require.Equal(t, 200, code, body)
	token, _ := jsonObject(body)["access"].(string)
	require.NotEmpty(t, token)
	key := d.Get(200, "/api/?number=by-token", "Authorization", "Bearer "+token)["id"]
	byToken := orderEvents(t, c, key, 1)[0]
	assert.Equal(t, []any{"1", "jwt", "verified"}, []any{byToken["user_id"], byToken["auth_method"], byToken["auth_verified"]})

	d.Get(401, "/api/?number=forged", "Authorization", "Bearer "+token[:len(token)-4]+"AAAA")
	forged := c.eventually("request", "?url=%2Fapi%2F&response_status=401", 1)[0]
	assert.Equal(t, []any{nil, "failed", "denied"}, []any{forged["user_id"], forged["auth_verified"], forged["outcome"]})
	assert.Empty(t, c.List("crud", "?search=forged").Results)

	d.Get(200, "/create/?number=by-nobody")
	nobody := c.eventually("crud", "?search=by-nobody", 1)[0]
	assert.Equal(t, []any{nil, "anonymous"}, []any{nobody["user_id"], nobody["actor_type"]})
}

// djangoSecrets: what is secret by its name is not even sent.
func djangoSecrets(t *testing.T, c *collector, d *django) {
	t.Helper()
	key := d.Get(200, "/secrets/")["id"]
	events := c.eventually("crud", fmt.Sprintf("?content_type=shop.customer&object_id=%v&ordering=datetime", key), 2)
	assert.JSONEq(t, `{"api_key":["***","***"],"name":["Ada","Ada L."]}`, events[1]["changed_fields"].(string))
	for _, e := range events {
		assert.NotContains(t, e["object_json_repr"], "9271")
		assert.NotContains(t, e["object_json_repr"], "DE02", "a name of mask_fields")
	}
}

// TestDjangoOutage takes the collector away under a running site: every request
// is answered as before, and everything is stored once it is back, also what
// workers had that were killed, and what a stopped site left.
func TestDjangoOutage(t *testing.T) {
	for _, server := range []string{"gunicorn", "uvicorn"} {
		t.Run(server, func(t *testing.T) {
			c := startCollector(t, "otelcol-config.yaml")
			d := newDjango(t, c, server)
			d.Start()
			d.Get(200, "/create/?number=before")
			c.eventually("crud", "?search=before", 1)
			c.Stop()

			for n := range 20 {
				d.Get(200, fmt.Sprintf("/create/?number=away-%d", n), "Authorization", "Bearer not.for.disk")
			}
			// The worker kills itself in the middle of a request, right after its commit.
			_, _, err := d.try(http.DefaultClient, http.MethodPost, "/kill/?number=away-killed", nil, nil) // no POST is tried twice
			require.Error(t, err, "the worker is gone")
			require.Eventually(t, func() bool {
				code, _, err := d.try(http.DefaultClient, http.MethodGet, "/create/?number=away-after-kill", nil, nil)
				return err == nil && code == 200
			}, 10*time.Second, 100*time.Millisecond)
			files := globbed(t, d.Spool)
			require.NotEmpty(t, files)
			for _, file := range files {
				info, err := os.Stat(file)
				require.NoError(t, err)
				assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
				raw, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.NotContains(t, string(raw), "not.for.disk")
			}
			d.Kill() // everything, as by kill -9

			d.Start()
			d.Get(200, "/create/?number=away-restarted")
			d.Stop() // while the collector is away
			d.Start()
			c.Start()
			d.Get(200, "/create/?number=back")
			found := c.eventually("crud", "?search=away-&page_size=100", 23)
			numbers := map[string]int{}
			for _, e := range found {
				numbers[e["object_json_repr"].(string)]++
			}
			assert.Len(t, numbers, 23, "each once")
			require.Eventually(t, func() bool {
				for _, file := range globbed(t, d.Spool) {
					if info, err := os.Stat(file); err == nil && info.Size() > 0 {
						return false
					}
				}
				return true
			}, 30*time.Second, 50*time.Millisecond, "nothing waits any more")
			assert.True(t, c.Verify("crud").OK)
		})
	}
}

func globbed(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	return files
}

// TestDjangoUnits runs the example's own tests.
func TestDjangoUnits(t *testing.T) {
	d := newDjango(t, newCollector(t, "otelcol-config.yaml"), "")
	out := d.Manage("test", "shop")
	assert.Contains(t, out, "OK")
}
