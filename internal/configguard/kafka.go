package configguard

import (
	"fmt"
	"slices"
)

// The keys and defaults here are those of the stock Kafka receiver and exporter
// v0.160.0.

const (
	// maxKafkaMessage is the exporter's default for max_message_bytes.
	maxKafkaMessage = 1_000_000
	// minKafkaMessage is room for the largest event (1 MiB) in OTLP, and no
	// more: what is larger is dropped for good by the exporter.
	minKafkaMessage = 2 << 20
)

// kafkaReceiver checks that a message is marked as read when its events are
// stored, and only then, and that one that never can be stops nobody.
func (g *guard) kafkaReceiver(id string) {
	conf := section(section(g.conf, "receivers"), id)
	where := "receivers::" + id
	marking := section(conf, "message_marking")
	if !truthy(marking["after"]) {
		g.add(where+"::message_marking::after", "messages are marked as read before they are stored, so a crash loses them", "write message_marking: {after: true}")
	}
	if truthy(marking["on_error"]) {
		g.add(where+"::message_marking::on_error", "messages that could not be stored are marked as read", "write on_error: false")
	}
	// A permanent error is a message that cannot be decoded: content of events
	// never is one, it goes to the dead letters.
	if !truthy(marking["on_permanent_error"]) {
		g.add(where+"::message_marking::on_permanent_error", "a message that is no OTLP stops its partition, after every restart again, until Kafka deletes what waits behind it",
			"write on_permanent_error: true, and alert on otelcol_kafka_receiver_unmarshal_failed_log_records")
	}
	g.kafkaBackoff(where+"::error_backoff", section(conf, "error_backoff"))
	if offset, _ := conf["initial_offset"].(string); offset != "earliest" {
		g.add(where+"::initial_offset", "a group without a stored offset begins at the end, and never reads what was sent before", "write initial_offset: earliest")
	}
}

func (g *guard) kafkaBackoff(where string, backoff map[string]any) {
	instead := "write error_backoff: {enabled: true, initial_interval: 1s, multiplier: 1.5, max_interval: 30s, max_elapsed_time: 0}"
	if !truthy(backoff["enabled"]) {
		g.add(where+"::enabled", "with the store away once, a partition is read no more until a restart", instead)
		return
	}
	initial, ok := duration(backoff, "initial_interval", 0)
	// These have no defaults here.
	if !ok || initial <= 0 || !positive(backoff["multiplier"]) {
		g.add(where, "without initial_interval and multiplier it tries again without any pause", instead)
	}
	if elapsed, ok := duration(backoff, "max_elapsed_time", 0); !ok || elapsed != 0 {
		g.add(where+"::max_elapsed_time", "what must not be lost is tried without end", "write max_elapsed_time: 0")
	}
}

// kafkaExporters checks the Kafka exporters behind our components: an agent.
func (g *guard) kafkaExporters(p *pipeline) {
	enriched := slices.ContainsFunc(p.processors, is("enrich"))
	if !enriched && !slices.ContainsFunc(p.receivers, is("activitylog")) {
		return
	}
	for _, id := range p.exporters {
		if typeOf(id) != "kafka" {
			continue
		}
		if !enriched {
			g.add(p.at("exporters::"+id), "Kafka before enrich loses the sender's identity and address, and stores its tokens",
				"add enrich to this pipeline's processors")
		} else if !slices.ContainsFunc(p.processors, is("integrity")) {
			g.add(p.at("exporters::"+id), "events travel through Kafka without a seal, and nobody sees what is changed there",
				"write processors: [enrich, integrity], and trust_upstream: true in enrich behind Kafka")
		}
		g.kafkaExporter("exporters::"+id, section(section(g.conf, "exporters"), id))
		if enriched {
			g.order(p)
		}
	}
}

func (g *guard) kafkaExporter(where string, conf map[string]any) {
	producer := section(conf, "producer")
	if acks := fmt.Sprint(producer["required_acks"]); acks != "all" && acks != "-1" {
		g.add(where+"::producer::required_acks", "an event is taken for sent before Kafka's replicas have it", "write required_acks: all")
	}
	limit := bytes(producer, "max_message_bytes", maxKafkaMessage)
	if limit < minKafkaMessage {
		g.add(where+"::producer::max_message_bytes", "the exporter drops what is larger, and one event may take 1 MiB",
			fmt.Sprintf("write max_message_bytes: %d, and message.max.bytes of Kafka as large", 2*minKafkaMessage))
	}
	q, queued := queue(conf)
	if _, given := conf["sending_queue"]; !given {
		queued = true // on by default, in memory
	}
	if !queued {
		g.committed(where, withDefault(conf, "retry_on_failure", map[string]any{"max_elapsed_time": "5m"}))
		return
	}
	g.spooled(where, q, withDefault(conf, "retry_on_failure", map[string]any{"max_elapsed_time": "5m"}))
	batch := section(q, "batch")
	size := bytes(batch, "max_size", 0)
	if sizer, _ := batch["sizer"].(string); sizer != "bytes" || size < minKafkaMessage || size > limit {
		g.add(where+"::sending_queue::batch", "one request becomes one Kafka message, and the exporter drops what is larger than max_message_bytes",
			fmt.Sprintf("write batch: {sizer: bytes, max_size: %d, flush_timeout: 200ms, min_size: 0}", minKafkaMessage))
	}
}

// withDefault gives conf with a default for what a nested map leaves out.
func withDefault(conf map[string]any, key string, absent map[string]any) map[string]any {
	out, nested := map[string]any{}, map[string]any{}
	for k, v := range conf {
		out[k] = v
	}
	for k, v := range absent {
		nested[k] = v
	}
	for k, v := range section(conf, key) {
		nested[k] = v
	}
	out[key] = nested
	return out
}
