package configguard

import "slices"

// changers are the processors that change or drop records. After integrity the
// seal no longer fits what is stored.
func changers() []string {
	return []string{
		"attributes", "cumulativetodelta", "enrich", "filter", "geoip", "groupbyattrs", "k8sattributes", "log_dedup", "logdedup",
		"logstransform", "probabilistic_sampler", "redaction", "resource", "resourcedetection", "schema", "sumologic", "transform", "unroll",
	}
}

// order checks what stands before enrich and after integrity.
func (g *guard) order(p *pipeline) {
	if !slices.ContainsFunc(p.processors, is("enrich")) {
		g.add(p.at("processors"), "without enrich records have no id, actor or limits, and are no events",
			"write processors: [enrich, integrity]")
	}
	for _, id := range p.processors {
		if typeOf(id) == "batch" {
			g.add(p.at("processors::"+id), "batch acknowledges events before they are stored and loses what enrich and the receipt need",
				"remove batch; the exporter merges writes by itself")
		}
	}
	at := slices.IndexFunc(p.processors, is("integrity"))
	if at < 0 {
		return
	}
	for _, id := range p.processors[at+1:] {
		if slices.Contains(changers(), typeOf(id)) {
			g.add(p.at("processors::"+id), "it may change or drop events after integrity sealed them, which reads as tampering or a gap",
				"move it before integrity")
		}
	}
}

// unattributed checks that events of the activitylog receiver meet enrich
// before a queue: who sent them, and with which token, does not survive one.
func (g *guard) unattributed(p *pipeline) {
	if !slices.ContainsFunc(p.receivers, is("activitylog")) || slices.ContainsFunc(p.processors, is("enrich")) {
		return
	}
	for _, id := range p.exporters {
		if isAudit(id) {
			continue // the missing enrich is a finding of its own
		}
		conf := section(section(g.conf, "exporters"), id)
		if typeOf(id) == "kafka" {
			continue // refused with the reasons of Kafka
		}
		if _, queued := queue(conf); queued {
			g.add(p.at("exporters::"+id), "a queue before enrich loses the sender's identity and address, and stores its tokens",
				"add enrich to this pipeline's processors")
		}
	}
}
