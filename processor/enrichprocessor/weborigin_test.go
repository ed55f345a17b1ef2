package enrichprocessor

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func TestParseOrigin(t *testing.T) {
	for text, want := range map[string]webOrigin{
		"https://app.example.com":        {"https", "app.example.com", ""},
		"HTTPS://App.Example.Com:443":    {"https", "app.example.com", ""},
		"http://localhost:3000":          {"http", "localhost", "3000"},
		"http://example.com:443":         {"http", "example.com", "443"},
		"http://[2001:DB8::1]:8080":      {"http", "[2001:db8::1]", "8080"},
		"http://[::1]":                   {"http", "[::1]", ""},
		"moz-extension://d1a2":           {"moz-extension", "d1a2", ""},
		"https://xn--bcher-kva.example.": {"https", "xn--bcher-kva.example.", ""},
	} {
		got, ok := parseOrigin(text)
		assert.True(t, ok, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"", "null", "https://", "://a", "1http://a", "https:/a", "//a", "a.example", "https://a/", "https://a?", "https://a#", "https://u@a",
		"https://a:", "https://a:0", "https://a:x", "https://a:65536", "https://a:080", "https://[::1", "https://[]", "https://[::1]x", "https://[::1]:",
		"https://a b", "https://a, https://b", "https://bücher.example", "https://a\x00", "https://<script>", "https://*.a", "file://",
	} {
		_, ok := parseOrigin(text)
		assert.False(t, ok, text)
	}
}

func TestOriginOfAURL(t *testing.T) {
	for u, want := range map[string]string{
		"https://app.example.com/orders?next=https://evil.example": "https://app.example.com",
		"https://App.example.com:8443#x":                           "https://app.example.com:8443",
		"https://user:hush@app.example.com/":                       "https://app.example.com",
		"https://app.example.com@evil.example/":                    "https://evil.example", // as browsers read it
		`https://evil.example\@app.example.com/`:                   "https://evil.example", // as browsers read it
		"/orders":                                                  "",
		"javascript:alert(1)":                                      "",
		"https://":                                                 "",
		"":                                                         "",
	} {
		assert.Equal(t, want, originOf(u), u)
	}
}

func TestOriginList(t *testing.T) {
	l, err := newOriginList([]string{
		"https://app.example.com", "http://localhost:3000", "https://*.example.org", "http://*.test:8080", "HTTPS://Shop.Example.net:443",
	})
	require.NoError(t, err)
	for origin, want := range map[string]activity.Allowed{
		"https://app.example.com":         activity.AllowedYes,
		"https://APP.example.com:443":     activity.AllowedYes,
		"http://app.example.com":          activity.AllowedNo,
		"https://app.example.com:8443":    activity.AllowedNo,
		"https://app.example.com.evil.io": activity.AllowedNo,
		"https://x.app.example.com":       activity.AllowedNo,
		"http://localhost:3000":           activity.AllowedYes,
		"http://localhost":                activity.AllowedNo,
		"https://a.example.org":           activity.AllowedYes,
		"https://a.b.example.org":         activity.AllowedYes,
		"https://example.org":             activity.AllowedNo,
		"https://.example.org":            activity.AllowedNo,
		"https://evilexample.org":         activity.AllowedNo,
		"http://a.example.org":            activity.AllowedNo,
		"http://a.test:8080":              activity.AllowedYes,
		"http://a.test":                   activity.AllowedNo,
		"https://shop.example.net":        activity.AllowedYes,
		"null":                            activity.AllowedNo,
		"https://a.example.org/":          activity.AllowedNo, // no origin
		"":                                activity.AllowedUnknown,
	} {
		assert.Equal(t, want, l.verdict(origin), origin)
	}

	none, err := newOriginList(nil)
	require.NoError(t, err)
	opaque, err := newOriginList([]string{"null"})
	require.NoError(t, err)
	every, err := newOriginList([]string{"*"})
	require.NoError(t, err)
	for _, origin := range []string{"https://a.example", "null", "x"} {
		assert.Equal(t, activity.AllowedUnknown, none.verdict(origin), origin)
		assert.Equal(t, activity.AllowedYes, every.verdict(origin), origin)
	}
	assert.Equal(t, activity.AllowedYes, opaque.verdict("null"))
	assert.Equal(t, activity.AllowedNo, opaque.verdict("https://a.example"))
}

func TestEntriesThatAreNoOrigins(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.CORS.AllowedOrigins = []string{
		"https://ok.example", "app.example.com", "https://a.example/path", "https://*", "https://a.*.example", "*.example.com", "https://*.", "",
	}
	err := cfg.Validate()
	require.Error(t, err)
	for _, want := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		require.ErrorContains(t, err, "cors::allowed_origins::"+want+": ")
	}
	assert.NotContains(t, err.Error(), "allowed_origins::0")
}

// net/url is the judge of what an origin's parts are. What it refuses is no
// origin, and what is one reads there the same.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{
		"https://a.example", "http://[::1]:80", "null", "https://u:p@a:1/x?y#z", `https://a\@b`, "HTTP://A:080", "https://a..b", "x+y.z-1://a_b:65535",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if o, ok := parseOrigin(s); ok {
			u, err := url.Parse(s)
			require.NoError(t, err, "%q", s)
			require.Equal(t, u.Scheme, o.scheme)
			require.Equal(t, strings.ToLower(u.Host), strings.ToLower(s[strings.Index(s, "://")+3:]))
			require.Equal(t, strings.Trim(o.host, "[]"), strings.ToLower(u.Hostname()))
			require.Contains(t, []string{o.port, defaultPort(o.scheme)}, u.Port())
			require.Empty(t, u.Path+u.RawQuery+u.Fragment)
			again, ok := parseOrigin(o.scheme + "://" + o.host + strings.TrimSuffix(":"+o.port, ":"))
			require.True(t, ok)
			require.Equal(t, o, again)
		}
		if s := originOf(s); s != "" {
			_, ok := parseOrigin(s)
			require.True(t, ok, "%q", s)
		}
		l, err := newOriginList([]string{"https://*.example.com"})
		require.NoError(t, err)
		if l.verdict(s) == activity.AllowedYes {
			u, err := url.Parse(s)
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(strings.ToLower(u.Hostname()), ".example.com"), "%q", s)
		}
	})
}
