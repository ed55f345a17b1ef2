package enrichprocessor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
)

// passes reports whether the event leaves the processor, and that a dropped one
// is noted as filtered and never as refused.
func passes(tb testing.TB, e *enricher, ev *activity.Event) bool {
	tb.Helper()
	return passesWith(tb, e, ev, nil)
}

func passesWith(tb testing.TB, e *enricher, ev *activity.Event, in *activitylogs.Inputs) bool {
	tb.Helper()
	return passesLogs(tb, e, logsOf(ev, in))
}

func passesLogs(tb testing.TB, e *enricher, ld plog.Logs) bool {
	tb.Helper()
	ctx, rec := receipt.NewContext(tb.Context())
	out, err := e.process(ctx, ld)
	rejected, filtered := rec.Processed()
	assert.Empty(tb, rejected)
	if out.LogRecordCount() == 1 {
		require.NoError(tb, err)
		assert.Zero(tb, filtered)
		return true
	}
	require.Error(tb, err, "nothing is left to pass on")
	assert.Equal(tb, 1, filtered)
	return false
}

func inputs(before, after string) *activitylogs.Inputs {
	return &activitylogs.Inputs{Before: before, After: after}
}

func TestURLFilters(t *testing.T) {
	plain := started(t, nil)
	more := started(t, func(c *Config) {
		c.Filter.ExcludeURLsExtra = []string{`\.css$`, `^/internal/`}
		c.Filter.IncludeURLs = []string{`^/admin/users/`, `^/health/deep$`}
	})
	none := started(t, func(c *Config) { c.Filter.ExcludeURLs = nil })
	for _, tt := range []struct {
		url               string
		plain, more, none bool
	}{
		{"/orders/17", true, true, true},
		{"/admin/", false, false, true},
		{"/admin/orders/", false, false, true},
		{"/admin/users/7", false, true, true},
		{"/administration", true, true, true},
		{"/x/admin/", true, true, true},
		{"/static/a.js", false, false, true},
		{"/favicon.ico", false, false, true},
		{"/favicon.ico.html", true, true, true},
		{"/health/", false, false, true},
		{"/health/deep", false, true, true},
		{"/metrics/", false, false, true},
		{"/a.css", true, false, true},
		{"/a.css?v=1", true, false, true}, // by path, not by query
		{"/x?next=/admin/", true, true, true},
		{"/internal/a", true, false, true},
		{"", true, true, true},
	} {
		t.Run(tt.url, func(t *testing.T) {
			ev := request1()
			ev.URL = tt.url
			assert.Equal(t, tt.plain, passes(t, plain, ev))
			assert.Equal(t, tt.more, passes(t, more, ev))
			assert.Equal(t, tt.none, passes(t, none, ev))
		})
	}
}

// Only requests are dropped by their path: what was done in the admin is
// exactly what an audit wants.
func TestOtherKindsIgnoreURLFilters(t *testing.T) {
	e := started(t, nil)
	for _, k := range activity.Kinds() {
		ev := &activity.Event{Kind: k, URL: "/admin/", Datetime: testNow.UnixNano()}
		assert.Equal(t, k != activity.KindRequest, passes(t, e, ev), k.String())
	}
}

func TestWatchedKinds(t *testing.T) {
	e := started(t, func(c *Config) { c.Filter.WatchKinds = []string{"crud", "activity.login"} })
	for _, k := range activity.Kinds() {
		ev := &activity.Event{Kind: k, URL: "/x", Datetime: testNow.UnixNano()}
		assert.Equal(t, k == activity.KindCRUD || k == activity.KindLogin, passes(t, e, ev), k.String())
	}
}
