package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen/acklog"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server stores events by producer and number, idempotently when they have ids.
type server struct {
	mu       sync.Mutex
	stored   []activity.Event
	byID     map[activity.ID]bool
	requests atomic.Int64
	// lose every n-th answer after storing, 0 loses none.
	lose int64
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in []struct {
		ID       activity.ID `json:"id"`
		Producer string      `json:"producer"`
		Seq      int64       `json:"producer_seq"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n := s.requests.Add(1)
	ids := make([]activity.ID, 0, len(in))
	s.mu.Lock()
	for i, e := range in {
		if e.ID.IsZero() {
			e.ID = activity.ID{1, byte(n), byte(n >> 8), byte(i), byte(i >> 8)}
		}
		ids = append(ids, e.ID)
		if !s.byID[e.ID] {
			s.byID[e.ID] = true
			s.stored = append(s.stored, activity.Event{ID: e.ID, Producer: e.Producer, ProducerSeq: e.Seq})
		}
	}
	s.mu.Unlock()
	if s.lose > 0 && n%s.lose == 0 {
		panic(http.ErrAbortHandler)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"accepted": len(ids), "ids": ids, "rejected": []int{}})
}

func (s *server) check(t *testing.T, log []byte) acklog.Result {
	t.Helper()
	ledger, err := acklog.Read(bytes.NewReader(log))
	require.NoError(t, err)
	for i := range s.stored {
		ledger.Stored(&s.stored[i])
	}
	return ledger.Result()
}

func runAgainst(t *testing.T, s *server, change func(*client.Options)) (client.Report, []byte) {
	t.Helper()
	s.byID = map[activity.ID]bool{}
	ts := httptest.NewServer(s)
	defer ts.Close()
	path := filepath.Join(t.TempDir(), "acks")
	log, err := acklog.Create(path, "test")
	require.NoError(t, err)
	o := client.Options{
		Endpoint: ts.URL, Protocol: client.HTTP, Format: loadgen.JSON, Batch: 10, Clients: 4, Events: 1005,
		Timeout: 5 * time.Second, Retry: true, RetryFor: 10 * time.Second, Run: "test", Log: log,
	}
	change(&o)
	g, err := loadgen.New(loadgen.Config{Seed: 1, Run: "test", Templates: 64, WithoutIDs: o.WithoutIDs})
	require.NoError(t, err)
	report, err := client.Run(context.Background(), g, o)
	require.NoError(t, err)
	require.NoError(t, log.Close())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return report, b
}

func TestEveryEventIsAcknowledgedOnce(t *testing.T) {
	s := &server{}
	report, log := runAgainst(t, s, func(*client.Options) {})
	assert.EqualValues(t, 1005, report.Acknowledged)
	result := s.check(t, log)
	assert.True(t, result.OK(), result.Problems)
	assert.True(t, result.Complete)
	assert.EqualValues(t, 1005, result.Acknowledged)
}

func TestLostAnswersAreSentAgainWhenTheEventsHaveIDs(t *testing.T) {
	s := &server{lose: 7}
	report, log := runAgainst(t, s, func(*client.Options) {})
	assert.EqualValues(t, 1005, report.Acknowledged)
	assert.Positive(t, report.Retries)
	result := s.check(t, log)
	assert.True(t, result.OK(), result.Problems)
}

func TestLostAnswersAreNotSentAgainWithoutIDs(t *testing.T) {
	s := &server{lose: 7}
	report, log := runAgainst(t, s, func(o *client.Options) { o.WithoutIDs = true })
	assert.Positive(t, report.Unknown)
	assert.Zero(t, report.Retries)
	result := s.check(t, log)
	assert.True(t, result.OK(), result.Problems)
	assert.Equal(t, report.Unknown, result.StoredUnknown)
}

func TestCheckSeesWhatTheStoreLostOrDoubled(t *testing.T) {
	s := &server{}
	_, log := runAgainst(t, s, func(*client.Options) {})
	s.stored[3] = s.stored[5] // one lost, one doubled
	s.stored[9].ID = activity.ID{9}
	result := s.check(t, log)
	assert.False(t, result.OK())
	assert.EqualValues(t, 1, result.Lost)
	assert.EqualValues(t, 1, result.Doubled)
	assert.EqualValues(t, 1, result.Wrong)
}
