package enrichprocessor

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// nested gives a list in a list in a list ..., depth deep.
func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func nest(v pcommon.Value, depth int) {
	for range depth {
		v = v.SetEmptySlice().AppendEmpty()
	}
	v.SetInt(1)
}

func TestReservedMembers(t *testing.T) {
	for _, tt := range []struct {
		name, client string
		change       func(plog.Logs, plog.LogRecord)
		want         string
	}{
		{"nothing to say", `{"a":1}`, func(plog.Logs, plog.LogRecord) {}, `{"a":1}`},
		{"nothing at all", ``, func(plog.Logs, plog.LogRecord) {}, ``},
		{"attributes", `{"a":1}`, func(_ plog.Logs, lr plog.LogRecord) { lr.Attributes().PutStr("x", "\"é\n\x00\xff") }, `{"a":1,"_attributes":{"x":"\"é\n��"}}`},
		{"every type", ``, func(_ plog.Logs, lr plog.LogRecord) {
			m := lr.Attributes().PutEmptyMap("x")
			m.PutInt("int", math.MinInt64)
			m.PutDouble("double", 0.1)
			m.PutDouble("nan", math.NaN())
			m.PutDouble("inf", math.Inf(-1))
			m.PutBool("bool", false)
			m.PutEmptyBytes("bytes").FromRaw([]byte{0, 255})
			m.PutEmpty("empty")
			m.PutEmptySlice("list").AppendEmpty().SetEmptyMap()
		}, `{"_attributes":{"x":{"int":-9223372036854775808,"double":0.1,"nan":"NaN","inf":"-Inf","bool":false,"bytes":"AP8=","empty":null,"list":[{}]}}}`},
		{"resource", ``, func(ld plog.Logs, _ plog.LogRecord) {
			ld.ResourceLogs().At(0).Resource().Attributes().PutInt("process.pid", 7)
		}, `{"_resource":{"process.pid":7}}`},
		{"scope", ``, func(ld plog.Logs, _ plog.LogRecord) {
			s := ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope()
			s.SetName("lib")
			s.SetVersion("2")
			s.Attributes().PutBool("a", true)
		}, `{"_scope":{"name":"lib","version":"2","attributes":{"a":true}}}`},
		{"body", ``, func(_ plog.Logs, lr plog.LogRecord) { lr.Body().SetEmptyMap().PutStr("a", "b") }, `{"_body":{"a":"b"}}`},
		{"body, a number", ``, func(_ plog.Logs, lr plog.LogRecord) { lr.Body().SetInt(7) }, `{"_body":7}`},
		{"severity text and flags", ``, func(_ plog.Logs, lr plog.LogRecord) { lr.SetSeverityText("Warn"); lr.SetFlags(1) }, `{"_severity_text":"Warn","_trace_flags":1}`},
		{"behind an empty object", ` { } `, func(_ plog.Logs, lr plog.LogRecord) { lr.SetFlags(1) }, `{ "_trace_flags":1}`},
		{"the client's bytes", ` {"a" : 1.0,"a":18446744073709551615 } `, func(_ plog.Logs, lr plog.LogRecord) { lr.SetFlags(1) }, `{"a" : 1.0,"a":18446744073709551615 ,"_trace_flags":1}`},
		{"a list moves", `[1.0]`, func(_ plog.Logs, lr plog.LogRecord) { lr.SetFlags(1) }, `{"_extra_data":[1.0],"_trace_flags":1}`},
		{"text moves", `plain "text"`, func(_ plog.Logs, lr plog.LogRecord) { lr.SetFlags(1) }, `{"_extra_data":"plain \"text\"","_trace_flags":1}`},
		{"text alone becomes JSON", `plain "text"`, func(plog.Logs, plog.LogRecord) {}, `"plain \"text\""`},
		{"a reserved name of the client's", `{"_trace_flags":7}`, func(_ plog.Logs, lr plog.LogRecord) { lr.SetFlags(1) }, `{"_extra_data":{"_trace_flags":7},"_trace_flags":1}`},
		{"the same, escaped", `{"\u005ftrace_flags":7}`, func(_ plog.Logs, lr plog.LogRecord) { lr.SetFlags(1) }, `{"_extra_data":{"\u005ftrace_flags":7},"_trace_flags":1}`},
		{"a reserved name that is not needed", `{"_trace_flags":7}`, func(plog.Logs, plog.LogRecord) {}, `{"_trace_flags":7}`},
		{"a column's name is no column", `{"user_id":"eve","tenant_id":"x","kind":"crud"}`, func(plog.Logs, plog.LogRecord) {}, `{"user_id":"eve","tenant_id":"x","kind":"crud"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, nil)
			ev := request1()
			ev.ExtraData = tt.client
			ld := logsOf(ev, nil)
			tt.change(ld, record(ld))
			got := one(t, e, ld)
			require.True(t, got.ExtraData == "" || json.Valid([]byte(got.ExtraData)), got.ExtraData)
			assert.Equal(t, tt.want, got.ExtraData) // byte for byte
			assert.Empty(t, got.UserID+got.TenantID)
			assert.Equal(t, 1, ld.ResourceLogs().At(0).Resource().Attributes().Len(), "the resource keeps the service alone")
			assert.Zero(t, ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().Len())
		})
	}
}

func TestDepth(t *testing.T) {
	e := started(t, nil)
	for _, tt := range []struct {
		name, text string
		kept       bool
	}{
		{"64", nested(64), true},
		{"65", nested(65), false},
		{"100,000", nested(100_000), false},
		{"never closed", strings.Repeat("[", 100_000), false},
		{"brackets in a string", `"` + nested(100) + `"`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := crud()
			ev.ExtraData, ev.ObjectJSONRepr, ev.ChangedFields = tt.text, tt.text, tt.text
			got := one(t, e, logsOf(ev, nil))
			for _, text := range []string{got.ExtraData, got.ObjectJSONRepr, got.ChangedFields} {
				if tt.kept {
					assert.Equal(t, tt.text, text)
					continue
				}
				assert.Regexp(t, `^\{"_truncated":\d+,"_sha256":"[0-9a-f]{64}"\}$`, text)
			}
			assert.Equal(t, !tt.kept, got.Flags&activity.FlagTruncated != 0)
			if !tt.kept {
				assert.Equal(t, "changed_fields,extra_data,object_json_repr", got.TruncatedFields)
			}
		})
	}
}

// Whatever the parts are, the whole is never deeper than the limit.
func TestDepthOfTheWhole(t *testing.T) {
	e := started(t, nil)
	ev := request1()
	ev.ExtraData = nested(64) // would move one level down
	ld := logsOf(ev, nil)
	nest(record(ld).Attributes().PutEmpty("x"), 200)
	nest(record(ld).Body(), 200)
	nest(ld.ResourceLogs().At(0).Resource().Attributes().PutEmpty("x"), 200)
	nest(ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().PutEmpty("x"), 200)
	got := one(t, e, ld)
	assert.True(t, json.Valid([]byte(got.ExtraData)))
	assert.LessOrEqual(t, depthOf(got.ExtraData), activity.MaxJSONDepth)
	for _, name := range []string{"_truncated", "_attributes", "_resource", "_scope", "_body"} {
		assert.Contains(t, got.ExtraData, `"`+name+`":`)
	}
}

func TestShrink(t *testing.T) {
	const kb = 1 << 10
	text := func(kilobytes int) string { return `"` + strings.Repeat("x", kilobytes*kb) + `"` }
	for _, tt := range []struct {
		name                            string
		extra, snapshot, changes, roles int
		message, traceback              int
		cut                             string
	}{
		{name: "small enough", extra: 300, snapshot: 300, changes: 300, cut: ""},
		{name: "extra_data goes first", extra: 400, snapshot: 400, changes: 400, cut: "extra_data"},
		{name: "though it is small", extra: 1, snapshot: 500, changes: 550, cut: "extra_data,object_json_repr"},
		{name: "then both snapshots", snapshot: 600, changes: 1100, cut: "changed_fields,object_json_repr"},
		{name: "a long message is cut", message: 1500, cut: "message"},
		{name: "so is a traceback", message: 600, traceback: 600, cut: "traceback"},
		{name: "everything", extra: 1500, snapshot: 1500, changes: 1500, message: 1500, traceback: 1500, cut: "changed_fields,extra_data,message,object_json_repr,traceback"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const wide = 4 << 20
			e := started(t, func(c *Config) { c.Limits = LimitsConfig{wide, wide, wide, wide, wide} })
			ev := crud()
			for _, f := range []struct {
				p *string
				n int
			}{{&ev.ExtraData, tt.extra}, {&ev.ObjectJSONRepr, tt.snapshot}, {&ev.ChangedFields, tt.changes}} {
				if f.n > 0 {
					*f.p = text(f.n)
				}
			}
			ev.Message, ev.Traceback = strings.Repeat("é", tt.message*kb/2), strings.Repeat("é", tt.traceback*kb/2)
			got := one(t, e, logsOf(ev, nil))
			assert.LessOrEqual(t, got.Size(), activity.MaxEventBytes)
			assert.Equal(t, tt.cut, got.TruncatedFields)
			assert.Equal(t, tt.cut != "", got.Flags&activity.FlagTruncated != 0)
			for _, f := range []activity.Field{activity.FieldExtraData, activity.FieldObjectJSONRepr, activity.FieldChangedFields} {
				if now, before := *got.Text(f), *ev.Text(f); strings.Contains(tt.cut, f.String()) {
					assert.Contains(t, now, `"_sha256"`)
				} else {
					assert.Equal(t, before, now)
				}
			}
			assert.True(t, strings.HasPrefix(ev.Message, got.Message))
			assert.NotContains(t, got.Message+got.Traceback, "\uFFFD", "cut at a rune boundary")
		})
	}
}

// A text over its limit is cut, flagged and named; its neighbours are whole.
func TestLimits(t *testing.T) {
	e := started(t, func(c *Config) {
		c.Limits = LimitsConfig{Message: 5, Traceback: 5, Snapshot: 128, Changes: 128, ExtraData: 128}
	})
	ev := crud()
	ev.Message, ev.Traceback, ev.URL = "éééé", "12345", strings.Repeat("u", 2049)
	ev.ExtraData = `{"a":"` + strings.Repeat("x", 120) + `"}`
	ev.ObjectJSONRepr = `{"a":"` + strings.Repeat("x", 121) + `"}`
	got := one(t, e, logsOf(ev, nil))
	assert.Equal(t, "éé", got.Message)
	assert.Equal(t, "12345", got.Traceback)
	assert.Len(t, got.URL, 2048)
	assert.Equal(t, ev.ExtraData, got.ExtraData)
	assert.Contains(t, got.ObjectJSONRepr, `{"_truncated":129,`)
	assert.LessOrEqual(t, len(got.ObjectJSONRepr), 128, "what replaces a text is no longer than the limit")
	assert.Equal(t, "message,object_json_repr,url", got.TruncatedFields)
}

// A cut text is cut once: an event that comes by again is not touched.
func TestEnrichTwice(t *testing.T) {
	e := started(t, func(c *Config) { c.TrustUpstream = true; c.Limits.ExtraData = 128 })
	ev := request1()
	ev.ExtraData, ev.QueryString = `{"a":"`+strings.Repeat("x", 200)+`"}`, "token=hush"
	ld := logsOf(ev, &activitylogs.Inputs{PeerAddress: "198.51.100.7"})
	first := one(t, e, ld)
	assert.Equal(t, first, one(t, e, ld))
}
