package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/activitylog/otelcol-activitylog/extension/auditapiext/internal/auth"
	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testToken = "a-token-of-the-tests"

// clock is the time of every answer.
var clock = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newEvent makes a sealed event; the n-th happened n seconds before the clock.
func newEvent(k activity.Kind, n int) activity.Event {
	e := activity.Event{
		Kind: k, Datetime: clock.Add(-time.Duration(n) * time.Second).UnixNano(), ReceivedAt: clock.UnixNano(),
		Service: "shop", Producer: "shop-1", ProducerSeq: int64(n) + 1, TraceID: [16]byte{1, byte(n + 1)}, SpanID: [8]byte{2, byte(n + 1)},
		Action: "order.paid", Outcome: activity.OutcomeSuccess, Reason: "because", SeverityNumber: 9,
		UserID: "42", Username: "ada", UserEmail: "ada@example.org", UserRoles: `["admin"]`, ActorType: activity.ActorUser,
		OnBehalfOf: "7", AuthMethod: activity.AuthMethodJWT, AuthVerified: activity.AuthVerified, AuthIssuer: "https://id.example.org", AuthKeyID: "k1",
		SessionKey: "5e55", RemoteIP: "192.0.2.7", UserAgent: "Mozilla/5.0", Browser: "Firefox", Platform: "Linux", OperatingSystem: "Ubuntu",
		Latitude: activity.Some(515_074_000), Longitude: activity.Some(-1_278_000), City: "London", Country: "United Kingdom", CountryCode: "GB", RegionCode: "ENG",
		ObjectID: "17", ContentType: "shop.order", ObjectRepr: "Order 17", ObjectJSONRepr: `[{"pk": 17}]`, ChangedFields: `{"paid": [false, true]}`,
		ExtraData: `{"a": 1.0, "b": "x"}`,
	}
	e.ID = activity.ID{byte(k), 15: byte(n), 14: byte(n >> 8)}
	switch k {
	case activity.KindCRUD:
		e.Type = "update"
	case activity.KindLogin:
		e.Type = "login_failed"
	case activity.KindRequest:
		e.Method, e.URL, e.QueryString, e.Route, e.ResponseStatus = "GET", "/orders/17", "a=1", "/orders/{id}", 200
		e.ResponseTimeUS, e.RequestBodySize, e.ResponseBodySize = activity.Some(1_000_250+int64(n)), activity.Some(0), activity.Some(512)
	case activity.KindCORS:
		e.Method, e.URL, e.QueryString, e.Origin, e.Allowed = "OPTIONS", "https://app.example.org/", "b=2", "https://app.example.org", activity.AllowedYes
	case activity.KindSystem:
		e.Type, e.Category, e.Source, e.Message, e.Traceback, e.SeverityNumber = "backup.failed", "server", "cron", "disk full", "at line 1", 21
	}
	seal(&e)
	return e
}

func seal(e *activity.Event) {
	var enc canonical.Encoder
	enc.Seal(e, &[32]byte{1, 16: 2})
}

func newEvents(k activity.Kind, n int) []activity.Event {
	out := make([]activity.Event, n)
	for i := range out {
		out[i] = newEvent(k, i)
	}
	return out
}

// onStores runs a test over the reference store and over a real one.
func onStores(t *testing.T, test func(t *testing.T, s storage.Store)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, storagetest.NewMemory()) })
	t.Run("sqlite", func(t *testing.T) {
		cfg := open.NewDefaultConfig()
		cfg.SQLite.Directory = filepath.Join(t.TempDir(), "data")
		s, err := open.Store(context.Background(), cfg, open.Options{Logger: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, s.Close()) })
		require.NoError(t, s.Migrate(context.Background()))
		test(t, s)
	})
}

func write(t *testing.T, s storage.Writer, events ...activity.Event) {
	t.Helper()
	res, err := s.Write(context.Background(), events)
	require.NoError(t, err)
	require.Equal(t, len(events), res.Written)
}

// testAPI is an API with what it told its owner.
type testAPI struct {
	*API
	exported, verified int64
	observed           []string
}

func newAPI(t *testing.T, s storage.Reader, change ...func(*Settings)) *testAPI {
	t.Helper()
	a := &testAPI{}
	settings := Settings{
		Store: s, Authenticate: auth.NewBearer(testToken).Authenticate, Logger: zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)),
		Ping: func(r *http.Request) error { return s.(storage.Admin).Ping(r.Context()) },
		Observe: func(_ *http.Request, endpoint string, status int, took time.Duration) {
			a.observed = append(a.observed, fmt.Sprintf("%s %d", endpoint, status))
			assert.GreaterOrEqual(t, took, time.Duration(0))
		},
		Exported:   func(_ context.Context, n int64) { a.exported += n },
		Verified:   func(_ context.Context, n int64) { a.verified += n },
		Now:        func() time.Time { return clock },
		ReadBudget: 5 * time.Second, VerifyBudget: 10 * time.Second, MaxLong: 2, StallTimeout: time.Second,
	}
	for _, c := range change {
		c(&settings)
	}
	a.API = New(settings)
	return a
}

// do sends a request with the token. The path is relative to Root unless it is a URL.
func (a *testAPI) do(t *testing.T, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = "http://api.test" + Root + "/" + path
	}
	r, err := http.NewRequestWithContext(context.Background(), method, path, http.NoBody)
	require.NoError(t, err)
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set("Authorization", "Bearer "+testToken)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// listAnswer is the answer of a list.
type listAnswer struct {
	Count      int64            `json:"count"`
	CountExact bool             `json:"count_exact"`
	Next       *string          `json:"next"`
	Previous   *string          `json:"previous"`
	Results    []map[string]any `json:"results"`
	NextCursor *string          `json:"next_cursor"`
	Complete   bool             `json:"complete"`
}

func (l *listAnswer) ids() []string {
	out := []string{}
	for _, row := range l.Results {
		out = append(out, row["id"].(string))
	}
	return out
}

func (a *testAPI) list(t *testing.T, path string) *listAnswer {
	t.Helper()
	return decode[listAnswer](t, a.do(t, http.MethodGet, path))
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) *T {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	out := new(T)
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), out), w.Body.String())
	return out
}

// refused asserts a problem answer and gives its detail.
func (a *testAPI) refused(t *testing.T, status int, path string) string {
	t.Helper()
	return problemOf(t, status, a.do(t, http.MethodGet, path))
}

func problemOf(t *testing.T, status int, w *httptest.ResponseRecorder) string {
	t.Helper()
	assert.Equal(t, status, w.Code, w.Body.String())
	assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	var p problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p), w.Body.String())
	assert.Equal(t, problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: codeOf(status), Detail: p.Detail}, p)
	return p.Detail
}

func idsOf(events []activity.Event) []string {
	out := []string{}
	for i := range events {
		out = append(out, events[i].ID.String())
	}
	return out
}
