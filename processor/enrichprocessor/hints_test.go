package enrichprocessor

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

func TestBrands(t *testing.T) {
	for list, want := range map[string]string{
		// as browsers of several years sent it
		`" Not A;Brand";v="99", "Chromium";v="96", "Google Chrome";v="96"`:                                     "Google Chrome",
		`"(Not(A:Brand";v="8", "Chromium";v="98", "Microsoft Edge";v="98"`:                                     "Microsoft Edge",
		`";Not A Brand";v="99", "Chromium";v="94"`:                                                             "Chromium",
		`"\\Not\"A;Brand";v="99", "Google Chrome";v="85"`:                                                      "Google Chrome",
		`"Not_A Brand";v="8", "Chromium";v="120", "Brave";v="120"`:                                             "Brave",
		`"Chromium";v="110", "Not A(Brand";v="24", "Opera GX";v="96"`:                                          "Opera GX",
		`"Not?A_Brand";v="24.0.0.0", "Chromium";v="140.0.1.2"`:                                                 "Chromium",
		`"NotABrand", "Vivaldi"`:                                                                               "Vivaldi",
		`"Microsoft Edge";v="120", "Not.A/Brand";v="8", "Chromium";v="120", "Microsoft Edge WebView2";v="120"`: "Microsoft Edge WebView2",
		`"Yowser";v="2.5", "YaBrowser";v="23", "Not)A;Brand";v="24", "Chromium";v="110"`:                       "YaBrowser",
		`"Android WebView";v="1";x, "Not=A?Brand"`:                                                             "Android WebView",
		`"A, B";v="1", "Chromium"`:                                                                             "A, B",
		`"Not A Brand"`:                                                                                        "", `"";v="1"`: "", `"99"`: "", "": "",
		// no structured fields
		`Google Chrome`: "", `"Google Chrome`: "", `"Google Chrome",`: "", `"Google Chrome" x`: "", `"Chrome";v=`: "", "\"Chr\x00me\"": "", "\"Chromé\"": "",
		`Chrome`: "", `("Chrome" "Edge")`: "", `1, 2`: "",
	} {
		assert.Equal(t, want, brandOf(list), list)
	}
}

// GREASE: whatever separators a browser chooses, wherever the brand stands.
func TestGreaseAndOrderDoNotMatter(t *testing.T) {
	const separators = " ()-./:;=?_"
	r := rand.New(rand.NewPCG(7, 8))
	grease := func() string {
		var b strings.Builder
		for _, word := range []string{"", "Not", "A", "Brand", ""} {
			b.WriteString(word)
			for range r.IntN(3) {
				b.WriteByte(separators[r.IntN(len(separators))])
			}
		}
		return b.String()
	}
	for range 2000 {
		list := []string{`"` + grease() + `";v="99"`, `"Chromium";v="120"`, `"Microsoft Edge";v="120"`, `"Microsoft Edge WebView2";v="120"`}
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		require.Equal(t, "Microsoft Edge WebView2", brandOf(strings.Join(list, ", ")), list)
	}
	for _, real := range []string{"Notion", "Brandwatch", "NotebookLM", "Another Brand X", "Nota"} {
		assert.False(t, isGrease(real), real)
	}
}

func TestClientHints(t *testing.T) {
	type headers = map[string][]string
	chrome := headers{
		"sec-ch-ua":          {`"Not A;Brand";v="99", "Chromium";v="120", "Google Chrome";v="120"`},
		"sec-ch-ua-platform": {`"Windows"`}, "sec-ch-ua-mobile": {"?0"}, "sec-ch-ua-platform-version": {`"15.0.0"`}, "sec-ch-ua-model": {`""`},
	}
	with := func(more headers) headers {
		all := headers{}
		for k, v := range chrome {
			all[k] = v
		}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	for _, tt := range []struct {
		name         string
		hints        ClientHintsConfig
		headers      headers
		browser      string
		platform, os string
		attributes   string
		said, saidUA string
	}{
		{name: "Chrome on Windows", headers: chrome, browser: "Google Chrome", platform: "Windows", os: "Windows", attributes: `{"user_agent.os.version":"15.0.0"}`},
		{
			name: "a telephone", browser: "Google Chrome", platform: "Android", os: "Android",
			headers:    with(headers{"sec-ch-ua-platform": {`"Android"`}, "sec-ch-ua-mobile": {"?1"}, "sec-ch-ua-model": {`"Pixel 8"`}, "sec-ch-ua-platform-version": nil}),
			attributes: `{"device.model.name":"Pixel 8","browser.mobile":true}`,
		},
		{name: "brands in several lines", headers: headers{"sec-ch-ua": {`"Chromium";v="1"`, `"Brave";v="1"`}}, browser: "Brave", platform: "Linux", os: "Linux"},
		{name: "the client's word goes first", headers: chrome, said: "Lynx", browser: "Lynx", platform: "Windows", os: "Windows", attributes: `{"user_agent.os.version":"15.0.0"}`},
		{name: "no hints", browser: "Chrome", platform: "Linux", os: "Linux"},
		{name: "broken hints", headers: headers{"sec-ch-ua": {`"`}, "sec-ch-ua-platform": {`"<script>`}, "sec-ch-ua-mobile": {"?2"}, "sec-ch-ua-model": {"a b"}}, browser: "Chrome", platform: "Linux", os: "Linux"},
		{name: "NUL", headers: headers{"sec-ch-ua": {"\"a\x00\""}, "sec-ch-ua-platform": {"\"\x00\""}}, browser: "Chrome", platform: "Linux", os: "Linux"},
		{name: "endless hints", headers: headers{"sec-ch-ua": {strings.Repeat(`"a",`, 1<<16) + `"b"`}, "sec-ch-ua-platform": {`"` + strings.Repeat("x", 2000) + `"`}}, browser: "Chrome", platform: "Linux", os: "Linux"},
		{name: "a token", headers: headers{"sec-ch-ua-platform": {"macOS"}}, browser: "Chrome", platform: "macOS", os: "macOS"},
		{name: "escapes and parameters", headers: headers{"sec-ch-ua-platform": {`"a\"b\\c";x=1`}}, browser: "Chrome", platform: `a"b\c`, os: `a"b\c`},
		{
			name: "configured", hints: ClientHintsConfig{BrowserHeader: "X-Browser", PlatformHeader: "x-platform", OSHeader: "X-OS"},
			headers: with(headers{"x-browser": {" My \"Browser\" "}, "x-platform": {"kiosk"}, "x-os": {"Plan 9"}}),
			browser: `My "Browser"`, platform: "kiosk", os: "Plan 9", attributes: `{"user_agent.os.version":"15.0.0"}`,
		},
		{
			name: "configured and absent", hints: ClientHintsConfig{BrowserHeader: "x-browser", PlatformHeader: "x-platform"},
			headers: headers{"sec-ch-ua": chrome["sec-ch-ua"]}, browser: "Chrome", platform: "Linux", os: "Linux",
		},
		{name: "the operating system's own header", hints: ClientHintsConfig{BrowserHeader: "sec-ch-ua", PlatformHeader: "sec-ch-ua-platform", OSHeader: "x-os"}, headers: with(headers{"x-os": {"ReactOS"}, "sec-ch-ua-platform-version": nil}), browser: "Google Chrome", platform: "Windows", os: "ReactOS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) {
				if tt.hints != (ClientHintsConfig{}) {
					c.ClientHints = tt.hints
				}
			})
			ev := request1()
			ev.Browser = tt.said
			got := one(t, e, logsOf(ev, &activitylogs.Inputs{Headers: tt.headers}))
			assert.Equal(t, []string{tt.browser, tt.platform, tt.os}, []string{got.Browser, got.Platform, got.OperatingSystem})
			if tt.attributes == "" {
				assert.Empty(t, got.ExtraData)
				return
			}
			assert.JSONEq(t, `{"_attributes":`+tt.attributes+`}`, got.ExtraData)
		})
	}
	cfg := createDefaultConfig().(*Config)
	cfg.ClientHints.OSHeader = "x os"
	require.ErrorContains(t, cfg.Validate(), "client_hints::os_header:")
}

func TestAttributesOfTheClientStay(t *testing.T) {
	e := started(t, nil)
	ld := logsOf(request1(), &activitylogs.Inputs{Headers: map[string][]string{"sec-ch-ua-model": {`"x"`}, "user-agent": {"Googlebot/2.1"}}})
	ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("device.model.name", "mine")
	got := one(t, e, ld)
	assert.JSONEq(t, `{"_attributes":{"device.model.name":"mine"}}`, got.ExtraData)
}

func FuzzHints(f *testing.F) {
	f.Add(`"Not A;Brand";v="99", "Chromium";v="96"`, `"Windows"`, `"x`)
	f.Add(`"\"",()`, `a;b`, `?1`)
	e := started(f, nil)
	f.Fuzz(func(t *testing.T, list, item, plain string) {
		if brand := brandOf(list); brand != "" {
			require.False(t, isGrease(brand))
			require.True(t, isPrintable(brand))
		}
		if text := hintText(item); text != "" {
			require.True(t, isPrintable(text))
			require.LessOrEqual(t, len(text), len(item))
			quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
			require.Equal(t, text, hintText(quoted))
		}
		got := one(t, e, logsOf(request1(), &activitylogs.Inputs{Headers: map[string][]string{
			"sec-ch-ua": {list}, "sec-ch-ua-platform": {item}, "sec-ch-ua-platform-version": {plain}, "sec-ch-ua-model": {item}, "sec-ch-ua-mobile": {plain},
		}}))
		require.True(t, utf8.ValidString(got.Browser+got.Platform))
		require.True(t, got.ExtraData == "" || json.Valid([]byte(got.ExtraData)))
	})
}

func TestSynthetic(t *testing.T) {
	const browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
	for text, want := range map[string]string{
		browser + "Chrome/120.0.0.0 Safari/537.36":                                            "",
		browser + "HeadlessChrome/120.0.0.0 Safari/537.36":                                    "bot",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)":            "bot",
		"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)":             "bot",
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)":           "bot",
		"Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)": "bot",
		"Baiduspider+(+http://www.baidu.com/search/spider.htm)":                               "bot",
		"SomethingCrawler/1.0": "bot",
		"Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)":        "test",
		"Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)":                         "test",
		"GoogleStackdriverMonitoring-UptimeChecks(https://cloud.google.com/monitoring)": "test",
		"kube-probe/1.31": "test", "ELB-HealthChecker/2.0": "test", "Amazon-Route53-Health-Check-Service (ref x)": "test", "k6/0.55.0 (https://k6.io/)": "test",
		"Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36": "",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15":       "",
		"curl/8.5.0": "", "python-requests/2.32.0": "", "okhttp/4.12.0": "", "": "", "x": "",
	} {
		e := started(t, nil)
		ev := request1()
		ev.UserAgent = text
		for range 2 { // the second time from the cache
			got := one(t, e, logsOf(ev, nil))
			if want == "" {
				assert.Empty(t, got.ExtraData, text)
				continue
			}
			assert.JSONEq(t, `{"_attributes":{"user_agent.synthetic.type":"`+want+`"}}`, got.ExtraData, text)
		}
	}
}

// Whatever a user agent is, it is parsed or passed over, and never harms.
func FuzzUserAgent(f *testing.F) {
	f.Add("Mozilla/5.0 (X11; Linux x86_64) Chrome/1", "Googlebot")
	f.Add("<script>alert(1)</script>", "\x00\xff(((((")
	e := started(f, nil)
	f.Fuzz(func(t *testing.T, said, header string) {
		ev := request1()
		ev.UserAgent = said
		got := one(t, e, logsOf(ev, &activitylogs.Inputs{Headers: map[string][]string{"user-agent": {header}}}))
		for _, text := range []string{got.UserAgent, got.Browser, got.Platform, got.OperatingSystem} {
			require.True(t, utf8.ValidString(text))
			require.NotContains(t, text, "\x00")
			require.LessOrEqual(t, len(text), 2048)
		}
	})
}

func BenchmarkAgent(b *testing.B) {
	str := pcommon.NewValueStr
	for name, headers := range map[string][]header{
		"user agent": nil,
		"hints": {
			{"accept", str("*/*")},
			{"sec-ch-ua", str(`"Not A;Brand";v="99", "Chromium";v="120", "Google Chrome";v="120"`)},
			{"sec-ch-ua-platform", str(`"Windows"`)},
			{"sec-ch-ua-mobile", str("?0")},
		},
	} {
		b.Run(name, func(b *testing.B) {
			e := started(b, nil)
			text := request1().UserAgent
			b.ReportAllocs()
			for b.Loop() {
				in := intake{headers: headers}
				in.event.UserAgent = text
				e.agent(&in)
			}
		})
	}
	b.Run("not in the cache", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			parseAgent(request1().UserAgent)
		}
	})
}
