package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// convertSettings converts settings of the replaced package with the built tool
// and gives the file and the folder that its secrets are to be in.
func convertSettings(t *testing.T, name string) (config, secrets string) {
	t.Helper()
	secrets = t.TempDir()
	config = filepath.Join(secrets, "collector.yaml")
	cmd := exec.CommandContext(t.Context(), binary(t, "auditctl"), "convert-settings", "--secrets-dir", secrets,
		filepath.Join(repo, "internal", "djangosettings", "testdata", name))
	var out, findings bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &findings
	_ = cmd.Run()
	require.NotZero(t, out.Len(), findings.String())
	require.LessOrEqual(t, cmd.ProcessState.ExitCode(), 1, findings.String())
	require.NoError(t, os.WriteFile(config, out.Bytes(), 0o600))
	return config, secrets
}

// TestConvertedSettingsAreTaken holds what every settings file becomes to the
// collector's own checks, with the files that the tool asks for.
func TestConvertedSettingsAreTaken(t *testing.T) {
	files := map[string]string{
		"jwt-secret": "secret", "clickhouse-password": "password",
		"postgres-dsn": "postgres://audit:password@db.example.com:5432/audit", "mongodb-dsn": "mongodb://app:password@mongo.example.com:27017",
	}
	for _, name := range []string{"website.py", "jwtapi.py", "saas.py", "legacy.py", "cookiecutter.py", "literals.py", "settings.json"} {
		config, secrets := convertSettings(t, name)
		for file, content := range files {
			require.NoError(t, os.WriteFile(filepath.Join(secrets, file), []byte(content+"\n"), 0o600))
		}
		out, code := auditctl(t, "config", "check", config)
		require.Equal(t, 0, code, "%s: %s", name, out)
		out, code = runTool(t, "otelcol-activitylog", "validate", "--config", config)
		require.Equal(t, 0, code, "%s: %s", name, out)
	}
}

// TestConvertedWebsite runs the collector on the settings of a website: what was
// not logged there is not stored here.
func TestConvertedWebsite(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	c.config, _ = convertSettings(t, "website.py")
	c.Start()
	request := `{"kind":"request","method":"GET","url":%q,"response_status":200}`
	a := c.postEvents(http.StatusOK, fmt.Sprintf(request, "/articles/"), fmt.Sprintf(request, "/media/x"), fmt.Sprintf(request, "/robots.txt"),
		fmt.Sprintf(request, "/robots.txt.html"), fmt.Sprintf(request, "/admin/"), `{"kind":"cors","origin":"https://a.example"}`,
		`{"kind":"crud","event_type":"update","content_type":"shop.basket"}`, `{"kind":"crud","event_type":"update","content_type":"shop.order"}`)
	assert.Equal(t, 3, a.Accepted)
	assert.Equal(t, 5, a.Filtered)
	assert.ElementsMatch(t, []string{"/articles/", "/robots.txt.html"}, urls(c))
}

// TestConvertedJWTAPI runs it on those of an API, with the files that the tool
// asked for.
func TestConvertedJWTAPI(t *testing.T) {
	const secret = "a secret of at least thirty-two bytes"
	c := newCollector(t, "otelcol-config.yaml")
	config, secrets := convertSettings(t, "jwtapi.py")
	c.config = config
	c.env["ACTIVITYLOG_TRUSTED_PROXIES"] = "10.0.0.0/8,192.0.2.7"
	require.NoError(t, os.WriteFile(filepath.Join(secrets, "jwt-secret"), []byte(secret+"\n"), 0o600))
	c.Start()
	signed := func(secret, audience string) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"uid": "42", "iss": "https://id.example.com", "aud": audience, "exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString([]byte(secret))
		require.NoError(t, err)
		return token
	}
	request := func(path, authorization string) string {
		return fmt.Sprintf(`{"kind":"request","method":"GET","url":%q,"response_status":200,"peer_address":"10.1.2.3",`+
			`"headers":{"authorization":%q,"x-forwarded-for":"203.0.113.5"}}`, path, authorization)
	}
	a := c.postEvents(http.StatusOK,
		request("/api/a", "JWT "+signed(secret, "back-office")), request("/api/b", "Bearer "+signed(strings.Repeat("x", 32), "shop")),
		request("/api/c", "Bearer "+signed(secret, "elsewhere")), request("/api/health/", ""), request("/about/", ""),
		`{"kind":"crud","event_type":"create","content_type":"shop.Order","object_id":"1"}`,
		`{"kind":"crud","event_type":"create","content_type":"shop.orders","object_id":"2"}`)
	assert.Equal(t, 4, a.Accepted)
	assert.Equal(t, 3, a.Filtered)
	genuine := row(t, c, "request", "?url=/api/a")
	assert.Equal(t, "verified", genuine["auth_verified"])
	assert.Equal(t, "42", genuine["user_id"])
	assert.Equal(t, "203.0.113.5", genuine["remote_ip"])
	for _, path := range []string{"/api/b", "/api/c"} {
		refused := row(t, c, "request", "?url="+path)
		assert.Equal(t, "failed", refused["auth_verified"], path)
		assert.Nil(t, refused["user_id"], path)
	}
	row(t, c, "crud", "?object_id=1")
}

// TestSettingsMeanWhatPythonMakesOfThem: a file of literals that Python executes
// gives the same configuration as our reading of it, and our expressions match
// the paths that Python's match.
func TestSettingsMeanWhatPythonMakesOfThem(t *testing.T) {
	python := os.Getenv("E2E_PYTHON")
	require.NotEmpty(t, python, "E2E_PYTHON names a python; make e2e sets it")
	const script = `
import json, re, runpy, sys, warnings
warnings.simplefilter("ignore")
found = {k: v for k, v in runpy.run_path(sys.argv[1]).items() if k.isupper()}
json.dump(found, open(sys.argv[2], "w"), default=lambda v: sorted(v) if isinstance(v, set) else str(v))
paths = ["/health/", "/x/health/", "/robots.txt", "/robotsxtxt", "/robots.txt2", "/tri'ple\"/", "/caf\u00e9/", "/AA\t/", "/line/", "/u/12/", "/u/x/", "/v1/internal/x",
         "/v1/x", "/a/", "/b/", "/", ""]
out = found["ACTIVITYLOG"].get("UNREGISTERED_URLS", []) + found["ACTIVITYLOG"].get("UNREGISTERED_URLS_EXTRA", [])
json.dump({p: any(re.match(e, p) for e in out) for p in paths}, sys.stdout)
`
	for _, name := range []string{"literals.py", "saas.py"} {
		source := filepath.Join(repo, "internal", "djangosettings", "testdata", name)
		executed := filepath.Join(t.TempDir(), "executed.json")
		cmd := exec.CommandContext(t.Context(), python, "-c", script, source, executed)
		matched, err := cmd.Output()
		require.NoError(t, err)
		convert := func(file string) string {
			cmd := exec.CommandContext(t.Context(), binary(t, "auditctl"), "convert-settings", file)
			out, _ := cmd.Output()
			lines := strings.Split(string(out), "\n")
			for i, line := range lines {
				lines[i], _, _ = strings.Cut(line, " # ")
				if strings.HasPrefix(line, "#") {
					lines[i] = ""
				}
			}
			return strings.TrimSpace(strings.Join(lines, "\n"))
		}
		require.Equal(t, convert(executed), convert(source), name)
		if name != "literals.py" {
			continue
		}
		config, _ := convertSettings(t, name)
		c := newCollector(t, "otelcol-config.yaml")
		c.config = config
		c.Start()
		var expected map[string]bool
		require.NoError(t, json.Unmarshal(matched, &expected))
		for path, excluded := range expected {
			if path == "" {
				continue // no path of a request
			}
			a := c.postEvents(http.StatusOK, fmt.Sprintf(`{"kind":"request","method":"GET","url":%s,"response_status":200}`, jsonText(t, path)))
			assert.Equal(t, excluded, a.Filtered == 1, "%q", path)
		}
	}
}

func jsonText(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return string(b)
}
