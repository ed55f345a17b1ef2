package djangosettings

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/pyliteral"
)

var update = flag.Bool("update", false, "write the golden files")

// secret stands in the test files wherever a secret does.
const secret = "hunter2"

func convert(t *testing.T, file, src string) Result {
	t.Helper()
	s := New()
	require.NoError(t, s.Read(file, []byte(src)))
	return s.Convert(Options{SecretsDir: "/etc/activitylog"})
}

// texts gives the findings of a settings.py.
func texts(t *testing.T, src string) []string {
	t.Helper()
	var out []string
	for _, f := range convert(t, "settings.py", src).Findings {
		out = append(out, f.String())
	}
	return out
}

// key gives a key of the configuration as the collector reads it, $$ still doubled.
func key(t *testing.T, yaml, path string) any {
	t.Helper()
	conf, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	require.NoError(t, err, yaml)
	c, err := conf.AsConf()
	require.NoError(t, err)
	return c.Get(path)
}

func TestGolden(t *testing.T) {
	for _, name := range []string{"website.py", "jwtapi.py", "saas.py", "legacy.py", "cookiecutter.py", "literals.py", "settings.json"} {
		src, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		got := convert(t, name, string(src)).YAML
		assert.NotContains(t, got, secret, name)
		golden := filepath.Join("testdata", strings.TrimSuffix(name, filepath.Ext(name))+".yaml")
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), got, name)
		require.NotNil(t, key(t, got, "service::pipelines::logs"), name)
	}
}

func TestPrecedence(t *testing.T) {
	const path = "processors::enrich::geoip::path"
	const byDefault = "${env:ACTIVITYLOG_GEOIP_PATH:-}"
	for src, want := range map[string]string{
		``: byDefault,
		`DJANGO_ACTIVITY_LOG_GEOIP_PATH = "/legacy"`:                                                  "/legacy",
		`ACTIVITYLOG = {"GEOIP_PATH": "/dict"}` + "\n" + `DJANGO_ACTIVITY_LOG_GEOIP_PATH = "/legacy"`: "/dict",
		`ACTIVITYLOG = {"GEOIP_PATH": None}` + "\n" + `DJANGO_ACTIVITY_LOG_GEOIP_PATH = "/legacy"`:    byDefault,
	} {
		assert.Equal(t, want, key(t, convert(t, "settings.py", src).YAML, path), src)
	}
}

// TestEverySettingIsHeardOf gives each setting a value that only Python knows:
// each is listed, but those that ask for nothing.
func TestEverySettingIsHeardOf(t *testing.T) {
	for _, name := range known {
		src := "ACTIVITYLOG = {'JWT_VERIFY_SIGNATURE': True, 'LOGGING_BACKEND': 'activitylog.backends.MultiBackend', '" + name + "': secret()}"
		if strings.HasPrefix(name, "DATABASE_") {
			src = strings.Replace(src, "MultiBackend", "ModelBackend", 1)
		}
		if name == "JWT_PUBLIC_KEY" {
			src += "\nACTIVITYLOG['JWT_ALGORITHM'] = 'RS256'"
		}
		found := slices.ContainsFunc(convert(t, "settings.py", src).Findings, func(f Finding) bool { return f.Setting == name && f.Line > 0 })
		none, without := noCounterpart[name]
		silent := without && none.why == ""
		assert.Equal(t, !silent, found, name)
	}
	// Their defaults, as the manual writes them, ask for nothing.
	assert.Len(t, texts(t, `ACTIVITYLOG = {"TRACK_RESPONSE_METRICS": True, "READONLY_EVENTS": False, "PROPAGATE_EXCEPTIONS": False, "REALTIME_ENABLED": False,
		"CRUD_DIFFERENCE_CALLBACKS": [], "ADMIN_SHOW_AUTH_EVENTS": True, "TRUNCATE_TABLE_SQL_STATEMENT": "", "JWT_VERIFY_SIGNATURE": False}`), 1)
}

func TestSecretsAreNotRepeated(t *testing.T) {
	for src, want := range map[string]string{
		`SECRET_KEY = "hunter2"`:                  "SECRET_KEY (settings.py:1): write its value to /etc/activitylog/jwt-secret",
		`SECRET_KEY = b"hunter2"`:                 "write its value to",
		`SECRET_KEY = f"hunter2{x}"`:              "(a formatted string)",
		`SECRET_KEY = "hunter2" * 2`:              "(an expression with *)",
		`SECRET_KEY = get("hunter2")`:             "(the call of get)",
		`SECRET_KEY = vault["hunter2"]`:           "(the name vault)",
		`SECRET_KEY = env("K", "hunter2")`:        "the value of the environment variable K",
		`SECRET_KEY = {"hunter2": 1}`:             "write its value to",
		`SIMPLE_JWT = {"SIGNING_KEY": "hunter2"}`: "SIMPLE_JWT.SIGNING_KEY (settings.py:1): write its value",
		"SIMPLE_JWT = {'ALGORITHM': 'RS256', 'VERIFYING_KEY': '-----BEGIN RSA PRIVATE KEY-----hunter2'}": "it is a private key",
		"SIMPLE_JWT = {'ALGORITHM': 'RS256', 'VERIFYING_KEY': open('/hunter2').read()}":                  "it is the call of open, no key in PEM and no path; write the public key of RSA (PEM) to /etc/activitylog/jwt-public.pem",
		"SIMPLE_JWT = {'ALGORITHM': 'RS256', 'VERIFYING_KEY': 'hunter2+/base64='}":                       "it is a text, no key in PEM and no path; write the public key",
		"SIMPLE_JWT = {'ALGORITHM': 'RS256', 'JWK_URL': 'https://u:hunter2@id.example.com/jwks'}":        "holds credentials, which are not repeated",
		"SIMPLE_JWT = {'ALGORITHM': 'RS256', 'JWK_URL': 'https://id.example.com/jwks'}":                  "jwks_url: 'https://id.example.com/jwks'",
		"SIMPLE_JWT = {'ALGORITHM': 'ES256'}\nACTIVITYLOG = {'JWT_SECRET_KEY': 'hunter2'}":               "left out, as ES256 has no use for it",
		"SIMPLE_JWT = {'ALGORITHM': 'hunter'}":                                                           "is no algorithm of the collector",
	} {
		r := convert(t, "settings.py", src+"\nDJANGO_ACTIVITY_LOG_JWT_VERIFY_SIGNATURE = True")
		assert.Contains(t, r.YAML, want, src)
		assert.NotContains(t, r.YAML, secret, src)
	}
}

func TestStores(t *testing.T) {
	const multi = `ACTIVITYLOG = {"LOGGING_BACKEND": "activitylog.backends.`
	for _, tt := range []struct {
		src, path string
		want      any
	}{
		{``, "exporters::auditsql::driver", "sqlite"},
		{multi + `ModelBackend"}` + "\nCELERY_BROKER_URL = 'redis://'", "exporters::auditsql::sending_queue", nil},
		{multi + `AsyncBackend"}`, "exporters::auditsql::sending_queue::storage", "file_storage"},
		{`CELERY_BROKER_URL = "redis://"`, "receivers::activitylog::success_status", 202},
		{multi + `ClickHouseBackend"}`, "exporters::auditclickhouse::dsn", "clickhouse://default@localhost:9000/activitylog"},
		{multi + `MongoBackend"}`, "extensions::auditapi::storage::mongodb::dsn", "mongodb://localhost:27017"},
		{multi + `MongoBackend"}` + "\nACTIVITYLOG_MONGODB = {'uri': env('M')}", "exporters::auditmongo::dsn", "${env:M}"},
		{multi + `ScyllaDBBackend"}` + "\nACTIVITYLOG_SCYLLADB = {'contact_points': ['a', 'b'], 'keyspace': 'k'}", "exporters::auditscylla::dsn", "scylla://a,b:9042/k"},
		{multi + `MongoBackend"}` + "\nACTIVITYLOG_MONGODB = {'uri': 'mongodb://u:hunter2@a:27017,b:27017/x'}", "exporters::auditmongo::dsn_file", "/etc/activitylog/mongodb-dsn"},
		{multi + `ScyllaDBBackend"}` + "\nACTIVITYLOG_SCYLLADB = {'contact_points': hosts()}", "exporters::auditscylla::dsn_file", "/etc/activitylog/scylla-dsn"},
		{
			multi + `MultiBackend", "MULTI_BACKENDS": ["activitylog.backends.ModelBackend", "activitylog.backends.MongoBackend"]}`,
			"exporters::auditmongo::retry_on_failure::max_elapsed_time", "0s",
		},
		{
			`DATABASES = {"logs": {"ENGINE": "django.db.backends.mysql", "NAME": "n", "USER": "u", "HOST": "db"}}; ACTIVITYLOG = {"DATABASE_ALIAS": "logs"}`,
			"exporters::auditsql::mysql::dsn", "u@tcp(db:3306)/n",
		},
		{
			`DATABASES = {"logs": {"ENGINE": "django.db.backends.postgresql", "PORT": "5433"}}; ACTIVITYLOG = {"DATABASE_ALIAS": "logs"}`,
			"exporters::auditsql::postgres::dsn", "postgres://activitylog@localhost:5433/activitylog",
		},
		{`DATABASES = {"logs": {"ENGINE": "django.db.backends.oracle"}}; ACTIVITYLOG = {"DATABASE_ALIAS": "logs"}`, "exporters::auditsql::driver", "sqlite"},
		{`DATABASES = x(); ACTIVITYLOG = {"DATABASE_ALIAS": "logs"}`, "exporters::auditsql::driver", "sqlite"},
	} {
		assert.Equal(t, tt.want, key(t, convert(t, "settings.py", tt.src).YAML, tt.path), tt.src)
	}
}

func TestSeveralFiles(t *testing.T) {
	s := New()
	require.NoError(t, s.Read("/srv/config/base.py", []byte("ACTIVITYLOG = {'GEOIP_PATH': '/base', 'WATCH_CORS_EVENTS': False}")))
	require.NoError(t, s.Read("/srv/config/production.py", []byte("from .base import *\nfrom .elsewhere import *\nACTIVITYLOG['GEOIP_PATH'] = '/production'")))
	r := s.Convert(Options{})
	assert.Equal(t, "/production", key(t, r.YAML, "processors::enrich::geoip::path"))
	assert.Contains(t, r.YAML, "import of .elsewhere (production.py:2): its settings are not read")
	assert.NotContains(t, r.YAML, "import of .base")
}

func TestJSON(t *testing.T) {
	const path = "processors::enrich::geoip::path"
	assert.Equal(t, "/x", key(t, convert(t, "a.json", `{"GEOIP_PATH": "/x"}`).YAML, path))
	assert.Equal(t, "/x", key(t, convert(t, "a.json", `{"ACTIVITYLOG": {"GEOIP_PATH": "/x"}, "SECRET_KEY": "hunter2"}`).YAML, path))
	assert.Equal(t, "/x", key(t, convert(t, "-", ` {"GEOIP_PATH": "/y", "GEOIP_PATH": "/x"}`).YAML, path))
	for src, want := range map[string]string{
		`[1]`:                           "it holds no object",
		`{"a": hunter2}`:                "line 1: no JSON",
		"{\n\"a\": 1} {":                "something follows",
		"{\"a\": \"\xff\"}":             "not UTF-8",
		"{\"a\": \"\x00\"}":             "no JSON",
		strings.Repeat(`{"a":`, 10_000): "no JSON",
		`{"a": "` + strings.Repeat("x", pyliteral.MaxSize) + `"}`: "more than",
	} {
		err := New().Read("a.json", []byte(src))
		require.ErrorIs(t, err, pyliteral.ErrSyntax, "%.20q", src)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), secret)
	}
}

func FuzzConvert(f *testing.F) {
	for _, name := range []string{"website.py", "jwtapi.py", "saas.py", "legacy.py", "cookiecutter.py", "literals.py", "settings.json"} {
		src, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(f, err)
		f.Add(string(src))
	}
	f.Add("ACTIVITYLOG = {'GEOIP_PATH': '\\x1b[0m\\n: ${env:X} #', 'UNREGISTERED_URLS': ['\\u2028', '- a: b'], 'JWT_AUTH_HEADER_PREFIX': \"'\"}")
	f.Fuzz(func(t *testing.T, src string) {
		s := New()
		if s.Read("settings.py", []byte(src)) != nil {
			return
		}
		r := s.Convert(Options{SecretsDir: "/etc/activitylog"})
		conf, err := confmap.NewRetrievedFromYAML([]byte(r.YAML))
		require.NoError(t, err, r.YAML)
		raw, err := conf.AsRaw()
		require.NoError(t, err)
		require.Contains(t, raw, "service", r.YAML)
	})
}
