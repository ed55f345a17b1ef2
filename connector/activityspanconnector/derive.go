package activityspanconnector

import (
	"math"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

const (
	nsPerMicro   = 1000
	microsPerMil = 1000
)

// times takes the start and, rounded to microseconds, the duration. Of a span
// without a start the end is known; a clock that was set back meanwhile tells no
// duration.
func (r *request) times(span ptrace.Span, lr plog.LogRecord) {
	start, end := span.StartTimestamp(), span.EndTimestamp()
	if start == 0 {
		lr.SetTimestamp(end)
		return
	}
	lr.SetTimestamp(start)
	if end >= start {
		ns := uint64(end - start)
		us := ns / nsPerMicro
		if ns%nsPerMicro >= nsPerMicro/2 {
			us++
		}
		r.put(slotDuration, pcommon.NewValueDouble(float64(us)/microsPerMil))
	}
}

// method takes the method as it came, where the convention says only that it is
// none of the well-known ones.
func (r *request) method() {
	if r.has(slotMethodOriginal) && r.text(slotMethod) == semconv.HTTPRequestMethodOther.Value.AsString() {
		r.put(slotMethod, r.values[slotMethodOriginal])
	}
}

// url takes path and query from the older attributes that hold both. Some SDKs
// (ASGI) give the query in http.url alone.
func (r *request) url() {
	if r.has(slotPath) {
		return
	}
	path, query := splitTarget(r.text(slotTarget))
	if inURL, itsQuery := splitTarget(pathOf(r.text(slotURL))); path == "" || query == "" && inURL == path {
		path, query = inURL, itsQuery
	}
	r.putText(slotPath, path)
	if !r.has(slotQuery) {
		r.putText(slotQuery, query)
	}
}

// splitTarget gives the path and the query of a request target.
func splitTarget(target string) (path, query string) {
	target, _, _ = strings.Cut(target, "#")
	path, query, _ = strings.Cut(target, "?")
	return path, query
}

// pathOf gives path and query of an absolute URL, never what stands before them.
func pathOf(u string) string {
	_, rest, ok := strings.Cut(u, "://")
	if !ok {
		return u
	}
	i := strings.IndexAny(rest, "/?#")
	switch {
	case i < 0:
		return "/"
	case rest[i] != '/':
		return "/" + rest[i:]
	}
	return rest[i:]
}

// result takes the reason of a request that did not succeed, and its outcome
// where the status of the response does not tell: none was sent, or it was sent
// before the service failed.
func (r *request) result(span ptrace.Span) {
	status := int64(0)
	if r.has(slotStatus) {
		status = integer(r.values[slotStatus])
	}
	failed := span.Status().Code() == ptrace.StatusCodeError
	if !failed && status > 0 && status < firstError {
		return
	}
	if failed && status < firstError && !r.has(slotOutcome) {
		r.putText(slotOutcome, activity.OutcomeFailure)
	}
	if !r.has(slotReason) {
		r.putText(slotReason, r.reason(span))
	}
}

// firstError is the first status code of a response that says no.
const firstError = 400

// reason gives the last exception that the span recorded, else the description
// of its status, else the type of its error where that is more than the status
// code again.
func (r *request) reason(span ptrace.Span) string {
	for i := span.Events().Len() - 1; i >= 0; i-- {
		e := span.Events().At(i)
		if e.Name() != semconv.ExceptionEventName {
			continue
		}
		if text := exception(e.Attributes()); text != "" {
			return text
		}
	}
	if text := span.Status().Message(); text != "" {
		return text
	}
	if text := r.text(slotErrorType); text != "" && integer(r.values[slotErrorType]) == 0 {
		return text
	}
	return ""
}

// exception gives "type: message". The stack trace stays in the trace.
func exception(attrs pcommon.Map) string {
	var parts []string
	for _, key := range [...]string{string(semconv.ExceptionTypeKey), string(semconv.ExceptionMessageKey)} {
		if v, ok := attrs.Get(key); ok && v.Type() == pcommon.ValueTypeStr && v.Str() != "" {
			parts = append(parts, v.Str())
		}
	}
	return strings.Join(parts, ": ")
}

// integer reads a status code, 0 for what is none.
func integer(v pcommon.Value) int64 {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return v.Int()
	case pcommon.ValueTypeDouble:
		if f := v.Double(); f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f)
		}
	case pcommon.ValueTypeStr:
		if n, err := strconv.ParseInt(v.Str(), 10, 64); err == nil {
			return n
		}
	}
	return 0
}

// forwarded brings what an SDK says of the client's address to the rule of
// enrich: forwarding headers count when the peer is a trusted proxy, and then
// only. An SDK that names no peer (Python) means it by client.address. One that
// names both and captured no header has read client.address in one: it is handed
// on as that header, believed where the header would be.
func (r *request) forwarded() {
	if !r.has(slotClient) {
		return
	}
	captured := false
	for i := range r.rest {
		captured = captured || forwarding[r.rest[i].key]
	}
	switch {
	case !r.has(slotPeer):
		r.put(slotPeer, r.values[slotClient])
	case !captured && r.text(slotPeer) != r.text(slotClient):
		r.rest = append(r.rest, member{activitylogs.KeyHeaderPrefix + "x-forwarded-for", r.values[slotClient]})
	}
}

// forwarding headers that SDKs read for client.address.
var forwarding = map[string]bool{
	activitylogs.KeyHeaderPrefix + "x-forwarded-for": true,
	activitylogs.KeyHeaderPrefix + "forwarded":       true,
	activitylogs.KeyHeaderPrefix + "x-real-ip":       true,
}
