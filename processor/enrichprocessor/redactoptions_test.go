package enrichprocessor

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadatatest"
)

const testHMACKey = "a key of sixteen bytes"

func withHMAC(c *RedactConfig) { c.Action, c.HMACKey = actionHMAC, testHMACKey }

func TestRedactIsValidated(t *testing.T) {
	for key, change := range map[string]func(*RedactConfig){
		"redact::action":                  func(c *RedactConfig) { c.Action = "hide" },
		"redact::kinds::0":                func(c *RedactConfig) { c.Kinds = []string{"name"} },
		"redact::blocked_key_patterns::0": func(c *RedactConfig) { c.BlockedKeyPatterns = []string{"("} },
		"redact::blocked_values::0":       func(c *RedactConfig) { c.BlockedValues = []string{"("} },
		"redact::allowed_values::0":       func(c *RedactConfig) { c.AllowedValues = []string{"("} },
		"redact::failed_usernames":        func(c *RedactConfig) { c.FailedUsernames = "drop" },
		"redact::hmac_key: hmac-sha256":   func(c *RedactConfig) { c.Action = actionHMAC },
		"redact::hmac_key: must be":       func(c *RedactConfig) { c.HMACKey = "fifteen bytes !" },
		"redact::hmac_key: give":          func(c *RedactConfig) { c.HMACKey, c.HMACKeyFile = testHMACKey, "f" },
	} {
		cfg := createDefaultConfig().(*Config)
		change(&cfg.Redact)
		require.ErrorContains(t, cfg.Validate(), key)
	}
}

func TestHMACKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	c := &RedactConfig{Action: actionHMAC, HMACKeyFile: file}
	_, err := c.loadHMACKey()
	require.ErrorContains(t, err, "redact::hmac_key_file")
	require.NoError(t, os.WriteFile(file, []byte("short\n"), 0o600))
	_, err = c.loadHMACKey()
	require.ErrorContains(t, err, "at least 16 bytes")
	require.NotContains(t, err.Error(), "short\n")
	require.NoError(t, os.WriteFile(file, []byte(testHMACKey+"\r\n"), 0o600))
	key, err := c.loadHMACKey()
	require.NoError(t, err)
	require.Equal(t, testHMACKey, string(key))
}

func TestActions(t *testing.T) {
	remove := redactionOf(t, func(c *RedactConfig) { c.Action = actionRemove })
	for in, want := range map[string]string{
		`{"token":"hush"}`:                         `{}`,
		`{"a":1,"token":"hush"}`:                   `{"a":1}`,
		`{"token":"hush","a":1}`:                   `{"a":1}`,
		`{"a":1, "token":"hush" , "b":2}`:          `{"a":1, "b":2}`,
		`{"token":"hush","pwd":{"a":1},"sid":"x"}`: `{}`,
		`{"a":[{"token":"hush"},{"token":null}]}`:  `{"a":[{},{"token":null}]}`,
		`{"a":"password=hush b"}`:                  `{"a":"password=*** b"}`,
	} {
		assert.Equal(t, want, remove.json(in)) // byte for byte
		assert.Equal(t, want, remove.json(want))
	}
	assert.Equal(t, `{"a":[1,2]}`, remove.changes(`{"pwd":["a","b"],"a":[1,2]}`)) //nolint:testifylint // byte for byte
	for in, want := range map[string]string{
		"token=hush": "", "a=1&token=hush": "a=1", "token=hush&a=1": "a=1", "a=1&token=hush&b=2": "a=1&b=2",
		"token=hush&sid=x": "", "a=1#token=hush": "a=1#", "token=": "token=",
	} {
		assert.Equal(t, want, remove.query(in), in)
	}

	mac := redactionOf(t, withHMAC)
	pseudonym := string(mac.appendSecret(nil, "hush", secretName))
	require.Regexp(t, `^hmac-sha256:[0-9a-f]{32}$`, pseudonym)
	assert.Equal(t, "token="+pseudonym, mac.query("token=hush"), "the same in every place")
	assert.Equal(t, "token="+pseudonym, mac.query("token=%68ush"), "and however it is written")
	assert.Equal(t, `{"pwd":"`+pseudonym+`"}`, mac.json(`{"pwd":"hus\u0068"}`))
	assert.Equal(t, `{"pwd":[null,"`+pseudonym+`"]}`, mac.changes(`{"pwd":[null,"hush"]}`))
	assert.NotContains(t, redactionOf(t, func(c *RedactConfig) { withHMAC(c); c.HMACKey += "!" }).query("token=hush"), pseudonym)
	assert.NotContains(t, mac.text("password="+pseudonym+"hush", mac.search), "hush", "a secret cannot hide behind a pseudonym")
}

func TestRules(t *testing.T) {
	p := redactionOf(t, func(c *RedactConfig) {
		c.BlockedKeyPatterns, c.IgnoredKeys = []string{`^x-\d+$`}, []string{"csrf_token"}
		c.BlockedValues, c.AllowedValues = []string{`\bEMP-\d{4}\b`}, []string{`^EMP-0000$`, `^test-`}
	})
	for in, want := range map[string]string{
		`{"x-17":"hush","x-a":"b"}`:           `{"x-17":"***","x-a":"b"}`,
		`{"CSRF-Token":{"token":"hush"}}`:     `{"CSRF-Token":{"token":"hush"}}`,
		`{"a":"EMP-1234 EMP-0000 EMP-12345"}`: `{"a":"*** EMP-0000 EMP-12345"}`,
		`{"token":"test-1"}`:                  `{"token":"test-1"}`,
		`{"a":"csrf_token=x"}`:                `{"a":"csrf_token=x"}`,
	} {
		assert.Equal(t, want, p.json(in)) // byte for byte
	}
	assert.Equal(t, "csrf_token=hush&x-1=***", p.query("csrf_token=hush&x-1=hush"))
	none := redactionOf(t, func(c *RedactConfig) { c.Kinds = []string{} })
	assert.Equal(t, `{"a":"password=x","pwd":"***"}`, none.json(`{"a":"password=x","pwd":"y"}`)) //nolint:testifylint // byte for byte
	email := redactionOf(t, func(c *RedactConfig) { c.Kinds = []string{"email"} })
	assert.Equal(t, "*** wrote to ***, not to a@b", email.text("ada@example.org wrote to bob+x@mail.example.com, not to a@b", email.search))
}

// The name of a failed login may be a password; whose name it is, is known.
func TestFailedUsernames(t *testing.T) {
	for _, tt := range []struct{ action, kind, user, want string }{
		{usernameKeep, "login_failed", "", "hush"},
		{actionMask, "login_failed", "", masked},
		{actionHMAC, "mfa_failed", "", pseudonymPrefix},
		{actionMask, "login_failed", "7", "hush"},
		{actionMask, "login", "", "hush"},
	} {
		e := started(t, func(c *Config) {
			c.Redact.FailedUsernames = tt.action
			c.Redact.HMACKey = testHMACKey
		})
		ev := &activity.Event{Kind: activity.KindLogin, Type: tt.kind, Username: "hush", UserID: tt.user, Datetime: testNow.UnixNano()}
		got := one(t, e, logsOf(ev, nil))
		assert.True(t, strings.HasPrefix(got.Username, tt.want), "%+v: %s", tt, got.Username)
	}
}

func TestIdsKeepTheirDigits(t *testing.T) {
	e := started(t, nil)
	ev := crud()
	ev.ObjectID, ev.UserID, ev.TenantID, ev.ObjectRepr = "4111111111111111", "5555555555554444", "sk_"+"live_"+strings.Repeat("a1", 12), "card 4111111111111111"
	got := one(t, e, logsOf(ev, nil))
	assert.Equal(t, []string{ev.ObjectID, ev.UserID, ev.TenantID, "card ***"}, []string{got.ObjectID, got.UserID, got.TenantID, got.ObjectRepr})
}

// Over its limit changed_fields keeps the names of what changed.
func TestLargeChanges(t *testing.T) {
	e := started(t, func(c *Config) { c.Limits.Changes = 1000 })
	large := strings.Repeat("x", 5000)
	in := &activitylogs.Inputs{Before: `{"bio":"","state":"new","pwd":"` + large + `"}`, After: `{"bio":"` + large + `","state":"paid","pwd":"y"}`}
	got := one(t, e, logsOf(crud(), in))
	assert.Regexp(t, `^\{"bio":\["",\{"_truncated":5002,"_sha256":"[0-9a-f]{64}"\}\],"pwd":\["\*\*\*","\*\*\*"\],"state":\["new","paid"\]\}$`, got.ChangedFields)
	assert.NotZero(t, got.Flags&activity.FlagTruncated)
	assert.Equal(t, "changed_fields", got.TruncatedFields)
}

func TestSecretsAreCounted(t *testing.T) {
	p := redactionOf(t, nil)
	p.json(`{"pwd":"hush","a":"password=hush 4111111111111111","b":"Bearer abcdefgh1"}`)
	assert.Equal(t, [secretKinds]int64{secretName: 1, secretPassword: 1, secretCard: 1, secretToken: 1}, p.found)
	p.json(`{"pwd":"***","a":"password=***"}`)
	assert.Equal(t, int64(1), p.found[secretName], "what is masked already is not counted")

	tt := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tt.Shutdown(context.Background())) })
	e, err := newEnricher(createDefaultConfig().(*Config), metadatatest.NewSettings(tt), func() time.Time { return testNow })
	require.NoError(t, err)
	e.reportSecrets(&request{ctx: t.Context(), secrets: *p})
	metadatatest.AssertEqualEnrichRedacted(t, tt, points(
		point(1, attribute.String("secret", "name")), point(1, attribute.String("secret", "password")),
		point(1, attribute.String("secret", "card")), point(1, attribute.String("secret", "token")),
	), metricdatatest.IgnoreTimestamp())
}
