package configguard

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSpansReachEnrich: a traces pipeline that makes events is held to what a
// pipeline of events is held to.
func TestSpansReachEnrich(t *testing.T) {
	f := func(traces, logs map[string]any, want ...string) {
		t.Helper()
		findings := Check(map[string]any{
			"receivers": map[string]any{"otlp": nil, "otlp/open": map[string]any{"protocols": map[string]any{"http": map[string]any{"endpoint": "0.0.0.0:4318"}}}},
			"service":   map[string]any{"pipelines": map[string]any{"traces": traces, "logs/made": logs, "logs": map[string]any{"receivers": []any{"otlp"}, "exporters": []any{"debug"}}}},
		})
		var where []string
		for _, finding := range findings {
			where = append(where, finding.Where)
			assert.NotEmpty(t, finding.Why)
			assert.NotEmpty(t, finding.Instead)
		}
		assert.ElementsMatch(t, want, where)
	}
	traces := func(exporter string, processors ...any) map[string]any {
		return map[string]any{"receivers": []any{"otlp"}, "processors": processors, "exporters": []any{"debug", exporter}}
	}
	logs := func(receiver, exporter string, processors ...any) map[string]any {
		return map[string]any{"receivers": []any{"otlp", receiver}, "processors": processors, "exporters": []any{exporter}}
	}
	missing := "service::pipelines::logs/made::processors"
	f(traces("activityspan", "memory_limiter", "filter"), logs("activityspan", "auditsql", "enrich", "integrity"))
	f(traces("activityspan"), logs("activityspan", "auditsql", "integrity"), missing, missing)
	f(traces("activityspan/eu"), logs("activityspan/eu", "debug"), missing)
	f(traces("activityspan/eu"), logs("activityspan/eu", "kafka", "integrity"), missing)
	f(traces("activityspan"), logs("activityspan/other", "debug"))
	f(traces("otlp", "batch", "tail_sampling"), logs("activityspan", "auditsql", "enrich", "integrity")) // makes no events
	f(traces("activityspan", "batch", "groupbytrace/x", "tail_sampling", "probabilistic_sampler"), logs("activityspan", "auditsql", "enrich", "integrity"),
		"service::pipelines::traces::processors::batch", "service::pipelines::traces::processors::groupbytrace/x",
		"service::pipelines::traces::processors::tail_sampling", "service::pipelines::traces::processors::probabilistic_sampler")
	open := traces("activityspan")
	open["receivers"] = []any{"otlp/open", "kafka"}
	f(open, logs("activityspan", "auditsql", "enrich", "integrity"), "receivers::otlp/open::protocols::http::endpoint",
		"receivers::kafka::message_marking::after", "receivers::kafka::message_marking::on_permanent_error",
		"receivers::kafka::error_backoff::enabled", "receivers::kafka::initial_offset")
}
