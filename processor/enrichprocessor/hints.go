package enrichprocessor

import (
	"fmt"
	"strings"

	"github.com/dunglas/httpsfv"
	lru "github.com/hashicorp/golang-lru/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// ClientHintsConfig names the headers that say browser and platform, before the
// user agent is parsed.
type ClientHintsConfig struct {
	BrowserHeader  string `mapstructure:"browser_header"`
	PlatformHeader string `mapstructure:"platform_header"`
	OSHeader       string `mapstructure:"os_header"` // "" is none
}

func defaultClientHints() ClientHintsConfig {
	return ClientHintsConfig{BrowserHeader: "sec-ch-ua", PlatformHeader: "sec-ch-ua-platform"}
}

func (c *ClientHintsConfig) validate(p *problems) {
	for _, f := range []struct{ key, name string }{
		{"browser_header", c.BrowserHeader}, {"platform_header", c.PlatformHeader}, {"os_header", c.OSHeader},
	} {
		if f.name != "" && !isToken(f.name) {
			p.add("client_hints::"+f.key, fmt.Errorf("%q is no header name", f.name))
		}
	}
}

const (
	brandCacheSize = 1024
	// maxHint is the longest hint that is read: browsers send a tenth of it.
	maxHint = 1024

	hintPlatformVersion = "sec-ch-ua-platform-version"
	hintMobile          = "sec-ch-ua-mobile"
	hintModel           = "sec-ch-ua-model"
)

// hints reads User-Agent Client Hints (WICG UA-CH), which are structured fields
// (RFC 8941): one that is not well formed counts as absent.
type hints struct {
	browser, platform, os string // names of headers
	brands                *lru.Cache[string, string]
}

func newHints(cfg *ClientHintsConfig) (*hints, error) {
	brands, err := lru.New[string, string](brandCacheSize)
	if err != nil {
		return nil, fmt.Errorf("enrich: create cache of client hints: %w", err)
	}
	return &hints{
		browser: strings.ToLower(cfg.BrowserHeader), platform: strings.ToLower(cfg.PlatformHeader), os: strings.ToLower(cfg.OSHeader),
		brands: brands,
	}, nil
}

// fill adds what the hints of a request say where the client said nothing
// itself. What has no column becomes an attribute.
func (h *hints) fill(in *intake) {
	if len(in.headers) == 0 {
		return
	}
	ev := &in.event
	fill(&ev.Browser, h.of(in, h.browser))
	platform := h.of(in, h.platform)
	fill(&ev.Platform, platform)
	fill(&ev.OperatingSystem, h.of(in, h.os))
	if h.platform == defaultClientHints().PlatformHeader {
		fill(&ev.OperatingSystem, platform) // the hint names an operating system
	}
	in.attribute(string(semconv.UserAgentOSVersionKey), h.of(in, hintPlatformVersion))
	in.attribute(string(semconv.DeviceModelNameKey), h.of(in, hintModel))
	if strings.Trim(in.header(hintMobile), blanks) == "?1" {
		in.attributeValue(string(semconv.BrowserMobileKey), pcommon.NewValueBool(true))
	}
}

// of reads one header: a client hint by its syntax, any other as plain text.
func (h *hints) of(in *intake, name string) string {
	if name == "" {
		return ""
	}
	text := strings.Trim(in.header(name), blanks)
	switch {
	case text == "" || len(text) > maxHint:
		return ""
	case name == "sec-ch-ua" || name == "sec-ch-ua-full-version-list":
		return h.brand(text)
	case strings.HasPrefix(name, "sec-ch-"):
		return hintText(text)
	}
	return text
}

// brand gives the browser that a list of brands stands for, from the cache when
// it can.
func (h *hints) brand(list string) string {
	if brand, ok := h.brands.Get(list); ok {
		return brand
	}
	brand := strings.Clone(brandOf(list))
	h.brands.Add(strings.Clone(list), brand)
	return brand
}

// brandOf passes over the made-up brand that browsers add (GREASE) and prefers
// a browser to the engine it is made of. The order of a list is random, so that
// of several browsers the longest name counts, which is the most specific:
// "Microsoft Edge WebView2" comes with "Microsoft Edge".
func brandOf(list string) string {
	members, err := httpsfv.UnmarshalList([]string{list})
	if err != nil {
		return ""
	}
	best, engine := "", ""
	for _, m := range members {
		item, ok := m.(httpsfv.Item)
		if !ok {
			continue
		}
		name, ok := item.Value.(string)
		switch {
		case !ok || isGrease(name):
		case name == "Chromium":
			engine = name
		case len(name) > len(best) || len(name) == len(best) && name < best:
			best = name
		}
	}
	if best == "" {
		return engine
	}
	return best
}

// isGrease recognises the made-up brand, which is made of the words Not, A and
// Brand and of separators that change with each version of the browser.
func isGrease(name string) bool {
	var letters [16]byte
	n := 0
	for i := range len(name) {
		if c := name[i] | 0x20; c >= 'a' && c <= 'z' {
			if n == len(letters) {
				return false
			}
			letters[n] = c
			n++
		}
	}
	return n == 0 || strings.HasPrefix(string(letters[:n]), "not") && strings.HasSuffix(string(letters[:n]), "brand")
}

// hintText reads a string, or a token as early browsers sent, and passes over
// its parameters.
func hintText(text string) string {
	if n := len(text); n >= 2 && text[0] == '"' && strings.IndexByte(text, '\\') < 0 && strings.IndexByte(text[1:], '"') == n-2 && isPrintable(text) {
		return text[1 : n-1] // nearly always
	}
	item, err := httpsfv.UnmarshalItem([]string{text})
	if err != nil {
		return ""
	}
	switch v := item.Value.(type) {
	case string:
		return v
	case httpsfv.Token:
		return string(v)
	}
	return ""
}

// isPrintable reports whether s is of the characters of a structured string.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// attribute adds a text that has no column, unless it is empty or the client
// sent such an attribute itself.
func (in *intake) attribute(key, text string) {
	if text != "" {
		in.attributeValue(key, pcommon.NewValueStr(text))
	}
}

func (in *intake) attributeValue(key string, v pcommon.Value) {
	if !in.has(key) {
		in.rest = append(in.rest, member{key, v})
	}
}
