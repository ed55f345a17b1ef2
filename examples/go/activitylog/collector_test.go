package activitylog

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector answers as POST /v1/events does, and keeps what it takes by id.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	events   map[string]map[string]any
	order    []string
	requests int
	// refuse, when set, may answer a request in the collector's place.
	refuse func(w http.ResponseWriter, events []map[string]any) bool
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{events: map[string]map[string]any{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var events []map[string]any
	if err := json.Unmarshal(raw, &events); err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	if c.refuse != nil && c.refuse(w, events) {
		return
	}
	c.take(w, events)
}

func (c *collector) take(w http.ResponseWriter, events []map[string]any) {
	duplicates := []string{}
	for _, e := range events {
		id, _ := e["id"].(string)
		if old, ok := c.events[id]; ok {
			duplicates = append(duplicates, id)
			if fmt.Sprint(old["datetime"]) != fmt.Sprint(e["datetime"]) {
				panic("the same id at another time")
			}
			continue
		}
		c.events[id] = e
		c.order = append(c.order, id)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"accepted": len(events) - len(duplicates), "duplicates": duplicates, "filtered": 0, "ids": []string{}, "rejected": []string{},
	})
}

// say sets how the next requests are answered.
func (c *collector) say(refuse func(w http.ResponseWriter, events []map[string]any) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = refuse
}

func answers(status int, contentType, body string) func(http.ResponseWriter, []map[string]any) bool {
	return func(w http.ResponseWriter, _ []map[string]any) bool {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

var unavailable = answers(http.StatusServiceUnavailable, "application/problem+json", `{"status":503,"code":"unavailable"}`)

// all gives what the collector has, in the order of arrival.
func (c *collector) all() []map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]map[string]any, 0, len(c.order))
	for _, id := range c.order {
		out = append(out, c.events[id])
	}
	return out
}

// wait waits for n events.
func (c *collector) wait(t *testing.T, n int) []map[string]any {
	t.Helper()
	require.Eventually(t, func() bool { return len(c.all()) >= n }, 20*time.Second, 5*time.Millisecond)
	all := c.all()
	require.Len(t, all, n)
	return all
}

// only waits for the one event there is.
func (c *collector) only(t *testing.T) map[string]any {
	t.Helper()
	return c.wait(t, 1)[0]
}

func (c *collector) options(t *testing.T) Options {
	t.Helper()
	return Options{
		Endpoint: c.URL + "/v1/events", Service: "shop", SpoolDir: t.TempDir(), FlushInterval: 5 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// sender starts a sender that is closed, without loss, at the end of the test.
func (c *collector) sender(t *testing.T, change ...func(*Options)) *Sender {
	t.Helper()
	opts := c.options(t)
	for _, f := range change {
		f(&opts)
	}
	s, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close(t.Context())) })
	return s
}
