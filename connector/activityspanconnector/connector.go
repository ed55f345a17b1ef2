package activityspanconnector

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/activitylog/otelcol-activitylog/connector/activityspanconnector/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// spans makes logs of traces.
type spans struct {
	component.StartFunc
	next     consumer.Logs
	metrics  *metadata.TelemetryBuilder
	extra    map[string]bool // span attributes kept
	resource map[string]bool // resource attributes kept
	ignored  [reasonCount]metric.MeasurementOption
}

// reason says why a span is no request event; the zero value: it is one.
type reason uint8

const (
	isRequest reason = iota
	notServer
	notHTTP
	unfinished
	reasonCount
)

var reasons = [reasonCount]string{notServer: "not_server", notHTTP: "not_http", unfinished: "unfinished"}

func newConnector(cfg *Config, set connector.Settings, next consumer.Logs) (*spans, error) {
	c := &spans{next: next, extra: setOf(cfg.Attributes), resource: setOf(cfg.ResourceAttributes)}
	c.resource[activitylogs.KeyService], c.resource[activitylogs.KeyProducer] = true, true
	var err error
	if c.metrics, err = metadata.NewTelemetryBuilder(set.TelemetrySettings); err != nil {
		return nil, fmt.Errorf("activityspan: create metrics: %w", err)
	}
	for r := notServer; r < reasonCount; r++ {
		c.ignored[r] = metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", reasons[r])))
	}
	return c, nil
}

func setOf(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// Capabilities says that traces are only read: other exporters of the pipeline
// share them.
func (*spans) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// Shutdown implements component.Component.
func (c *spans) Shutdown(context.Context) error {
	c.metrics.Shutdown()
	return nil
}

// ConsumeTraces passes the requests on before it answers. An error of the next
// component goes back as it is, so that a sender is told what it has to send
// again; only what was taken is counted.
func (c *spans) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	ld := plog.NewLogs()
	var counts [reasonCount]int64
	for _, rs := range td.ResourceSpans().All() {
		c.convert(rs, ld.ResourceLogs(), &counts)
	}
	if counts[isRequest] > 0 {
		if err := c.next.ConsumeLogs(ctx, ld); err != nil {
			return err
		}
		c.metrics.ActivityspanEvents.Add(ctx, counts[isRequest])
	}
	for r := notServer; r < reasonCount; r++ {
		if counts[r] > 0 {
			c.metrics.ActivityspanIgnored.Add(ctx, counts[r], c.ignored[r])
		}
	}
	return nil
}

// convert appends the requests of one resource; without one, nothing.
func (c *spans) convert(rs ptrace.ResourceSpans, out plog.ResourceLogsSlice, counts *[reasonCount]int64) {
	var rl plog.ResourceLogs
	var o origin
	started := false
	for _, ss := range rs.ScopeSpans().All() {
		var records plog.LogRecordSlice
		scoped := false
		for _, span := range ss.Spans().All() {
			var r request
			why := c.read(span, &r)
			counts[why]++
			if why != isRequest {
				continue
			}
			if !started {
				rl, started = out.AppendEmpty(), true
				o = c.origin(rs.Resource(), rl.Resource())
			}
			if !scoped {
				sl := rl.ScopeLogs().AppendEmpty()
				sl.Scope().SetName(ss.Scope().Name())
				sl.Scope().SetVersion(ss.Scope().Version())
				records, scoped = sl.LogRecords(), true
				records.EnsureCapacity(ss.Spans().Len())
			}
			r.write(span, &o, records.AppendEmpty())
		}
	}
}

// origin is what the spans of one resource share.
type origin struct {
	namespace, service, instance string
	tenant                       pcommon.Value
	hasTenant                    bool
}

// origin copies the resource attributes that are kept. A service of one tenant
// may name it there, without code.
func (c *spans) origin(from, to pcommon.Resource) (o origin) {
	for key, v := range from.Attributes().All() {
		switch key {
		case activitylogs.KeyService:
			o.service = v.AsString()
		case activitylogs.KeyProducer:
			o.instance = v.AsString()
		case string(semconv.ServiceNamespaceKey):
			o.namespace = v.AsString()
		case activitylogs.KeyTenantID:
			o.tenant, o.hasTenant = v, true
			continue
		}
		if c.resource[key] {
			v.CopyTo(to.Attributes().PutEmpty(key))
		}
	}
	return o
}
