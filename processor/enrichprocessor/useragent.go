package enrichprocessor

import (
	"strings"

	"github.com/mileusna/useragent"
	"go.opentelemetry.io/collector/pdata/pcommon"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const (
	agentCacheSize = 4096
	maxAgentLength = 2048
)

// agent is what a user agent text says.
type agent struct {
	browser, os, platform string
	synthetic             *member // nil for people; shared by events, which only read it
	innocent              bool    // no secret is found in the text
}

// agent fills browser, platform and operating system: what the client says,
// then client hints, then the parsed user agent.
func (e *enricher) agent(in *intake) {
	ev := &in.event
	fill(&ev.UserAgent, in.header("user-agent"))
	fill(&ev.Origin, in.header("origin"))
	e.hints.fill(in)
	if ev.UserAgent == "" || len(ev.UserAgent) > maxAgentLength {
		return
	}
	a, ok := e.agents.Get(ev.UserAgent)
	if !ok {
		text := strings.Clone(ev.UserAgent)
		a = parseAgent(text)
		p := redaction{masker: e.mask}
		a.innocent = p.text(text, p.search) == text
		e.agents.Add(text, a)
	}
	in.innocentAgent = a.innocent
	fill(&ev.Browser, a.browser)
	fill(&ev.OperatingSystem, a.os)
	fill(&ev.Platform, a.platform)
	if m := a.synthetic; m != nil {
		in.attributeValue(m.key, m.value)
	}
}

func fill(p *string, s string) {
	if *p == "" {
		*p = s
	}
}

func parseAgent(text string) agent {
	ua := useragent.Parse(text)
	a := agent{browser: ua.Name, os: ua.OS, platform: ua.Device}
	if kind := synthetic(text, &ua); kind != "" {
		a.synthetic = &member{string(semconv.UserAgentSyntheticTypeKey), pcommon.NewValueStr(kind)}
	}
	switch {
	case a.platform != "":
	case ua.Mobile:
		a.platform = "mobile"
	case ua.Tablet:
		a.platform = "tablet"
	case ua.Desktop:
		a.platform = ua.OS
	}
	return a
}

// What stands for a synthetic request, in lower case. Tests watch or load this
// very service on behalf of its owner; bots come from outside.
var (
	testAgents = []string{
		"alwayson", "apachebench", "blackbox exporter", "blackbox-exporter", "catchpoint", "checkly", "datadogsynthetics", "gatling",
		"healthcheck", "health-check", "jmeter", "k6/", "kube-probe", "locust", "newrelicpinger", "pingdom", "site24x7", "statuscake",
		"stackdrivermonitoring", "synthetic", "uptime", "wrk/",
	}
	botAgents = []string{"bot", "crawl", "facebookexternalhit", "headless", "phantomjs", "slurp", "spider"}
)

// synthetic gives the user_agent.synthetic.type of the semantic conventions.
func synthetic(text string, ua *useragent.UserAgent) string {
	text = strings.ToLower(text)
	if containsAny(text, testAgents) {
		return semconv.UserAgentSyntheticTypeTest.Value.AsString()
	}
	// Cubot makes telephones.
	if ua.Bot || containsAny(strings.ReplaceAll(text, "cubot", ""), botAgents) {
		return semconv.UserAgentSyntheticTypeBot.Value.AsString()
	}
	return ""
}

func containsAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
