package activitylogreceiver

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"

	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

func repeated(event string, n int) string {
	return `[` + strings.Repeat(event+",", n-1) + event + `]`
}

// numbered makes n members with names of their own.
func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Whatever the shape of the events, the lease covers what they hold: as log
// records, as the events that an exporter makes of these, and as an answer.
func TestCostsCoverTheHeap(t *testing.T) {
	const large = 1_000_000
	lists := strings.Repeat(`","`, large/40)
	for name, body := range map[string]string{
		"tiny":               repeated(`{"kind":"request"}`, maxEvents),
		"typical":            repeated(typicalEvent, maxEvents/2),
		"every member":       repeated(string(acceptedExamples(t)["crud_full"]), maxEvents/4),
		"resources":          `[` + numbered(`{"kind":"system","service":"s%d"}`, maxEvents) + `]`,
		"long text":          repeated(`{"kind":"system","message":"`+strings.Repeat("x", large)+`"}`, 4),
		"escaped text":       repeated(`{"kind":"system","message":"\n`+strings.Repeat("x", large)+`"}`, 4),
		"invalid UTF-8":      repeated(`{"kind":"system","message":"`+strings.Repeat("\xffx", large/2)+`"}`, 4),
		"long extra_data":    repeated(`{"kind":"system","extra_data":"`+strings.Repeat("x", large/2)+`","u":"`+strings.Repeat("x", large/2)+`"}`, 4),
		"unknown members":    repeated(`{"kind":"system",`+numbered(`"%x":""`, large/40)+`}`, 2),
		"values of a header": repeated(`{"kind":"system","headers":{"a":["`+lists+`"]}}`, 4),
		"headers":            repeated(`{"kind":"system","headers":{`+numbered(`"%x":""`, large/40)+`}}`, 2),
		"roles":              repeated(`{"kind":"system","user_roles":["`+lists+`"]}`, 4),
		"rejected":           repeated(`7`, maxEvents),
		"rejected with id":   repeated(`{"kind":"`+strings.Repeat("x", 200)+`","id":"`+strings.Repeat("x", 300)+`"}`, maxEvents),
	} {
		t.Run(name, func(t *testing.T) {
			text := []byte(body)
			l := newTestLease()
			before := heap()
			b, p := readBatch(text, formats["application/json"], newTestDecoder(), l)
			require.Nil(t, p)
			logs := b.events.Logs()
			events, err := activitylogs.Events(logs)
			require.NoError(t, err)
			held := heap() - before
			assert.LessOrEqual(t, held, l.used+costQuantum, "held, counted")
			assert.LessOrEqual(t, l.used, l.granted)
			runtime.KeepAlive(text)
			runtime.KeepAlive(logs)
			runtime.KeepAlive(events)
			runtime.KeepAlive(b)
		})
	}
}

func TestLease(t *testing.T) {
	b := newBudget(1<<20, 1)
	whole := b.perRequest
	require.Equal(t, int64(4<<20+96<<20), whole, "a single request fits, however small the product")
	require.Equal(t, int64(20<<20*64), freeBytes(newBudget(20<<20, 64)), "the product")

	one, other := &lease{budget: b}, &lease{budget: b}
	require.Nil(t, one.take(whole-costQuantum))
	require.Nil(t, other.take(1))
	p := other.take(costQuantum)
	require.Equal(t, http.StatusTooManyRequests, p.Status, "the other one holds it")
	require.Positive(t, p.retryAfter)
	one.put(whole - costQuantum)
	require.NotNil(t, other.take(costQuantum), "not given back yet")
	one.settle()
	require.Nil(t, other.take(costQuantum))
	p = other.take(whole)
	require.Equal(t, http.StatusRequestEntityTooLarge, p.Status, "never fits")
	one.end()
	other.end()
	require.Equal(t, whole, freeBytes(b), "everything came back")
}

// freeBytes takes everything that is free.
func freeBytes(b *budget) (n int64) {
	for step := int64(1) << 40; step > 0; step /= 2 {
		for b.free.TryAcquire(step) {
			n += step
		}
	}
	b.free.Release(n)
	return n
}

// A body that makes far more of itself than it is long is refused, and what
// was made of it until then is bounded.
func TestAmplificationIsRefused(t *testing.T) {
	event := `{"kind":"system","headers":{"a":["` + strings.Repeat(`","`, 30_000) + `"]}}`
	l := &lease{budget: &budget{free: semaphore.NewWeighted(1 << 30), perRequest: 16 << 20}}
	_, p := readBatch([]byte(repeated(event, 20)), formats["application/json"], newTestDecoder(), l)
	require.NotNil(t, p)
	require.Equal(t, http.StatusRequestEntityTooLarge, p.Status)
	require.LessOrEqual(t, l.granted, l.budget.perRequest)
}

func TestReadBodyBelievesNoAnnouncement(t *testing.T) {
	text := strings.Repeat("x", 100_000)
	for _, announced := range []int64{-1, 100_000, 99, 15 << 20} {
		l := newTestLease()
		body, p := readBody(strings.NewReader(text), announced, 20<<20, l)
		require.Nil(t, p)
		require.Equal(t, text, string(body))
		require.Less(t, cap(body), 3*len(text))
		require.Equal(t, int64(cap(body)+costQuantum), l.used)
	}
	l := newTestLease()
	body, p := readBody(strings.NewReader(text), int64(len(text)), 20<<20, l)
	require.Nil(t, p)
	require.Equal(t, len(text)+1, cap(body), "as long as announced, and the end")
}
