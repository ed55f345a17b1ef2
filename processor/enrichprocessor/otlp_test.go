package enrichprocessor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// bare gives one record with nothing but a time and the given attributes.
func bare(tb testing.TB, eventName string, attrs map[string]any) plog.Logs {
	tb.Helper()
	ld := plog.NewLogs()
	lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetEventName(eventName)
	lr.SetTimestamp(pcommon.NewTimestampFromTime(testNow))
	require.NoError(tb, lr.Attributes().FromRaw(attrs))
	return ld
}

func TestClassification(t *testing.T) {
	keep := started(t, func(c *Config) { c.Foreign = foreignKeep })
	drop := started(t, nil)
	type attrs = map[string]any
	for _, tt := range []struct {
		name, eventName string
		attrs           attrs
		kind            activity.Kind
		foreign         bool
	}{
		{"event name", "activity.login", nil, activity.KindLogin, false},
		{"short event name", "cors", nil, activity.KindCORS, false},
		{"otel.event.name", "", attrs{"otel.event.name": "activity.crud"}, activity.KindCRUD, false},
		{"event.name", "", attrs{"event.name": "activity.cors"}, activity.KindCORS, false},
		{"the event name goes first", "activity.login", attrs{"event.name": "activity.crud"}, activity.KindLogin, false},
		{"method and status", "", attrs{"http.request.method": "GET", "http.response.status_code": 200}, activity.KindRequest, false},
		{"old method and status", "", attrs{"http.method": "GET", "http.status_code": 200}, activity.KindRequest, false},
		{"an event name goes before method and status", "", attrs{"http.request.method": "GET", "http.response.status_code": 200, "event.name": "activity.cors"}, activity.KindCORS, false},
		{"method alone", "", attrs{"http.request.method": "GET"}, activity.KindSystem, true},
		{"status alone", "", attrs{"http.response.status_code": 200}, activity.KindSystem, true},
		{"another event", "browser.page_view", attrs{"event.name": "click"}, activity.KindSystem, true},
		{"nothing", "", nil, activity.KindSystem, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := eventsOf(t, keep, bare(t, tt.eventName, tt.attrs))[0]
			assert.Equal(t, tt.kind, got.Kind)
			if tt.foreign {
				assert.Equal(t, "log", got.Type)
				assert.Equal(t, "custom", got.Category)
			}
			out, err := drop.process(t.Context(), bare(t, tt.eventName, tt.attrs))
			assert.Equal(t, tt.foreign, err != nil)
			assert.Equal(t, tt.foreign, out.LogRecordCount() == 0)
		})
	}
}

func TestOlderConventions(t *testing.T) {
	e := started(t, nil)
	for _, tt := range []struct {
		name  string
		attrs map[string]any
		field activity.Field
		want  string
	}{
		{"http.method", map[string]any{"http.method": "PUT"}, activity.FieldMethod, "PUT"},
		{"the current method goes first", map[string]any{"http.method": "PUT", "http.request.method": "POST"}, activity.FieldMethod, "POST"},
		{"http.url", map[string]any{"http.url": "https://h/x?y=1"}, activity.FieldURL, "/x"},
		{"http.url, host alone", map[string]any{"http.url": "https://h"}, activity.FieldURL, "/"},
		{"http.url, query alone", map[string]any{"http.url": "https://h?y=1"}, activity.FieldURL, "/"},
		{"its query", map[string]any{"http.url": "https://h/x?y=1"}, activity.FieldQueryString, "y=1"},
		{"http.target", map[string]any{"http.target": "/x?y=1"}, activity.FieldURL, "/x"},
		{"url.full", map[string]any{"url.full": "https://h/x?y=1"}, activity.FieldURL, "/x"},
		{"url.path goes first", map[string]any{"url.full": "https://h/x", "url.path": "/z"}, activity.FieldURL, "/z"},
		{"http.client_ip", map[string]any{"http.client_ip": "198.51.100.7"}, activity.FieldRemoteIP, "198.51.100.7"},
		{"client.address goes first", map[string]any{"http.client_ip": "6.6.6.6", "client.address": "198.51.100.7"}, activity.FieldRemoteIP, "198.51.100.7"},
		{"http.user_agent", map[string]any{"http.user_agent": "curl/8"}, activity.FieldUserAgent, "curl/8"},
		{"enduser.id", map[string]any{"enduser.id": "7"}, activity.FieldUserID, "7"},
		{"enduser.id, a number", map[string]any{"enduser.id": 7}, activity.FieldUserID, "7"},
		{"user.id goes first", map[string]any{"enduser.id": "7", "user.id": "8"}, activity.FieldUserID, "8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := eventsOf(t, e, bare(t, "activity.request", tt.attrs))[0]
			assert.Equal(t, tt.want, *got.Text(tt.field))
			assert.Empty(t, got.ExtraData, "what became a field is kept once")
		})
	}
	for _, status := range []any{404, "404", 404.0} {
		assert.Equal(t, int64(404), eventsOf(t, e, bare(t, "activity.request", map[string]any{"http.status_code": status}))[0].ResponseStatus)
	}
	cors := eventsOf(t, e, bare(t, "activity.cors", map[string]any{"url.full": "https://h/x"}))[0]
	assert.Equal(t, "https://h/x", cors.URL, "a cors event keeps the whole URL of the frontend")
}

// A value of the wrong type is read when one reading is certain, and kept in
// extra_data when none is.
func TestWrongTypes(t *testing.T) {
	e := started(t, nil)
	some := activity.Some
	for _, tt := range []struct {
		name, key string
		value     any
		check     func(*activity.Event) any
		want      any
		kept      bool
	}{
		{"user, a number", "user.id", 42, func(ev *activity.Event) any { return ev.UserID }, "42", false},
		{"user, a whole double", "user.id", 42.0, func(ev *activity.Event) any { return ev.UserID }, "42", false},
		{"user, a map", "user.id", map[string]any{"a": 1}, func(ev *activity.Event) any { return ev.UserID }, "", true},
		{"status, text", "http.response.status_code", "404", func(ev *activity.Event) any { return ev.ResponseStatus }, int64(404), false},
		{"status, a fraction", "http.response.status_code", 404.5, func(ev *activity.Event) any { return ev.ResponseStatus }, int64(0), true},
		{"status, a word", "http.response.status_code", "OK", func(ev *activity.Event) any { return ev.ResponseStatus }, int64(0), true},
		{"duration, text", "activity.http.duration_ms", "1.5", func(ev *activity.Event) any { return ev.ResponseTimeUS }, some(1500), false},
		{"duration, negative", "activity.http.duration_ms", -1.5, func(ev *activity.Event) any { return ev.ResponseTimeUS }, activity.OptInt64{}, false},
		{"size, a double", "http.response.body.size", 10.0, func(ev *activity.Event) any { return ev.ResponseBodySize }, some(10), false},
		{"size, beyond an integer", "http.response.body.size", 1e300, func(ev *activity.Event) any { return ev.ResponseBodySize }, activity.OptInt64{}, true},
		{"size, zero", "http.response.body.size", 0, func(ev *activity.Event) any { return ev.ResponseBodySize }, some(0), false},
		{"size, negative", "http.response.body.size", -1, func(ev *activity.Event) any { return ev.ResponseBodySize }, activity.OptInt64{}, false},
		{"latitude, text", "geo.location.lat", "52.5", func(ev *activity.Event) any { return ev.Latitude }, some(525000000), false},
		{"latitude, zero", "geo.location.lat", 0, func(ev *activity.Event) any { return ev.Latitude }, some(0), false},
		{"latitude, off the globe", "geo.location.lat", 90.5, func(ev *activity.Event) any { return ev.Latitude }, activity.OptInt64{}, false},
		{"allowed, text", "activity.cors.allowed", "true", func(ev *activity.Event) any { return ev.Allowed }, activity.AllowedYes, false},
		{"allowed, a number", "activity.cors.allowed", 0, func(ev *activity.Event) any { return ev.Allowed }, activity.AllowedNo, false},
		{"snapshot, a map", "activity.object.snapshot", map[string]any{"a": 1}, func(ev *activity.Event) any { return ev.ObjectJSONRepr }, `{"a":1}`, false},
		{"roles, one text", "user.roles", "admin", func(ev *activity.Event) any { return ev.UserRoles }, `"admin"`, false},
		{"roles, numbers", "user.roles", []any{1}, func(ev *activity.Event) any { return ev.UserRoles }, "", true},
		{"body size, bytes", "http.request.body.size", []byte("1"), func(ev *activity.Event) any { return ev.RequestBodySize }, activity.OptInt64{}, true},
		{"an empty value", "user.id", nil, func(ev *activity.Event) any { return ev.UserID }, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := eventsOf(t, e, bare(t, "activity.request", map[string]any{tt.key: tt.value}))[0]
			assert.Equal(t, tt.want, tt.check(&got))
			if tt.kept {
				assert.Contains(t, got.ExtraData, `{"_attributes":{"`+tt.key+`":`)
			} else {
				assert.Empty(t, got.ExtraData)
			}
		})
	}
}

// A word outside of its closed list moves to extra_data.
func TestUnknownWords(t *testing.T) {
	e := started(t, nil)
	for _, tt := range []struct {
		name, eventName, key string
		value                any
		field                activity.Field
		want, extra          string
	}{
		{"crud code", "activity.crud", activitylogs.KeyCRUDType, 3, activity.FieldType, "delete", ""},
		{"crud word", "activity.crud", activitylogs.KeyCRUDType, "export", activity.FieldType, "export", ""},
		{"crud, unknown", "activity.crud", activitylogs.KeyCRUDType, "explode", activity.FieldType, "other", `{"_type":"explode"}`},
		{"crud, absent", "activity.crud", "user.name", "", activity.FieldType, "other", ""},
		{"login code zero", "activity.login", activitylogs.KeyLoginType, 0, activity.FieldType, "login", ""},
		{"login, unknown", "activity.login", activitylogs.KeyLoginType, "99", activity.FieldType, "", `{"_type":"99"}`},
		{"outcome", "activity.crud", activitylogs.KeyOutcome, "great", activity.FieldOutcome, "success", `{"_outcome":"great"}`},
		{"actor type", "activity.crud", activitylogs.KeyActorType, "robot", activity.FieldActorType, "unknown", `{"_actor_type":"robot"}`},
		{"auth method", "activity.crud", activitylogs.KeyAuthMethod, "magic", activity.FieldAuthMethod, "", `{"_auth_method":"magic"}`},
		{"category", "activity.system", activitylogs.KeySystemCategory, "weather", activity.FieldCategory, "custom", `{"_category":"weather"}`},
		{"category of old", "activity.system", activitylogs.KeySystemCategory, "celery", activity.FieldCategory, "queue", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := eventsOf(t, e, bare(t, tt.eventName, map[string]any{tt.key: tt.value}))[0]
			assert.Equal(t, tt.want, *got.Text(tt.field))
			assert.Equal(t, tt.extra, got.ExtraData)
		})
	}
	got := eventsOf(t, e, bare(t, "activity.request", map[string]any{"http.response.status_code": 12345}))[0]
	assert.Zero(t, got.ResponseStatus)
	assert.JSONEq(t, `{"_response_status":12345}`, got.ExtraData)
}

func TestDerived(t *testing.T) {
	e := started(t, nil)
	for _, tt := range []struct {
		name, eventName string
		attrs           map[string]any
		outcome, action string
		severity        int64
	}{
		{"200", "request", map[string]any{"http.response.status_code": 200, "http.request.method": "GET"}, "success", "GET", 9},
		{"404", "request", map[string]any{"http.response.status_code": 404}, "failure", "", 13},
		{"401", "request", map[string]any{"http.response.status_code": 401}, "denied", "", 13},
		{"403", "request", map[string]any{"http.response.status_code": 403}, "denied", "", 13},
		{"500", "request", map[string]any{"http.response.status_code": 500}, "failure", "", 17},
		{"no status", "request", nil, "unknown", "", 9},
		{"said", "request", map[string]any{"http.response.status_code": 500, activitylogs.KeyOutcome: "success", activitylogs.KeyAction: "x"}, "success", "x", 17},
		{"login", "login", map[string]any{activitylogs.KeyLoginType: "login"}, "success", "login", 9},
		{"failed login", "login", map[string]any{activitylogs.KeyLoginType: "login_failed"}, "failure", "login_failed", 13},
		{"cors allowed", "cors", map[string]any{activitylogs.KeyCORSAllowed: true}, "success", "", 9},
		{"cors denied", "cors", map[string]any{activitylogs.KeyCORSAllowed: false}, "denied", "", 13},
		{"cors unknown", "cors", nil, "unknown", "", 9},
		{"crud", "crud", map[string]any{activitylogs.KeyCRUDType: "create"}, "success", "create", 9},
		{"system", "system", map[string]any{activitylogs.KeySystemName: "backup.done"}, "unknown", "backup.done", 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := eventsOf(t, e, bare(t, tt.eventName, tt.attrs))[0]
			assert.Equal(t, tt.outcome, got.Outcome)
			assert.Equal(t, tt.action, got.Action)
			assert.Equal(t, tt.severity, got.SeverityNumber)
		})
	}
}
