package activityspanconnector

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/xpdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/identity"
)

// request is what one span says of the request it stands for. The values belong
// to the span.
type request struct {
	values [slotCount]pcommon.Value
	ranks  [slotCount]uint8 // of the values, plus one; 0 is no value
	rest   []member         // headers, and attributes kept without a field
}

type member struct {
	key   string
	value pcommon.Value
}

func (r *request) has(s slot) bool { return r.ranks[s] != 0 }

// text gives a slot's text, "" for a value of another type.
func (r *request) text(s slot) string {
	if !r.has(s) {
		return ""
	}
	return r.values[s].Str()
}

// read sorts the attributes of a span that stands for a request, and says why
// another does not. A span without an end is still running: it will be sent
// again, as a whole, and this half of it would take its place.
func (c *spans) read(span ptrace.Span, r *request) reason {
	if span.Kind() != ptrace.SpanKindServer {
		return notServer
	}
	for key, v := range span.Attributes().All() {
		if s, known := sources[key]; known {
			if v.Type() != pcommon.ValueTypeEmpty && (!r.has(s.slot) || s.rank+1 < r.ranks[s.slot]) {
				r.values[s.slot], r.ranks[s.slot] = v, s.rank+1
			}
			continue
		}
		if name, ok := strings.CutPrefix(key, activitylogs.KeyHeaderPrefix); ok {
			r.header(name, v)
		} else if c.extra[key] {
			r.keep(key, v)
		}
	}
	switch {
	case !r.isHTTP():
		return notHTTP
	case span.EndTimestamp() == 0:
		return unfinished
	}
	return isRequest
}

// header keeps a captured request header. Some SDKs (Python) write the dashes
// of its name as underscores.
func (r *request) header(name string, v pcommon.Value) {
	r.keep(activitylogs.KeyHeaderPrefix+strings.ReplaceAll(strings.ToLower(name), "_", "-"), v)
}

// maxMembers is how many headers and kept attributes a span may bring: as many
// attributes as an SDK lets it have by default.
const maxMembers = 128

// keep keeps the first value of a name.
func (r *request) keep(key string, v pcommon.Value) {
	if len(r.rest) == maxMembers {
		return
	}
	for i := range r.rest {
		if r.rest[i].key == key {
			return
		}
	}
	r.rest = append(r.rest, member{key, v})
}

// isHTTP also takes the handshake of a WebSocket, which is a GET (RFC 6455
// section 4.1): instrumentations of ASGI give its span a scheme and no method.
func (r *request) isHTTP() bool {
	if r.has(slotMethod) {
		return true
	}
	scheme := r.text(slotScheme)
	if scheme != "ws" && scheme != "wss" {
		return false
	}
	r.put(slotMethod, pcommon.NewValueStr("GET"))
	return true
}

func (r *request) put(s slot, v pcommon.Value) { r.values[s], r.ranks[s] = v, 1 }

func (r *request) putText(s slot, text string) {
	if text != "" {
		r.put(s, pcommon.NewValueStr(text))
	}
}

// len is how many attributes the record has at most.
func (r *request) len() int {
	n := 1 + len(r.rest) // the id
	for s := slotTenant; s <= lastAttribute; s++ {
		if r.has(s) {
			n++
		}
	}
	return n
}

var eventName = activity.KindRequest.EventName()

// write makes the record.
func (r *request) write(span ptrace.Span, o *origin, lr plog.LogRecord) {
	lr.SetEventName(eventName)
	lr.SetTraceID(span.TraceID())
	lr.SetSpanID(span.SpanID())
	r.times(span, lr)
	r.method()
	r.url()
	r.result(span)
	if o.hasTenant && !r.has(slotTenant) {
		r.put(slotTenant, o.tenant)
	}
	r.forwarded()

	var b xpdata.MapBuilder
	b.EnsureCapacity(r.len())
	if !span.TraceID().IsEmpty() && !span.SpanID().IsEmpty() {
		id := identity.FromSpan(span.TraceID(), span.SpanID(), o.namespace, o.service, o.instance)
		b.AppendEmpty(string(semconv.LogRecordUIDKey)).SetStr(id.String())
	}
	for s := slotTenant; s <= lastAttribute; s++ {
		if r.has(s) {
			r.values[s].CopyTo(b.AppendEmpty(keys[s]))
		}
	}
	for i := range r.rest {
		r.rest[i].value.CopyTo(b.AppendEmpty(r.rest[i].key))
	}
	b.UnsafeIntoMap(lr.Attributes())
}
