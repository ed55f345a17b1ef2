package activitylog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func event(n int) Event {
	return Event{Kind: KindSystem, EventName: fmt.Sprintf("event-%d", n), Headers: map[string][]string{
		"authorization": {"Bearer not-for-the-disk"}, "traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	}}
}

func TestEventsArriveWithTheirIdentity(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t, func(o *Options) { o.BatchEvents = 7 })
	for n := range 100 {
		s.Record(t.Context(), event(n))
	}
	for i, e := range c.wait(t, 100) {
		assert.Equal(t, fmt.Sprintf("event-%d", i), e["event_name"])
		assert.EqualValues(t, i+1, e["producer_seq"])
		assert.Equal(t, "shop", e["service"])
		assert.NotEmpty(t, e["producer"])
		at, err := time.Parse(time.RFC3339Nano, e["datetime"].(string))
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now(), at, time.Minute)
		assert.Equal(t, "Bearer not-for-the-disk", e["headers"].(map[string]any)["authorization"].([]any)[0])
	}
	assert.GreaterOrEqual(t, c.requests, 100/7)
	require.Eventually(t, func() bool { return s.Stats() == Stats{Recorded: 100, Sent: 100} }, 5*time.Second, time.Millisecond, "%+v", s.Stats())
}

// TestOutage: nothing is lost or doubled over an outage, and the actor's token
// is there afterwards, though it was never on disk.
func TestOutage(t *testing.T) {
	c := newCollector(t)
	c.say(unavailable)
	s := c.sender(t)
	for n := range 50 {
		s.Record(t.Context(), event(n))
	}
	require.NoError(t, s.Flush(t.Context()))
	files, err := filepath.Glob(filepath.Join(s.opts.SpoolDir, "*"))
	require.NoError(t, err)
	var found strings.Builder
	for _, f := range files {
		info, err := os.Stat(f)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f)
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		found.Write(raw)
	}
	assert.Equal(t, 50, strings.Count(found.String(), `"event_name":"event-`))
	assert.Contains(t, found.String(), "4bf92f3577b34da6a3ce929d0e0e4736")
	assert.NotContains(t, found.String(), "not-for-the-disk")
	assert.Positive(t, s.Stats().SpoolBytes)

	c.say(nil)
	for _, e := range c.wait(t, 50) {
		assert.Equal(t, "Bearer not-for-the-disk", e["headers"].(map[string]any)["authorization"].([]any)[0])
	}
	require.Eventually(t, func() bool { return s.Stats().SpoolBytes == 0 }, 5*time.Second, time.Millisecond)
	files, err = filepath.Glob(filepath.Join(s.opts.SpoolDir, "*.spool"))
	require.NoError(t, err)
	assert.Empty(t, files)
}

// TestNewBesideOld: once the collector is back, new events do not queue behind
// the spool, which under load would never be empty again.
func TestNewBesideOld(t *testing.T) {
	c := newCollector(t)
	c.say(unavailable)
	s := c.sender(t, func(o *Options) { o.FlushInterval = time.Hour }) // Flush forwards and does not drain
	s.Record(t.Context(), event(0))
	require.NoError(t, s.Flush(t.Context()))
	onDisk := s.Stats().SpoolBytes
	require.Positive(t, onDisk)
	c.say(nil)
	time.Sleep(2 * firstDelay)
	s.Record(t.Context(), event(1))
	require.NoError(t, s.Flush(t.Context()))
	assert.Equal(t, "event-1", c.only(t)["event_name"])
	assert.Equal(t, onDisk, s.Stats().SpoolBytes)
}

// TestRestartInAnOutage: the next process sends what the last one left, without
// what only that one could read.
func TestRestartInAnOutage(t *testing.T) {
	c := newCollector(t)
	c.say(unavailable)
	opts := c.options(t)
	s, err := New(opts)
	require.NoError(t, err)
	for n := range 10 {
		s.Record(t.Context(), event(n))
	}
	_, err = New(opts)
	require.ErrorContains(t, err, "another process")
	require.NoError(t, s.Close(t.Context()))
	require.Error(t, s.Flush(t.Context()))
	s.Record(t.Context(), event(10))
	assert.EqualValues(t, 1, s.Stats().Dropped, "recorded after Close")

	// What a crash has cut is counted and harms no other line.
	files, err := filepath.Glob(filepath.Join(opts.SpoolDir, "*.spool"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	f, err := os.OpenFile(files[0], os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"id":"cut`)
	require.NoError(t, errors.Join(err, f.Close()))

	c.say(nil)
	next := c.sender(t, func(o *Options) { o.SpoolDir = opts.SpoolDir })
	next.Record(t.Context(), event(10))
	for _, e := range c.wait(t, 11) {
		if e["event_name"] == "event-10" {
			continue // of this process
		}
		headers := e["headers"].(map[string]any)
		assert.NotContains(t, headers, "authorization")
		assert.Contains(t, headers, "traceparent")
	}
	require.Eventually(t, func() bool { return next.Stats().Damaged == 1 }, 5*time.Second, time.Millisecond)
}

// TestAnyFaultLosesAndDoublesNothing mixes answers, lost answers and broken
// connections at random.
func TestAnyFaultLosesAndDoublesNothing(t *testing.T) {
	c := newCollector(t)
	c.say(func(w http.ResponseWriter, events []map[string]any) bool {
		switch rand.IntN(4) {
		case 0:
			return unavailable(w, events)
		case 1: // taken, and the answer is lost
			c.take(httpDiscard{}, events)
			panic(http.ErrAbortHandler)
		case 2:
			panic(http.ErrAbortHandler)
		}
		return false
	})
	s := c.sender(t, func(o *Options) { o.BatchEvents = 10 })
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 100 {
				s.Record(t.Context(), event(g*100+n))
				time.Sleep(time.Millisecond)
			}
		})
	}
	wg.Wait()
	// The faults go on until the events have met some of them.
	require.NoError(t, s.Flush(t.Context()))
	c.say(nil)
	c.wait(t, 400) // by id: each once
	names := map[any]bool{}
	for _, e := range c.all() {
		names[e["event_name"]] = true
	}
	assert.Len(t, names, 400)
	require.Eventually(t, func() bool { return s.Stats().SpoolBytes == 0 }, 10*time.Second, time.Millisecond)
	assert.Zero(t, s.Stats().Dropped+s.Stats().Damaged+s.Stats().Rejected)
}

type httpDiscard struct{}

func (httpDiscard) Header() http.Header         { return http.Header{} }
func (httpDiscard) Write(b []byte) (int, error) { return len(b), nil }
func (httpDiscard) WriteHeader(int)             {}

// TestOnlyTheCollectorSettlesEvents: a proxy's page, a missing token or a wrong
// path lose nothing.
func TestOnlyTheCollectorSettlesEvents(t *testing.T) {
	for name, refuse := range map[string]func(http.ResponseWriter, []map[string]any) bool{
		"a page":       answers(200, "text/html", "<html>please log in</html>"),
		"empty":        answers(204, "", ""),
		"other JSON":   answers(200, "application/json", `{"ok":true}`),
		"a proxy's":    answers(400, "text/html", "bad request"),
		"no token":     answers(401, "application/problem+json", `{"code":"unauthenticated"}`),
		"may not":      answers(403, "application/problem+json", `{"code":"forbidden"}`),
		"wrong path":   answers(404, "application/problem+json", `{"code":"not_found"}`),
		"a proxy's 5x": answers(500, "text/plain", "oops"),
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t)
			c.say(refuse)
			s := c.sender(t)
			s.Record(t.Context(), event(0))
			require.NoError(t, s.Flush(t.Context()))
			assert.Equal(t, 1, c.requests)
			assert.Positive(t, s.Stats().SpoolBytes)
			c.say(nil)
			c.wait(t, 1)
		})
	}
}

// TestPoison: one event that makes a request unreadable is found, kept aside,
// and harms no other.
func TestPoison(t *testing.T) {
	c := newCollector(t)
	for status, code := range map[int]string{400: "body_malformed", 413: "body_too_large", 500: "internal"} {
		c.say(func(w http.ResponseWriter, events []map[string]any) bool {
			for _, e := range events {
				if e["event_name"] == "event-13" {
					return answers(status, "application/problem+json", `{"code":"`+code+`","detail":"poison"}`)(w, nil)
				}
			}
			return false
		})
		before := len(c.all())
		s := c.sender(t)
		for n := range 40 {
			s.Record(t.Context(), event(n))
		}
		c.wait(t, before+39)
		require.NoError(t, s.Flush(t.Context()))
		assert.EqualValues(t, 1, s.Stats().Rejected)
		assert.EqualValues(t, 39, s.Stats().Sent)
		raw, err := os.ReadFile(filepath.Join(s.opts.SpoolDir, "rejected.jsonl"))
		require.NoError(t, err)
		assert.Contains(t, string(raw), "event-13")
		assert.NotContains(t, string(raw), "not-for-the-disk")
	}
}

// TestPoisonInAnOutage: while halves are sent, the collector goes away.
func TestPoisonInAnOutage(t *testing.T) {
	c := newCollector(t)
	calls := 0
	c.say(func(w http.ResponseWriter, events []map[string]any) bool {
		for _, e := range events {
			if e["event_name"] == "event-13" {
				return answers(http.StatusBadRequest, "application/problem+json", `{"code":"body_malformed"}`)(w, nil)
			}
		}
		calls++
		return calls%2 == 0 && unavailable(w, events)
	})
	s := c.sender(t)
	for n := range 40 {
		s.Record(t.Context(), event(n))
	}
	c.wait(t, 39)
	require.Eventually(t, func() bool { n := s.Stats(); return n.Rejected > 0 && n.Waiting == 0 && n.SpoolBytes == 0 }, 20*time.Second, time.Millisecond)
}

// TestJudgedOneByOne: what the answer says of each event is counted, also when
// it is a problem document because none was taken.
func TestJudgedOneByOne(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t)
	c.say(answers(200, "application/json", `{"accepted":1,"conflicts":["a"],"filtered":1,"ids":[],"rejected":[{"index":1,"code":"tenant_not_allowed","reason":"r"}]}`))
	for n := range 4 {
		s.enqueue(record{id: strconv.Itoa(n), body: []byte(`{"kind":"system"}`)})
	}
	require.NoError(t, s.Flush(t.Context()))
	c.say(answers(403, "application/problem+json", `{"code":"all_rejected","accepted":0,"ids":[],"rejected":[{"index":0,"code":"c","reason":"r"}]}`))
	s.Record(t.Context(), event(0))
	require.NoError(t, s.Flush(t.Context()))
	stats := s.Stats()
	assert.EqualValues(t, 2, stats.Rejected)
	assert.EqualValues(t, 1, stats.Conflicts)
	assert.EqualValues(t, 2, stats.Sent)
	assert.Zero(t, stats.SpoolBytes)
}

// TestNoRoom: Record drops, counts, and shows a gap; it never waits.
func TestNoRoom(t *testing.T) {
	t.Run("in memory", func(t *testing.T) {
		c := newCollector(t)
		hang := make(chan struct{})
		c.say(func(http.ResponseWriter, []map[string]any) bool { <-hang; return false })
		s := c.sender(t, func(o *Options) { o.QueueBytes = 10_000 })
		for n := range 1000 {
			s.Record(t.Context(), event(n))
		}
		assert.Positive(t, s.Stats().Dropped)
		close(hang)
		require.NoError(t, s.Flush(t.Context()))
		s.Record(t.Context(), event(1000))
		got := c.wait(t, 1001-int(s.Stats().Dropped))
		assert.EqualValues(t, 1001, got[len(got)-1]["producer_seq"])
	})
	t.Run("on disk", func(t *testing.T) {
		c := newCollector(t)
		c.say(unavailable)
		s := c.sender(t, func(o *Options) { o.SpoolBytes = 10_000 })
		for n := range 100 {
			s.Record(t.Context(), event(n))
		}
		require.NoError(t, s.Flush(t.Context()))
		lost := s.Stats().Dropped
		assert.Positive(t, lost)
		assert.LessOrEqual(t, s.Stats().SpoolBytes, int64(10_000))
		c.say(nil)
		got := c.wait(t, 100-int(lost))
		assert.Equal(t, "event-0", got[0]["event_name"], "the oldest stay")
	})
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no") }

func TestWhatIsNoJSONHarmsNobody(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t)
	s.Record(t.Context(), Event{Kind: KindSystem, ExtraData: func() {}})
	s.Record(t.Context(), Event{Kind: KindSystem, ExtraData: panics{}})
	s.Record(t.Context(), Event{Kind: KindSystem, Message: "bad \xff\xfe text\x00", ExtraData: map[string]any{"a<b": "&"}})
	assert.Equal(t, "bad \ufffd\ufffd text\x00", c.only(t)["message"])
	assert.EqualValues(t, 2, s.Stats().Dropped)
}

// TestCloseHasADeadline: a collector that hangs does not hold the end of the
// process up; the events are on disk.
func TestCloseHasADeadline(t *testing.T) {
	c := newCollector(t)
	hang := make(chan struct{})
	c.say(func(http.ResponseWriter, []map[string]any) bool { <-hang; return false })
	opts := c.options(t)
	opts.Timeout = time.Hour
	s, err := New(opts)
	require.NoError(t, err)
	for n := range 20 {
		s.Record(t.Context(), event(n))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.NoError(t, s.Close(ctx))
	require.NoError(t, s.Close(ctx), "a second Close is harmless")
	assert.Positive(t, s.Stats().SpoolBytes)
	close(hang)
	c.say(nil)
	c.sender(t, func(o *Options) { o.SpoolDir = opts.SpoolDir })
	c.wait(t, 20)
}

// TestDiskAndCollectorAway: what can be put nowhere stays in memory, until one
// of the two is back.
func TestDiskAndCollectorAway(t *testing.T) {
	c := newCollector(t)
	c.say(unavailable)
	s := c.sender(t)
	require.NoError(t, os.Remove(filepath.Join(s.opts.SpoolDir, "lock")))
	require.NoError(t, os.Remove(s.opts.SpoolDir))
	for n := range 5 {
		s.Record(t.Context(), event(n))
	}
	require.Error(t, s.Flush(t.Context()))
	assert.EqualValues(t, 5, s.Stats().Waiting)
	c.say(nil)
	c.wait(t, 5)
	require.Eventually(t, func() bool { return s.Stats().Waiting == 0 }, 5*time.Second, time.Millisecond)
}

func TestDelaysGrowAndObeyTheCollector(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t, func(o *Options) { o.FlushInterval = time.Hour }) // its goroutine sleeps
	for away, atMost := range map[int]time.Duration{0: firstDelay, 3: 8 * firstDelay, 50: longestDelay} {
		s.away = away
		began := time.Now()
		s.delay(0)
		assert.WithinRange(t, s.retryAt, began.Add(atMost/2), time.Now().Add(atMost))
	}
	s.delay(10 * time.Minute)
	assert.WithinDuration(t, time.Now().Add(longestObeyed), s.retryAt, time.Minute)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "99999999999999": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:03:05 GMT": 0,
	} {
		assert.Equal(t, want, retryAfter(header, now), header)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{Endpoint: "nowhere", Service: "s", SpoolDir: t.TempDir()})
	require.ErrorContains(t, err, "Endpoint")
	_, err = New(Options{Endpoint: "http://x/v1/events", SpoolDir: t.TempDir()})
	require.ErrorContains(t, err, "Service")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = New(Options{Endpoint: "http://x/v1/events", Service: "s", SpoolDir: file})
	require.ErrorContains(t, err, "SpoolDir")
}

func FuzzSpoolLine(f *testing.F) {
	s, err := openSpool(f.TempDir(), 1<<20)
	require.NoError(f, err)
	f.Cleanup(func() { _ = s.close() })
	raw, err := s.encode(&record{id: "i", body: []byte(`{"a":1}`), headers: map[string][]string{"cookie": {"c"}, "forwarded": {"f"}}})
	require.NoError(f, err)
	f.Add(raw)
	f.Add([]byte(`{"id":"x","event":{},"sealed":"AAAA"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := s.decode(raw)
		if err != nil {
			return
		}
		again, err := s.encode(&r)
		require.NoError(t, err)
		require.NotContains(t, string(again[:len(again)-1]), "\n")
	})
}

func BenchmarkRecord(b *testing.B) {
	s := &Sender{opts: Options{QueueBytes: 1 << 40, BatchEvents: 1 << 40}}
	b.ReportAllocs()
	for b.Loop() {
		s.Record(b.Context(), Event{Kind: KindCRUD, EventType: "update", ContentType: "shop.order", ObjectID: "17", After: map[string]any{"state": "paid"}})
		s.pending = s.pending[:0]
	}
}
