package enrichprocessor

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadatatest"
)

// dropsNothing is the configuration without a rule, which mode audit wants.
func dropsNothing(c *Config) {
	c.Mode = modeAudit
	c.Filter.ExcludeURLs, c.Filter.ExcludeModels = []string{}, []string{}
}

func TestAuditModeRefusesEveryRuleThatDrops(t *testing.T) {
	for key, rule := range map[string]struct {
		change func(*FilterConfig)
		names  string
	}{
		"filter::exclude_urls":         {func(c *FilterConfig) { c.ExcludeURLs = []string{"^/a/"} }, "^/a/"},
		"filter::exclude_urls_extra":   {func(c *FilterConfig) { c.ExcludeURLsExtra = []string{"^/b/"} }, "^/b/"},
		"filter::exclude_models":       {func(c *FilterConfig) { c.ExcludeModels = []string{"a.b"} }, "a.b"},
		"filter::exclude_models_extra": {func(c *FilterConfig) { c.ExcludeModelsExtra = []string{"c.*"} }, "c.*"},
		"filter::skip_unchanged":       {func(c *FilterConfig) { c.SkipUnchanged = true }, "false"},
		"filter::drop":                 {func(c *FilterConfig) { c.Drop = []string{`event_name == "x"`} }, "event_name"},
		"filter::watch_kinds":          {func(c *FilterConfig) { c.WatchKinds = []string{"crud", "login", "request", "system"} }, "cors"},
	} {
		t.Run(key, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			dropsNothing(cfg)
			require.NoError(t, cfg.Validate())
			for _, dry := range []bool{false, true} { // what drops nothing today may tomorrow
				rule.change(&cfg.Filter)
				cfg.Filter.DryRun = dry
				err := cfg.Validate()
				require.ErrorContains(t, err, key+": in mode audit nothing may be dropped")
				require.ErrorContains(t, err, rule.names)
			}
			cfg.Mode = modeStandard
			assert.NoError(t, cfg.Validate())
		})
	}
}

func TestAuditModeNamesTheDefaultsToo(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Mode = modeAudit
	err := cfg.Validate()
	for _, want := range []string{"filter::exclude_urls: ", "^/admin/", "filter::exclude_models: ", "sessions.session", "write exclude_models: []"} {
		require.ErrorContains(t, err, want)
	}
	cfg.Mode = "audits"
	assert.ErrorContains(t, cfg.Validate(), "mode: ")
}

func TestAuditModeKeepsEverything(t *testing.T) {
	e := started(t, func(c *Config) {
		dropsNothing(c)
		c.Filter.IncludeURLs, c.Filter.IncludeModels, c.Filter.Keep = []string{"^/x/"}, []string{"a.b"}, []string{"false"}
	})
	ev := request1()
	ev.URL = "/admin/"
	assert.True(t, passes(t, e, ev))
	same := crudEvent("sessions.session", "update")
	same.ChangedFields = "{}"
	assert.True(t, passes(t, e, same))
	for _, k := range activity.Kinds() {
		assert.True(t, passes(t, e, &activity.Event{Kind: k, Datetime: testNow.UnixNano()}), k.String())
	}
}

// dry_run keeps every event, and counts it under the one rule that would have
// dropped it.
func TestDryRunCountsAndKeeps(t *testing.T) {
	tt := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tt.Shutdown(context.Background())) })
	cfg := createDefaultConfig().(*Config)
	cfg.GeoIP.DataDir = t.TempDir()
	cfg.Filter.DryRun, cfg.Filter.SkipUnchanged = true, true
	cfg.Filter.WatchKinds = []string{"request", "crud", "cors"}
	cfg.Filter.Drop = []string{`attributes["http.response.status_code"] == 204`}
	cfg.Filter.Keep = []string{`attributes["user.id"] == "root"`}
	e, err := newEnricher(cfg, metadatatest.NewSettings(tt), func() time.Time { return testNow })
	require.NoError(t, err)
	require.NoError(t, e.start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, e.shutdown(context.Background())) })

	var b activitylogs.Builder
	add := func(change func(*activity.Event)) {
		ev := request1()
		change(ev)
		b.Add(ev, nil)
	}
	add(func(*activity.Event) {})
	add(func(ev *activity.Event) { ev.URL = "/static/x" })
	add(func(ev *activity.Event) { ev.URL, ev.ResponseStatus = "/static/x", 204 })
	add(func(ev *activity.Event) { ev.URL, ev.UserID = "/static/x", "root" })
	add(func(ev *activity.Event) { ev.ResponseStatus = 204 })
	add(func(ev *activity.Event) { ev.Kind, ev.Type = activity.KindLogin, "login" })
	b.Add(crudEvent("admin.logentry", "create"), nil)
	same := crudEvent("shop.order", "update")
	same.ChangedFields = "{}"
	b.Add(same, nil)
	ctx, rec := receipt.NewContext(t.Context())
	out, err := e.process(ctx, b.Logs())
	require.NoError(t, err)
	assert.Equal(t, 8, out.LogRecordCount())
	_, filtered := rec.Processed()
	assert.Zero(t, filtered, "what is stored is not filtered")

	rule := func(r string) attribute.KeyValue { return attribute.String("rule", r) }
	metadatatest.AssertEqualEnrichFilteredDryRun(t, tt, points(
		point(2, rule("exclude_urls::^/static/")), point(1, rule("drop::0")), point(1, rule("watch_kinds")),
		point(1, rule("exclude_models::admin.logentry")), point(1, rule("skip_unchanged"))), metricdatatest.IgnoreTimestamp())
	_, err = tt.GetMetric("otelcol_enrich_filtered")
	require.Error(t, err, "nothing was dropped")
}
