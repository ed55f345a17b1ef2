package auditapiext

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensioncapabilities"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/activitylog/otelcol-activitylog/extension/auditapiext/internal/metadatatest"
	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// subject is an extension under test.
type subject struct {
	*auditAPI
	cfg       *Config
	logs      *observer.ObservedLogs
	telemetry *componenttest.Telemetry
	client    *http.Client
}

func newSubject(t *testing.T, change ...func(*Config)) *subject {
	t.Helper()
	s := &subject{cfg: createDefaultConfig().(*Config), telemetry: componenttest.NewTelemetry(), client: &http.Client{Transport: &http.Transport{}}}
	s.cfg.Server.NetAddr.Endpoint = "127.0.0.1:0"
	s.cfg.Storage.SQLite.Directory = filepath.Join(t.TempDir(), "data")
	for _, c := range change {
		c(s.cfg)
	}
	require.NoError(t, s.cfg.Validate())
	var core zapcore.Core
	core, s.logs = observer.New(zap.InfoLevel)
	set := metadatatest.NewSettings(s.telemetry)
	set.Logger = zap.New(core)
	made, err := NewFactory().Create(context.Background(), set, s.cfg)
	require.NoError(t, err)
	s.auditAPI = made.(*auditAPI)
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		assert.NoError(t, s.Shutdown(context.Background()))
		assert.NoError(t, s.telemetry.Shutdown(context.Background()))
	})
	return s
}

func start(t *testing.T, change ...func(*Config)) *subject {
	t.Helper()
	s := newSubject(t, change...)
	require.NoError(t, s.Start(context.Background(), componenttest.NewNopHost()))
	return s
}

// base is the URL that the log names.
func (s *subject) base(t *testing.T) string {
	t.Helper()
	entries := s.logs.FilterMessage("Answering queries").All()
	require.Len(t, entries, 1)
	return strings.TrimSuffix(entries[0].ContextMap()["url"].(string), "/api/activity/")
}

func (s *subject) token(t *testing.T) string {
	t.Helper()
	if s.cfg.Token != "" {
		return string(s.cfg.Token)
	}
	raw, err := os.ReadFile(s.cfg.tokenFile())
	require.NoError(t, err)
	return strings.TrimSpace(string(raw))
}

func (s *subject) get(t *testing.T, path string) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.base(t)+path, http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+s.token(t))
	res, err := s.client.Do(r)
	require.NoError(t, err)
	defer func() { assert.NoError(t, res.Body.Close()) }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header, body
}

func (s *subject) status(t *testing.T, path string) int {
	t.Helper()
	status, _, _ := s.get(t, path)
	return status
}

// write stores n events of so many bytes through the shared store, as the
// exporter does.
func (s *subject) write(t *testing.T, n, size int) {
	t.Helper()
	store, shared := s.SharedStore(s.cfg.Storage.Identity())
	require.True(t, shared)
	events := make([]activity.Event, n)
	var enc canonical.Encoder
	for i := range events {
		events[i] = activity.Event{
			ID: activity.ID{byte(i >> 8), byte(i)}, Kind: activity.KindSystem, Type: "test", Datetime: time.Now().UnixNano() + int64(i), ReceivedAt: 1,
			Message: strings.Repeat("m", size),
		}
		enc.Seal(&events[i], &[32]byte{1, 16: 2})
	}
	res, err := store.Write(context.Background(), events)
	require.NoError(t, err)
	require.Equal(t, n, res.Written)
}

func TestServesTheStoreItShares(t *testing.T) {
	s := start(t)
	s.write(t, 3, 10)
	_, shared := s.SharedStore("sqlite:/another/activity.db")
	assert.False(t, shared)
	status, header, body := s.get(t, "/api/activity/system-events/")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "no-store", header.Get("Cache-Control"))
	var list struct {
		Count   int
		Results []map[string]any
	}
	require.NoError(t, json.Unmarshal(body, &list))
	assert.Equal(t, 3, list.Count)
	assert.Equal(t, "verified", list.Results[0]["integrity"])
	for path, want := range map[string]int{
		"/api/activity/system-events/export_csv/": 200, "/api/activity/system-events/verify_integrity/": 200, "/api/activity/system-events/?nonsense=1": 400, "/nothing": 404,
	} {
		assert.Equal(t, want, s.status(t, path), path)
	}
	// The server has answered before it observes.
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		got, err := s.telemetry.GetMetric("otelcol_extension_auditapi_requests")
		require.NoError(c, err)
		assert.Len(c, got.Data.(metricdata.Sum[int64]).DataPoints, 5)
	}, 5*time.Second, time.Millisecond)
	point := func(endpoint string, status int) metricdata.DataPoint[int64] {
		return metricdata.DataPoint[int64]{Value: 1, Attributes: attribute.NewSet(attribute.String("endpoint", endpoint), attribute.Int("status", status))}
	}
	duration := func(endpoint string, n uint64) metricdata.HistogramDataPoint[float64] {
		return metricdata.HistogramDataPoint[float64]{Count: n, Attributes: attribute.NewSet(attribute.String("endpoint", endpoint))}
	}
	ignore := []metricdatatest.Option{metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars()}
	metadatatest.AssertEqualExtensionAuditapiRequests(t, s.telemetry, []metricdata.DataPoint[int64]{
		point("/api/activity/system-events", 200), point("/api/activity/system-events", 400), point("other", 404),
		point("/api/activity/system-events/export_csv", 200), point("/api/activity/system-events/verify_integrity", 200),
	}, ignore...)
	metadatatest.AssertEqualExtensionAuditapiRequestDuration(t, s.telemetry, []metricdata.HistogramDataPoint[float64]{
		duration("/api/activity/system-events", 2), duration("other", 1),
		duration("/api/activity/system-events/export_csv", 1), duration("/api/activity/system-events/verify_integrity", 1),
	}, append(ignore, metricdatatest.IgnoreValue())...)
	metadatatest.AssertEqualExtensionAuditapiExportedRows(t, s.telemetry, []metricdata.DataPoint[int64]{{Value: 3}}, ignore...)
	metadatatest.AssertEqualExtensionAuditapiVerifiedRows(t, s.telemetry, []metricdata.DataPoint[int64]{{Value: 3}}, ignore...)
}

func TestTheTokenIsMadeOnceAndNeverLogged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	inDir := func(c *Config) { c.Storage.SQLite.Directory = dir }
	first := start(t, inDir)
	token := first.token(t)
	require.Len(t, token, 43)
	assert.Equal(t, http.StatusOK, first.status(t, "/api/activity/crud-events/"))
	require.NoError(t, first.Shutdown(context.Background()))
	second := start(t, inDir)
	assert.Equal(t, token, second.token(t))
	assert.Equal(t, http.StatusOK, second.status(t, "/api/activity/crud-events/"))
	for _, s := range []*subject{first, second} {
		for _, entry := range s.logs.All() {
			line, err := zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "m"}).EncodeEntry(entry.Entry, entry.Context)
			require.NoError(t, err)
			assert.NotContains(t, line.String(), token)
		}
		said := s.logs.FilterMessage("The API token is in a file").All()
		require.Len(t, said, 1)
		assert.Contains(t, said[0].ContextMap()["use"], "$(cat "+filepath.Join(dir, "api-token")+")")
	}
}

func TestAConfiguredTokenIsTheOnlyOne(t *testing.T) {
	s := start(t, func(c *Config) { c.Token = "configured" })
	assert.Equal(t, http.StatusOK, s.status(t, "/api/activity/crud-events/"))
	_, err := os.Stat(s.cfg.tokenFile())
	require.ErrorIs(t, err, os.ErrNotExist)
	res, err := s.client.Get(s.base(t) + "/api/activity/crud-events/")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	assert.NotEmpty(t, res.Header.Get("WWW-Authenticate"))
}

func TestANamedTokenFileHasToExist(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	s := newSubject(t, func(c *Config) { c.TokenFile = path })
	err := s.Start(context.Background(), componenttest.NewNopHost())
	require.ErrorContains(t, err, path)
	require.NoError(t, s.NotReady(), "the collector calls it after a start that failed, too")
	require.NoError(t, os.WriteFile(path, []byte("from-a-file\n"), 0o600))
	require.NoError(t, s.Start(context.Background(), componenttest.NewNopHost()))
	assert.Equal(t, "from-a-file", s.token(t))
	assert.Equal(t, http.StatusOK, s.status(t, "/api/activity/crud-events/"))
}

func TestReadinessFollowsThePipelines(t *testing.T) {
	s := start(t)
	check := func(readyz int) {
		t.Helper()
		for path, want := range map[string]int{"/livez": 200, "/healthz": 200, "/readyz": readyz} {
			res, err := s.client.Get(s.base(t) + path) // no token
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			assert.Equal(t, want, res.StatusCode, path)
		}
	}
	check(503)
	require.NoError(t, s.Ready())
	check(200)
	require.NoError(t, s.NotReady())
	check(503)
	assert.Equal(t, http.StatusOK, s.status(t, "/api/activity/crud-events/"), "queries are answered until the end")
}

func TestTheStoreMayComeLater(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(dir, nil, 0o600)) // a file where the folder should be
	s := start(t, func(c *Config) { c.Storage.SQLite.Directory, c.Token = dir, "t" })
	require.NoError(t, s.Ready())
	for _, path := range []string{"/api/activity/crud-events/", "/api/activity/crud-events/export_csv", "/api/activity/crud-events/verify_integrity", "/healthz", "/readyz"} {
		status, header, body := s.get(t, path)
		assert.Equal(t, http.StatusServiceUnavailable, status, path)
		assert.Equal(t, "2", header.Get("Retry-After"), path)
		assert.NotContains(t, string(body), dir, "where the database lies is nobody's business")
	}
	assert.Equal(t, http.StatusOK, s.status(t, "/livez"))
	require.NoError(t, os.Remove(dir))
	require.Eventually(t, func() bool { return s.status(t, "/readyz") == http.StatusOK }, 10*time.Second, 20*time.Millisecond)
	assert.Equal(t, http.StatusOK, s.status(t, "/api/activity/crud-events/"))
}

func TestAStoreOfAnotherProcessEndsTheStart(t *testing.T) {
	first := start(t)
	second := newSubject(t, func(c *Config) { c.Storage = first.cfg.Storage })
	err := second.Start(context.Background(), componenttest.NewNopHost())
	require.ErrorIs(t, err, storage.ErrLocked)
	_, shared := second.SharedStore(second.cfg.Storage.Identity())
	assert.False(t, shared)
	require.NoError(t, second.NotReady())
}

func TestABusyPortEndsTheStartAndFreesTheStore(t *testing.T) {
	first := start(t)
	endpoint := strings.TrimPrefix(first.base(t), "http://")
	second := newSubject(t, func(c *Config) { c.Server.NetAddr.Endpoint = endpoint })
	err := second.Start(context.Background(), componenttest.NewNopHost())
	require.ErrorContains(t, err, endpoint)
	third := start(t, func(c *Config) { c.Storage = second.cfg.Storage })
	assert.Equal(t, http.StatusOK, third.status(t, "/healthz"))
}

func TestConfigurationsThatWouldLoseEventsAreRefused(t *testing.T) {
	s := newSubject(t)
	notify := func(conf map[string]any) error {
		return s.NotifyConfigSnapshot(context.Background(), extensioncapabilities.NewConfigSnapshot(confmap.NewFromStringMap(conf), nil))
	}
	good := func() map[string]any {
		return map[string]any{
			"receivers": map[string]any{"activitylog": nil}, "processors": map[string]any{"enrich": nil, "integrity": nil}, "exporters": map[string]any{"auditsql": nil},
			"service": map[string]any{"pipelines": map[string]any{"logs": map[string]any{
				"receivers": []any{"activitylog"}, "processors": []any{"enrich", "integrity"}, "exporters": []any{"auditsql"},
			}}},
		}
	}
	require.NoError(t, notify(good()))
	bad := good()
	bad["exporters"] = map[string]any{"auditsql": map[string]any{"sending_queue": map[string]any{"queue_size": 10}}}
	require.ErrorContains(t, notify(bad), "would lose or change events")
	require.ErrorContains(t, notify(bad), "sending_queue")
	require.NoError(t, s.NotifyConfigSnapshot(context.Background(), extensioncapabilities.NewConfigSnapshot(nil, nil)))
}

func TestShutdownWithoutStartAndTwice(t *testing.T) {
	s := newSubject(t)
	require.NoError(t, s.Shutdown(context.Background()))
	s = start(t)
	base := s.base(t)
	require.NoError(t, s.Shutdown(context.Background()))
	require.NoError(t, s.Shutdown(context.Background()))
	_, err := s.client.Get(base + "/livez") //nolint:bodyclose // there is no answer
	require.Error(t, err)
}
