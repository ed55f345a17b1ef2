package groupcommit

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

const (
	waitFor = 5 * time.Second
	tick    = time.Millisecond
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// database is a commit function that waits at a gate, refuses events whose
// message is "poison" and reports a key's second use as a duplicate.
type database struct {
	started chan int // batch sizes, when gated
	proceed chan struct{}

	mu      sync.Mutex
	seen    map[activity.Key]bool
	commits int
	err     error
}

func newDatabase(gated bool) *database {
	d := &database{seen: map[activity.Key]bool{}}
	if gated {
		d.started, d.proceed = make(chan int), make(chan struct{})
	}
	return d
}

func (d *database) commit(_ context.Context, events []activity.Event) (res storage.WriteResult, err error) {
	if d.started != nil {
		d.started <- len(events)
		<-d.proceed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.commits++
	if d.err != nil {
		return res, d.err
	}
	for i := range events {
		if events[i].Message == "panic" {
			panic("out of order")
		}
		if events[i].Message == "poison" {
			return storage.WriteResult{}, fmt.Errorf("cannot hold it: %w", storage.ErrContent)
		}
	}
	for i := range events {
		if d.seen[events[i].Key()] {
			res.Duplicates = append(res.Duplicates, i)
			continue
		}
		d.seen[events[i].Key()] = true
		res.Written++
		res.LastStoredNS = int64(len(d.seen))
	}
	return res, nil
}

func open(tb testing.TB, d *database, s Settings) *Group {
	tb.Helper()
	g := New(d.commit, s)
	tb.Cleanup(func() { require.NoError(tb, g.Close()) })
	return g
}

func events(from, to int) []activity.Event {
	var out []activity.Event
	for i := from; i < to; i++ {
		out = append(out, activity.Event{ID: activity.ID{byte(i), byte(i >> 8)}, Kind: activity.KindCRUD, Datetime: 1})
	}
	return out
}

type answer struct {
	res storage.WriteResult
	err error
}

func write(ctx context.Context, g *Group, es []activity.Event) chan answer {
	out := make(chan answer, 1)
	go func() {
		res, err := g.Write(ctx, es)
		out <- answer{res, err}
	}()
	return out
}

// waiting blocks until n requests are queued.
func waiting(t *testing.T, g *Group, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.queue.Len() == n
	}, waitFor, tick)
}

func TestWaitingWritesShareACommitAndEachGetsItsOwnResult(t *testing.T) {
	d := newDatabase(true)
	g := open(t, d, Settings{})
	first := write(t.Context(), g, events(0, 1))
	require.Equal(t, 1, <-d.started)
	a := write(t.Context(), g, events(1, 3))
	waiting(t, g, 1)
	b := write(t.Context(), g, events(2, 5))
	waiting(t, g, 2)
	d.proceed <- struct{}{}
	require.Equal(t, 5, <-d.started)
	d.proceed <- struct{}{}
	assert.Equal(t, answer{res: storage.WriteResult{Written: 1, LastStoredNS: 1}}, <-first)
	assert.Equal(t, answer{res: storage.WriteResult{Written: 2, LastStoredNS: 5}}, <-a)
	assert.Equal(t, answer{res: storage.WriteResult{Written: 2, Duplicates: []int{0}, LastStoredNS: 5}}, <-b)
}

func TestACallerMayLeaveWhileItsCommitGoesOn(t *testing.T) {
	d := newDatabase(true)
	g := open(t, d, Settings{})
	ctx, cancel := context.WithCancel(t.Context())
	es := events(0, 1)
	es[0].IntegrityHash = []byte{1}
	running := write(ctx, g, es)
	<-d.started
	queued := write(ctx, g, events(1, 2))
	waiting(t, g, 1)
	cancel()
	require.ErrorIs(t, (<-running).err, context.Canceled)
	require.ErrorIs(t, (<-queued).err, context.Canceled)
	es[0].IntegrityHash[0] = 2 // the race detector objects when the group still reads it
	d.proceed <- struct{}{}
	require.NoError(t, g.Close())
	assert.Len(t, d.seen, 1, "the queued one was withdrawn")
	assert.Zero(t, g.pending)
}

func TestAPoisonedEventIsFoundAndItsNeighboursAreStored(t *testing.T) {
	d := newDatabase(false)
	g := open(t, d, Settings{})
	es := events(0, 1000)
	es[617].Message = "poison"
	res, err := g.Write(t.Context(), es)
	require.NoError(t, err)
	assert.Equal(t, 999, res.Written)
	require.Len(t, res.Refused, 1)
	assert.Equal(t, 617, res.Refused[0].Index)
	require.ErrorIs(t, res.Refused[0].Err, storage.ErrContent)
	assert.LessOrEqual(t, d.commits, 2*10+1)
}

func TestAnErrorAndAPanicReachEveryCallerAndTheGroupGoesOn(t *testing.T) {
	d := newDatabase(false)
	g := open(t, d, Settings{})
	d.err = fmt.Errorf("disk: %w", storage.ErrRetryable)
	_, err := g.Write(t.Context(), events(0, 1))
	require.ErrorIs(t, err, storage.ErrRetryable)
	d.err = nil
	es := events(0, 1)
	es[0].Message = "panic"
	_, err = g.Write(t.Context(), es)
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.ErrorContains(t, err, "out of order")
	res, err := g.Write(t.Context(), events(0, 1))
	require.NoError(t, err)
	assert.Equal(t, 1, res.Written)
}

func TestPendingBytesAreBounded(t *testing.T) {
	d := newDatabase(true)
	g := open(t, d, Settings{MaxPendingBytes: 1100})
	running := write(t.Context(), g, events(0, 1))
	<-d.started
	queued := write(t.Context(), g, events(1, 2))
	waiting(t, g, 1)
	_, err := g.Write(t.Context(), events(2, 3))
	require.ErrorIs(t, err, storage.ErrOverloaded)
	d.proceed <- struct{}{}
	<-d.started
	d.proceed <- struct{}{}
	require.NoError(t, (<-running).err)
	require.NoError(t, (<-queued).err)
}

func TestALargeWriteIsDividedAndItsIndexesStay(t *testing.T) {
	d := newDatabase(false)
	g := open(t, d, Settings{MaxBatchEvents: 10})
	es := append(events(0, 25), events(3, 4)...)
	res, err := g.Write(t.Context(), es)
	require.NoError(t, err)
	assert.Equal(t, 3, d.commits)
	assert.Equal(t, storage.WriteResult{Written: 25, Duplicates: []int{25}, LastStoredNS: 25}, res)
}

func TestCloseFailsTheWaitingAndWaitsForTheRunning(t *testing.T) {
	d := newDatabase(true)
	g := New(d.commit, Settings{})
	running := write(t.Context(), g, events(0, 1))
	<-d.started
	queued := write(t.Context(), g, events(1, 2))
	waiting(t, g, 1)
	closed := make(chan error, 1)
	go func() { closed <- g.Close() }()
	require.Eventually(t, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.closed
	}, waitFor, tick)
	_, err := g.Write(t.Context(), events(2, 3))
	require.ErrorIs(t, err, storage.ErrClosed)
	d.proceed <- struct{}{}
	require.NoError(t, (<-running).err)
	require.ErrorIs(t, (<-queued).err, storage.ErrClosed)
	require.NoError(t, <-closed)
	require.NoError(t, g.Close())
}

func BenchmarkIdleWrite(b *testing.B) {
	g := New(func(_ context.Context, es []activity.Event) (storage.WriteResult, error) {
		return storage.WriteResult{Written: len(es)}, nil
	}, Settings{})
	defer g.Close() //nolint:errcheck // always nil
	es := events(0, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Write(context.Background(), es); err != nil {
			b.Fatal(err)
		}
	}
}
