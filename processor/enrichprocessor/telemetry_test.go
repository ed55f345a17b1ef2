package enrichprocessor

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadatatest"
)

func point(n int64, attrs ...attribute.KeyValue) metricdata.DataPoint[int64] {
	return metricdata.DataPoint[int64]{Value: n, Attributes: attribute.NewSet(attrs...)}
}

func points(p ...metricdata.DataPoint[int64]) []metricdata.DataPoint[int64] { return p }

func TestMetrics(t *testing.T) {
	tt := componenttest.NewTelemetry()
	t.Cleanup(func() { require.NoError(t, tt.Shutdown(context.Background())) })
	cfg := createDefaultConfig().(*Config)
	withSecret(cfg)
	cfg.GeoIP.DataDir = t.TempDir()
	cfg.Tenant.FromEvent = false
	cfg.Filter.WatchKinds = []string{"request", "crud", "system"}
	e, err := newEnricher(cfg, metadatatest.NewSettings(tt), func() time.Time { return testNow })
	require.NoError(t, err)
	require.NoError(t, e.start(context.Background(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, e.shutdown(context.Background())) })

	var b activitylogs.Builder
	add := func(change func(*activity.Event), authorizations ...string) {
		ev := request1()
		change(ev)
		in := &activitylogs.Inputs{Headers: map[string][]string{}}
		if len(authorizations) > 0 {
			in.Headers["authorization"] = authorizations
		}
		b.Add(ev, in)
	}
	good := "Bearer " + signed(t, jwt.MapClaims{"sub": "7"})
	forged := "Bearer " + token(t, jwt.SigningMethodHS256, []byte("x"), jwt.MapClaims{"sub": "7"})
	add(func(*activity.Event) {}, good)
	add(func(ev *activity.Event) { ev.UserID = "8" }, good)
	add(func(ev *activity.Event) { ev.UserID = "7" }, good)
	add(func(*activity.Event) {}, forged)
	add(func(ev *activity.Event) { ev.Kind, ev.Type = activity.KindCRUD, "create" })
	add(func(ev *activity.Event) { ev.Datetime = testNow.Add(time.Hour).UnixNano() })
	add(func(ev *activity.Event) {
		ev.URL, ev.ExtraData = strings.Repeat("u", 3000), `"`+strings.Repeat("x", 70_000)+`"`
	})
	add(func(ev *activity.Event) { ev.ExtraData = nested(65) })
	add(func(ev *activity.Event) { ev.TenantID = "acme" })
	add(func(ev *activity.Event) { ev.TenantID = "beta" })
	add(func(ev *activity.Event) { ev.URL = "/static/a" })
	add(func(ev *activity.Event) { ev.URL = "/admin/a" })
	add(func(ev *activity.Event) { ev.URL = "/admin/b" })
	add(func(ev *activity.Event) { ev.Kind = activity.KindLogin })
	ld := b.Logs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for range 4 {
		records.AppendEmpty().Body().SetStr("debug")
	}
	_, err = e.process(t.Context(), ld)
	require.NoError(t, err)

	ignore := metricdatatest.IgnoreTimestamp()
	kind := func(k string) attribute.KeyValue { return attribute.String("kind", k) }
	result := func(r string) attribute.KeyValue { return attribute.String("result", r) }
	rule := func(r string) attribute.KeyValue { return attribute.String("rule", r) }
	metadatatest.AssertEqualEnrichEvents(t, tt, points(point(7, kind("request")), point(1, kind("crud"))), ignore)
	metadatatest.AssertEqualEnrichTokens(t, tt, points(point(3, result("verified")), point(1, result("failed"))), ignore)
	reason := func(r string) attribute.KeyValue { return attribute.String("reason", r) }
	metadatatest.AssertEqualEnrichTokenFailures(t, tt, points(point(1, reason("forged"))), ignore)
	metadatatest.AssertEqualEnrichActorConflicts(t, tt, points(point(1)), ignore)
	metadatatest.AssertEqualEnrichDatetimeCorrected(t, tt, points(point(1)), ignore)
	metadatatest.AssertEqualEnrichTruncated(t, tt, points(point(3)), ignore)
	metadatatest.AssertEqualEnrichRejected(t, tt, points(point(2, attribute.String("code", "tenant_not_allowed"))), ignore)
	metadatatest.AssertEqualEnrichFiltered(t, tt,
		points(point(1, rule("exclude_urls::^/static/")), point(2, rule("exclude_urls::^/admin/")), point(1, rule("watch_kinds"))), ignore)
	metadatatest.AssertEqualEnrichForeign(t, tt, points(point(4)), ignore)
}

// Dropped foreign records are worth a warning, and no more than one a minute.
func TestForeignRecordsAreWarnedOfOnceAMinute(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	set := processortest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	now := testNow
	e, err := newEnricher(createDefaultConfig().(*Config), set, func() time.Time { return now })
	require.NoError(t, err)
	for _, step := range []time.Duration{0, time.Second, 58 * time.Second, time.Second, time.Second} {
		now = now.Add(step)
		_, err := e.process(t.Context(), bare(t, "", nil))
		require.Error(t, err)
	}
	require.Equal(t, 2, logs.Len(), "at the start and a minute later")
	assert.Equal(t, int64(1), logs.All()[0].ContextMap()["dropped"])
}

func TestProcessorInAPipeline(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.GeoIP.DataDir = t.TempDir()
	sink := new(consumertest.LogsSink)
	p, err := NewFactory().CreateLogs(t.Context(), processortest.NewNopSettings(metadata.Type), cfg, sink)
	require.NoError(t, err)
	assert.True(t, p.Capabilities().MutatesData)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	ev := request1()
	ev.Datetime = time.Now().UnixNano()
	require.NoError(t, p.ConsumeLogs(t.Context(), logsOf(ev, nil)))
	require.NoError(t, p.ConsumeLogs(t.Context(), bare(t, "", nil)), "to drop everything is no error")
	require.NoError(t, p.ConsumeLogs(t.Context(), plog.NewLogs()))
	require.NoError(t, p.Shutdown(t.Context()))
	require.Len(t, sink.AllLogs(), 1, "an empty request goes no further")
	events, err := activitylogs.Events(sink.AllLogs()[0])
	require.NoError(t, err)
	assert.Equal(t, ev.ID, events[0].ID)

	broken := errors.New("disk full")
	p, err = NewFactory().CreateLogs(t.Context(), processortest.NewNopSettings(metadata.Type), cfg, consumertest.NewErr(broken))
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	require.ErrorIs(t, p.ConsumeLogs(t.Context(), logsOf(ev, nil)), broken)
	require.NoError(t, p.Shutdown(t.Context()))
}

// Requests come at the same time and share the caches and the geo database.
func TestConcurrentRequests(t *testing.T) {
	path := cityDatabase(t)
	e := started(t, func(c *Config) { withSecret(c); c.GeoIP.Path = path; c.JWT.CacheSize = 2 })
	users := []string{"a", "b", "c", "d", "e"}
	tokens := make([]string, len(users))
	for i, u := range users {
		tokens[i] = "Bearer " + signed(t, jwt.MapClaims{"sub": u})
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				n := (worker + i) % len(users)
				ev := request1()
				ev.RemoteIP = "81.2.69.160"
				ld := logsOf(ev, authorization(tokens[n]))
				_, err := e.process(context.Background(), ld)
				events, decodeErr := activitylogs.Events(ld)
				if err := errors.Join(err, decodeErr); err != nil || len(events) != 1 {
					t.Errorf("%d events: %v", len(events), err)
					return
				}
				assert.Equal(t, users[n], events[0].UserID)
				assert.Equal(t, "Munich", events[0].City)
			}
		})
	}
	wg.Wait()
}
