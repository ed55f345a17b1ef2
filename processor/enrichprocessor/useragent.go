package enrichprocessor

import (
	"strings"

	"github.com/mileusna/useragent"
)

const (
	agentCacheSize = 4096
	maxAgentLength = 2048
)

// agent is what a user agent text says.
type agent struct{ browser, os, platform string }

// agent fills browser, platform and operating system: what the client says,
// then client hints, then the parsed user agent.
func (e *enricher) agent(in *intake) {
	ev := &in.event
	fill(&ev.UserAgent, in.header("user-agent"))
	if len(in.headers) > 0 {
		fill(&ev.Browser, brand(in.header("sec-ch-ua")))
		fill(&ev.Platform, unquote(in.header("sec-ch-ua-platform")))
		fill(&ev.Origin, in.header("origin"))
	}
	if ev.UserAgent == "" || len(ev.UserAgent) > maxAgentLength {
		return
	}
	a, ok := e.agents.Get(ev.UserAgent)
	if !ok {
		ua := useragent.Parse(ev.UserAgent)
		a = agent{browser: ua.Name, os: ua.OS, platform: ua.Device}
		switch {
		case a.platform != "":
		case ua.Mobile:
			a.platform = "mobile"
		case ua.Tablet:
			a.platform = "tablet"
		case ua.Desktop:
			a.platform = ua.OS
		}
		e.agents.Add(strings.Clone(ev.UserAgent), a)
	}
	fill(&ev.Browser, a.browser)
	fill(&ev.OperatingSystem, a.os)
	fill(&ev.Platform, a.platform)
}

func fill(p *string, s string) {
	if *p == "" {
		*p = s
	}
}

// brand gives the first real brand of Sec-CH-UA, passing over the filler that
// browsers add on purpose ("Not A;Brand").
func brand(hint string) string {
	generic := ""
	for hint != "" {
		_, rest, ok := strings.Cut(hint, `"`)
		if !ok {
			break
		}
		name, after, ok := strings.Cut(rest, `"`)
		if !ok {
			break
		}
		_, hint, _ = strings.Cut(after, ",")
		switch {
		case strings.HasPrefix(name, "Not") || strings.HasPrefix(name, " Not"):
		case name == "Chromium":
			generic = name
		default:
			return name
		}
	}
	return generic
}

func unquote(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }
