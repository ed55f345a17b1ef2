package configguard

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is one refusal: the key, why it harms, and what to write instead.
type Finding struct {
	Where, Why, Instead string
}

// String is the finding in one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %s; %s", f.Where, f.Why, f.Instead) }

// Check gives every finding in a collector's configuration, in a stable order.
// The configuration is the map of confmap.Conf.ToStringMap, either as written
// or with defaults filled in: a key that is absent has its component's default.
func Check(conf map[string]any) []Finding {
	g := &guard{conf: conf}
	pipelines := section(section(conf, "service"), "pipelines")
	for _, name := range sortedKeys(pipelines) {
		g.pipeline(name, section(pipelines, name))
	}
	return g.findings
}

type guard struct {
	conf     map[string]any
	findings []Finding
}

// add keeps a finding once: two pipelines may share a component.
func (g *guard) add(where, why, instead string) {
	f := Finding{Where: where, Why: why, Instead: instead}
	if !slices.Contains(g.findings, f) {
		g.findings = append(g.findings, f)
	}
}

// pipeline is one pipeline under test.
type pipeline struct {
	where                            string
	receivers, processors, exporters []string
}

func (p *pipeline) at(key string) string { return p.where + "::" + key }

func (g *guard) pipeline(name string, conf map[string]any) {
	p := &pipeline{
		where:     "service::pipelines::" + name,
		receivers: list(conf["receivers"]), processors: list(conf["processors"]), exporters: list(conf["exporters"]),
	}
	g.spans(name, p)
	g.unattributed(p)
	g.kafkaExporters(p)
	if !slices.ContainsFunc(p.exporters, isAudit) {
		return
	}
	g.order(p)
	g.delivery(p)
	g.expiry(p)
	g.receivers(p)
}

// receivers checks the stock receivers of a pipeline that makes events.
func (g *guard) receivers(p *pipeline) {
	g.listeners(p)
	for _, id := range p.receivers {
		if typeOf(id) == "kafka" {
			g.kafkaReceiver(id)
		}
	}
}

// typeOf gives the type of a component id, "kafka" of "kafka/eu".
func typeOf(id string) string {
	t, _, _ := strings.Cut(id, "/")
	return t
}

func is(kind string) func(string) bool { return func(id string) bool { return typeOf(id) == kind } }

// isAudit reports whether the exporter is one of this project.
func isAudit(id string) bool {
	return slices.Contains([]string{"auditsql", "auditclickhouse", "auditmongo", "auditscylla"}, typeOf(id))
}
