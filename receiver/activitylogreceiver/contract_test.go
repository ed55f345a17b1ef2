package activitylogreceiver

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/receiver/activitylogreceiver/internal/metadata"
)

// sender is a client as the receiver's contract with its callers wants it: it
// sends a request again as long as the answer is 429 or 503.
type sender struct {
	t       *testing.T
	url     string
	client  *http.Client
	counter atomic.Int64
}

func (s *sender) Start() { s.client = &http.Client{Transport: &http.Transport{}} }

func (s *sender) Stop() { s.client.CloseIdleConnections() }

func (s *sender) Generate() []receivertest.UniqueIDAttrVal {
	name := fmt.Sprintf("event-%d", s.counter.Add(1))
	body := fmt.Sprintf(`{"kind":"request","id":%q,"datetime":"2026-01-01T00:00:00Z","object_id":%q}`, name, name)
	for range 1000 {
		resp, err := s.client.Post(s.url, "application/json", strings.NewReader(body))
		if !assert.NoError(s.t, err) {
			return nil
		}
		assert.NoError(s.t, resp.Body.Close())
		if !retryable(resp.StatusCode) {
			// 200 is stored, 500 is refused for good: both end the event.
			assert.Contains(s.t, []int{http.StatusOK, http.StatusInternalServerError}, resp.StatusCode)
			return []receivertest.UniqueIDAttrVal{receivertest.UniqueIDAttrVal(name)}
		}
	}
	return nil
}

// The contract of receivers and their consumers: what is refused for now is
// sent again until it is taken, and nothing is delivered twice or lost.
func TestConsumeContract(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Server.NetAddr.Endpoint = freeAddress(t)
	receivertest.CheckConsumeContract(receivertest.CheckConsumeContractParams{
		T: t,
		// The checker knows an element by an attribute of its own name.
		Factory: receiver.NewFactory(metadata.Type, func() component.Config { return cfg },
			receiver.WithLogs(func(ctx context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
				named, err := consumer.NewLogs(func(ctx context.Context, ld plog.Logs) error {
					nameElements(ld)
					return next.ConsumeLogs(ctx, ld)
				})
				require.NoError(t, err)
				return NewFactory().CreateLogs(ctx, set, cfg, named)
			}, metadata.LogsStability)),
		Signal:        pipeline.SignalLogs,
		Config:        cfg,
		Generator:     &sender{t: t, url: "http://" + cfg.Server.NetAddr.Endpoint + path},
		GenerateCount: 200,
	})
}

func nameElements(ld plog.Logs) {
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				name, _ := lr.Attributes().Get("activity.object.id")
				lr.Attributes().PutStr(receivertest.UniqueIDAttrName, name.Str())
			}
		}
	}
}

// One request is one call, however many resources its events are of.
func TestOneRequestIsOneCall(t *testing.T) {
	var calls, events atomic.Int64
	next, err := consumer.NewLogs(func(_ context.Context, ld plog.Logs) error {
		calls.Add(1)
		read, err := activitylogs.Events(ld)
		events.Add(int64(len(read)))
		return err
	})
	require.NoError(t, err)
	r := startReceiver(t, next, nil)
	require.Equal(t, 1000, r.post(t, post(`[`+numbered(`{"kind":"system","service":"s%d"}`, 1000)+`]`)).Accepted)
	require.Equal(t, []int64{1, 1000}, []int64{calls.Load(), events.Load()})
}

// A restart on the same address: Shutdown gives everything back.
func TestStartAgain(t *testing.T) {
	address := freeAddress(t)
	for range 3 {
		cfg := createDefaultConfig().(*Config)
		cfg.Server.NetAddr.Endpoint = address
		r := startable(t, cfg)
		require.NoError(t, r.Start(t.Context(), hostWith{}))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		require.NoError(t, r.Shutdown(ctx))
		cancel()
		require.NoError(t, r.Shutdown(t.Context()), "a second time")
	}
}
