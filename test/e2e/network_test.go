package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reported is what a server reports of a request that reached it.
type reported struct {
	Kind     string              `json:"kind"`
	Method   string              `json:"method"`
	URL      string              `json:"url"`
	Status   int                 `json:"response_status"`
	Peer     string              `json:"peer_address,omitempty"`
	RemoteIP string              `json:"remote_ip,omitempty"`
	Headers  map[string][]string `json:"headers,omitempty"`
}

// requested posts one request and gives its row.
func (c *collector) requested(peer string, headers map[string][]string) map[string]any {
	c.t.Helper()
	body, err := json.Marshal(reported{Kind: "request", Method: "GET", URL: "/me", Status: 200, Peer: peer, Headers: headers})
	require.NoError(c.t, err)
	code, a := c.Post("application/json", string(body))
	require.Equal(c.t, http.StatusOK, code, c.logs.String())
	require.Len(c.t, a.IDs, 1)
	var row map[string]any
	require.Equal(c.t, http.StatusOK, c.Get("/api/activity/request-events/"+a.IDs[0]+"/", &row))
	return row
}

// writeGeo replaces a City or ASN database, as updaters do.
func writeGeo(t *testing.T, path, kind string, value mmdbtype.Map) {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24})
	require.NoError(t, err)
	_, network, err := net.ParseCIDR("81.2.69.0/24")
	require.NoError(t, err)
	require.NoError(t, w.Insert(network, value))
	f, err := os.Create(path + ".new")
	require.NoError(t, err)
	_, err = w.WriteTo(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, os.Rename(path+".new", path))
}

func cityNamed(english string) mmdbtype.Map {
	return mmdbtype.Map{"city": mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(english)}}}
}

// TestClientAddresses: what proxies say counts, what clients write does not,
// and nothing anybody sends is an error.
func TestClientAddresses(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	c.env["ACTIVITYLOG_TRUSTED_PROXIES"] = "10.0.0.0/8,unix"
	c.Start("--config", "yaml:processors::enrich::client_address::headers: [x-forwarded-for, forwarded, cf-connecting-ip]")
	type headers = map[string][]string
	for _, tt := range []struct {
		name, peer string
		headers    headers
		want       any
	}{
		{"an honest proxy", "10.0.0.1:52100", headers{"X-Forwarded-For": {"81.2.69.160"}}, "81.2.69.160"},
		{"a client that writes the header itself", "10.0.0.1", headers{"X-Forwarded-For": {"6.6.6.6, 81.2.69.160"}}, "81.2.69.160"},
		{"on a line of its own", "10.0.0.1", headers{"X-Forwarded-For": {"6.6.6.6", "81.2.69.160, 10.1.1.1", "10.2.2.2"}}, "81.2.69.160"},
		{"with an open quote", "10.0.0.1", headers{"Forwarded": {`for="6.6.6.6`, `for="[2a02:cf40::7]:443";host="a,b"`}}, "2a02:cf40::7"},
		{"without a proxy", "81.2.69.160:443", headers{"X-Forwarded-For": {"6.6.6.6"}, "Forwarded": {"for=6.6.6.6"}, "CF-Connecting-IP": {"6.6.6.6"}}, "81.2.69.160"},
		{"a header of one hop", "10.0.0.1", headers{"CF-Connecting-IP": {"81.2.69.160"}, "X-Real-IP": {"6.6.6.6"}}, "81.2.69.160"},
		{"a unix socket", "@", headers{"X-Forwarded-For": {"81.2.69.160"}}, "81.2.69.160"},
		{"nobody's word", "host-7", headers{"X-Forwarded-For": {"81.2.69.160"}}, nil},
		{"a script", "10.0.0.1", headers{"X-Forwarded-For": {"<script>alert(1)</script>"}}, "10.0.0.1"},
		{"NUL", "10.0.0.1", headers{"X-Forwarded-For": {"81.2.69.160\x00"}}, "10.0.0.1"},
		{"a script for a zone", "fe80::1%<script>", headers{"X-Forwarded-For": {"81.2.69.160"}}, nil},
		{"ten thousand hops", "10.0.0.1", headers{"X-Forwarded-For": {"6.6.6.6" + strings.Repeat(", 10.1.1.1", 10_000)}}, "10.1.1.1"},
		{"a header of 200 KB", "10.0.0.1", headers{"Forwarded": {`for="` + strings.Repeat("x", 200<<10)}}, "10.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, c.requested(tt.peer, tt.headers)["remote_ip"])
		})
	}
	c.Stop()
}

// TestGeoAndAnonymise: databases that come and change while the collector runs,
// and addresses that never reach the disk.
func TestGeoAndAnonymise(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	folder := t.TempDir()
	city, asn := filepath.Join(folder, "city.mmdb"), filepath.Join(folder, "asn.mmdb")
	c.env["ACTIVITYLOG_GEOIP_PATH"], c.env["ACTIVITYLOG_GEOIP_ASN_PATH"] = city, asn
	c.env["ACTIVITYLOG_TRUSTED_PROXIES"] = "10.0.0.0/8"
	c.Start("--config", "yaml:processors::enrich::geoip::reload_interval: 50ms",
		"--config", "yaml:processors::enrich::client_address::anonymize: hmac-sha256",
		"--config", "yaml:processors::enrich::client_address::anonymize_key: a key of more than sixteen bytes",
		"--config", "yaml:processors::enrich::keep_headers: [x-forwarded-for]")
	report := func() map[string]any {
		return c.requested("10.0.0.1", map[string][]string{"x-forwarded-for": {"9.9.9.9, 81.2.69.160"}})
	}
	place := func(row map[string]any) any {
		geo, _ := row["geo"].(map[string]any)
		return geo["city"]
	}
	first := report()
	assert.Nil(t, place(first))
	assert.Equal(t, 2, strings.Count(c.logs.String(), "No geo database"), "one warning for each database")

	writeGeo(t, city, "GeoLite2-City", cityNamed("Berlin"))
	writeGeo(t, asn, "GeoLite2-ASN", mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500)})
	var last map[string]any
	becomes := func(want string) {
		require.Eventually(t, func() bool { last = report(); return place(last) == want }, 20*time.Second, 50*time.Millisecond, want)
	}
	becomes("Berlin")
	writeGeo(t, city, "GeoLite2-City", cityNamed("Paris"))
	becomes("Paris")
	require.NoError(t, os.WriteFile(city+".new", []byte("no database"), 0o600))
	require.NoError(t, os.Rename(city+".new", city))
	require.Eventually(t, func() bool {
		return strings.Contains(c.logs.String(), "geoip::path") && strings.Contains(c.logs.String(), "cannot be read")
	}, 20*time.Second, 50*time.Millisecond)
	becomes("Paris")
	assert.Equal(t, 2, strings.Count(c.logs.String(), "No geo database"))

	pseudonym, _ := last["remote_ip"].(string)
	assert.Regexp(t, `^hmac-sha256:[0-9a-f]{64}$`, pseudonym)
	assert.Equal(t, pseudonym, first["remote_ip"], "comparable")
	extra := fmt.Sprint(last["extra_data"])
	assert.Contains(t, extra, "64500")
	assert.Contains(t, extra, pseudonym, "the kept header names the client by the same pseudonym")
	c.Stop()
	err := filepath.WalkDir(c.DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, address := range []string{"81.2.69.160", "9.9.9.9"} {
			assert.NotContains(t, string(content), address, path)
		}
		return err
	})
	require.NoError(t, err)
	assert.NotContains(t, c.logs.String(), "81.2.69.160")
}

// TestGeoDatabaseIsBroken: the collector does not start, and says which key.
func TestGeoDatabaseIsBroken(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	c.env["ACTIVITYLOG_GEOIP_PATH"] = filepath.Join(t.TempDir(), "broken.mmdb")
	require.NoError(t, os.WriteFile(c.env["ACTIVITYLOG_GEOIP_PATH"], []byte("no database"), 0o600))
	c.Launch()
	require.NotEqual(t, 0, c.Wait(20*time.Second))
	assert.Contains(t, c.logs.String(), "geoip::path")
}

// TestBrowsersAndBots: browser, platform and synthetic traffic.
func TestBrowsersAndBots(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	chrome := "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
	for _, tt := range []struct {
		name                  string
		headers               map[string][]string
		browser, platform, os any
		attributes            map[string]any
	}{
		{"hints", map[string][]string{
			"User-Agent": {chrome}, "Sec-CH-UA": {`"Not/A)Brand";v="8"`, `"Chromium";v="126", "Microsoft Edge";v="126"`},
			"Sec-CH-UA-Platform": {`"Android"`}, "Sec-CH-UA-Platform-Version": {`"14.0.0"`}, "Sec-CH-UA-Mobile": {"?1"}, "Sec-CH-UA-Model": {`"Pixel 8"`},
		}, "Microsoft Edge", "Android", "Android", map[string]any{"user_agent.os.version": "14.0.0", "device.model.name": "Pixel 8", "browser.mobile": true}},
		{"user agent", map[string][]string{"User-Agent": {chrome}}, "Chrome", "Linux", "Linux", nil},
		{"broken hints", map[string][]string{"User-Agent": {chrome}, "Sec-CH-UA": {"<script>"}, "Sec-CH-UA-Platform": {"\"\x00\""}}, "Chrome", "Linux", "Linux", nil},
		{"bot", map[string][]string{"User-Agent": {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}}, "Googlebot", nil, nil, map[string]any{"user_agent.synthetic.type": "bot"}},
		{"health check", map[string][]string{"User-Agent": {"kube-probe/1.31"}}, "kube-probe", nil, nil, map[string]any{"user_agent.synthetic.type": "test"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			row := c.requested("81.2.69.160", tt.headers)
			assert.Equal(t, []any{tt.browser, tt.platform, tt.os}, []any{row["browser"], row["platform"], row["operating_system"]})
			extra, _ := row["extra_data"].(map[string]any)
			attributes, _ := extra["_attributes"].(map[string]any)
			assert.Equal(t, tt.attributes, attributes)
		})
	}
}
