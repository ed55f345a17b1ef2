package enrichprocessor

import (
	"go.opentelemetry.io/collector/pdata/plog"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Where SDKs that predate LogRecord.EventName put the name.
const (
	keyOTelEventName = "otel.event.name"
	keyEventName     = "event.name"
)

// Names of older semantic conventions: accepted, never written.
const (
	oldMethod     = "http.method"
	oldStatusCode = "http.status_code"
	oldURL        = "http.url"
	oldTarget     = "http.target"
	oldClientIP   = "http.client_ip"
	oldUserAgent  = "http.user_agent"
	oldEndUserID  = "enduser.id"
)

// classify gives the kind of a record; a foreign one is system.
func classify(lr plog.LogRecord) (kind activity.Kind, foreign bool) {
	if k, ok := activity.ParseKind(lr.EventName()); ok {
		return k, false
	}
	var method, status bool
	for key, v := range lr.Attributes().All() {
		switch key {
		case keyOTelEventName, keyEventName:
			if k, ok := activity.ParseKind(v.AsString()); ok {
				return k, false
			}
		case string(semconv.HTTPRequestMethodKey), oldMethod:
			method = true
		case string(semconv.HTTPResponseStatusCodeKey), oldStatusCode:
			status = true
		}
	}
	if method && status {
		return activity.KindRequest, false
	}
	return activity.KindSystem, true
}
