package configguard

import (
	"slices"
	"strings"
)

// spans checks a traces pipeline whose activityspan connector makes events: what
// is true of a pipeline of events is true of it, and its connector must feed
// pipelines that make events of its records.
func (g *guard) spans(name string, p *pipeline) {
	if typeOf(name) != "traces" || !slices.ContainsFunc(p.exporters, is("activityspan")) {
		return
	}
	for _, id := range p.processors {
		switch typeOf(id) {
		case "batch", "groupbytrace":
			g.add(p.at("processors::"+id), "it acknowledges spans before their events are stored, and a crash loses them",
				"remove it; the exporter merges writes by itself")
		case "probabilistic_sampler", "tail_sampling":
			g.add(p.at("processors::"+id), "a span that is sampled away is an event that is lost",
				"sample in a second traces pipeline, for the exporter of your tracing backend")
		}
	}
	g.receivers(p)
	pipelines := section(section(g.conf, "service"), "pipelines")
	for _, id := range p.exporters {
		if typeOf(id) != "activityspan" {
			continue
		}
		for _, fed := range sortedKeys(pipelines) {
			if typeOf(fed) == "logs" {
				g.fedBySpans(id, fed, section(pipelines, fed))
			}
		}
	}
}

// fedBySpans checks that a pipeline with the connector as its receiver has
// enrich: what the connector gives are half-made events, with captured headers.
func (g *guard) fedBySpans(connector, name string, conf map[string]any) {
	if !slices.Contains(list(conf["receivers"]), connector) || slices.ContainsFunc(list(conf["processors"]), is("enrich")) {
		return
	}
	g.add(strings.Join([]string{"service", "pipelines", name, "processors"}, "::"),
		"the connector "+connector+" feeds this pipeline, and without enrich the headers that spans captured, tokens among them, stay in its records, which are no events",
		"write processors: [enrich, integrity]")
}
