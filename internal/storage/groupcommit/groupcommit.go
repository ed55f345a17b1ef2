// Package groupcommit turns many small concurrent writes into few commits. The
// Write calls that wait while a commit runs are merged into the next one, and
// each caller gets the result of its own events. There is no artificial delay:
// an idle group commits a lone write at once, and batches grow exactly as much
// as the database is slow.
//
// One goroutine, owned by the Group, runs every commit. A caller that ran the
// commit itself would save a hand-over of about a microsecond, which is nothing
// beside an fsync, and could not leave when its own context ends.
package groupcommit

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Commit stores events in one transaction. Indexes of the result are relative
// to events, which it may change (StoredNS) and must not keep. Of several
// events with one key in the batch it reports the later ones.
//
// An error says that nothing was stored. With storage.ErrContent in its chain
// the batch is halved until the refused events are found; any other error goes
// to every caller of the merge.
type Commit func(ctx context.Context, events []activity.Event) (storage.WriteResult, error)

// Settings bound a Group. A zero value means the default.
type Settings struct {
	// MaxPendingBytes bounds what waits or is being committed, as measured by
	// activity.Event.Size. Default 64 MiB.
	MaxPendingBytes int64
	// MaxBatchEvents bounds the events of one commit. Default 16384.
	MaxBatchEvents int
	// MaxBatchBytes bounds the bytes of one commit. Default 32 MiB. An event
	// above it is committed alone.
	MaxBatchBytes int64
}

// Defaults of Settings.
const (
	DefaultMaxPendingBytes = 64 << 20
	DefaultMaxBatchEvents  = 16384
	DefaultMaxBatchBytes   = 32 << 20
)

// Group merges writes. It is safe for concurrent use and must be closed.
type Group struct {
	commit   Commit
	settings Settings
	stopped  chan struct{} // closed when run has returned

	mu      sync.Mutex
	work    sync.Cond // signalled when the queue or closed changes
	queue   list.List // of *request, oldest first
	pending int64     // bytes queued or being committed
	closed  bool
}

// request is one waiting Write. The fields below done are written before done
// is closed and read after.
type request struct {
	events  []activity.Event
	length  int // of events
	bytes   int64
	element *list.Element // nil once taken into a merge
	copied  chan struct{} // set with the take: closed when events is no longer read
	done    chan struct{}

	result storage.WriteResult
	err    error
}

// New starts a Group over the commit function.
func New(commit Commit, s Settings) *Group {
	if s.MaxPendingBytes <= 0 {
		s.MaxPendingBytes = DefaultMaxPendingBytes
	}
	if s.MaxBatchEvents <= 0 {
		s.MaxBatchEvents = DefaultMaxBatchEvents
	}
	if s.MaxBatchBytes <= 0 {
		s.MaxBatchBytes = DefaultMaxBatchBytes
	}
	s.MaxBatchBytes = min(s.MaxBatchBytes, s.MaxPendingBytes)
	g := &Group{commit: commit, settings: s, stopped: make(chan struct{})}
	g.work.L = &g.mu
	go g.run()
	return g
}

// Write stores events as storage.Writer says. Events beyond the batch limits
// are committed in several transactions, in order; an error then says nothing
// about the earlier ones. LastStoredNS is that of the commit which held the
// caller's last written event, so it is at least that event's own.
func (g *Group) Write(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	var total storage.WriteResult
	for offset := 0; offset < len(events); {
		n, bytes := g.chunk(events[offset:])
		part, err := g.writeChunk(ctx, events[offset:offset+n], bytes)
		if err != nil {
			return storage.WriteResult{}, err
		}
		if offset == 0 && n == len(events) {
			return part, nil
		}
		total.Written += part.Written
		total.LastStoredNS = max(total.LastStoredNS, part.LastStoredNS)
		for _, i := range part.Duplicates {
			total.Duplicates = append(total.Duplicates, offset+i)
		}
		for _, i := range part.Conflicts {
			total.Conflicts = append(total.Conflicts, offset+i)
		}
		for _, r := range part.Refused {
			total.Refused = append(total.Refused, storage.Refusal{Index: offset + r.Index, Err: r.Err})
		}
		offset += n
	}
	return total, nil
}

// chunk gives how many of the events fit into one commit, at least one, and
// their size.
func (g *Group) chunk(events []activity.Event) (n int, bytes int64) {
	for n < len(events) && n < g.settings.MaxBatchEvents {
		size := int64(events[n].Size())
		if n > 0 && bytes+size > g.settings.MaxBatchBytes {
			break
		}
		bytes += size
		n++
	}
	return n, bytes
}

func (g *Group) writeChunk(ctx context.Context, events []activity.Event, bytes int64) (storage.WriteResult, error) {
	if err := ctx.Err(); err != nil {
		return storage.WriteResult{}, fmt.Errorf("write not started: %w", err)
	}
	r := &request{events: events, length: len(events), bytes: bytes, done: make(chan struct{})}
	if err := g.enqueue(r); err != nil {
		return storage.WriteResult{}, err
	}
	select {
	case <-r.done:
		return r.result, r.err
	case <-ctx.Done():
		return g.leave(ctx, r)
	}
}

func (g *Group) enqueue(r *request) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return fmt.Errorf("write: %w", storage.ErrClosed)
	}
	// A write above the whole limit is let in when nothing else is pending:
	// refusing it would be a retry that can never succeed.
	if g.pending > 0 && g.pending+r.bytes > g.settings.MaxPendingBytes {
		return fmt.Errorf("%w: %d bytes wait to be committed and the limit is %d; send again shortly",
			storage.ErrOverloaded, g.pending, g.settings.MaxPendingBytes)
	}
	g.pending += r.bytes
	r.element = g.queue.PushBack(r)
	g.work.Signal()
	return nil
}

// leave ends the waiting of a caller whose context ended. A queued request is
// withdrawn; one in a commit goes on without its caller.
func (g *Group) leave(ctx context.Context, r *request) (storage.WriteResult, error) {
	g.mu.Lock()
	if r.element != nil {
		g.queue.Remove(r.element)
		g.pending -= r.bytes
		g.mu.Unlock()
		return storage.WriteResult{}, fmt.Errorf("write withdrawn before its commit: %w", ctx.Err())
	}
	copied := r.copied
	g.mu.Unlock()
	<-copied
	select {
	case <-r.done:
		return r.result, r.err
	default:
		return storage.WriteResult{}, fmt.Errorf("commit still under way: %w", ctx.Err())
	}
}

// Close waits for the commit under way and fails the callers that still wait
// with storage.ErrClosed. It is safe to call twice and always returns nil.
func (g *Group) Close() error {
	g.mu.Lock()
	g.closed = true
	g.work.Signal()
	g.mu.Unlock()
	<-g.stopped
	return nil
}

// run commits merge after merge until the group is closed.
func (g *Group) run() {
	defer close(g.stopped)
	var m merge
	for g.take(&m) {
		m.copyEvents()
		m.settle(g.commit)
		g.mu.Lock()
		g.pending -= m.bytes
		g.mu.Unlock()
		m.deliver()
		m.reset()
	}
}

// take waits for requests and moves as many as fit into m. It reports false,
// after failing the requests that wait, when the group is closed.
func (g *Group) take(m *merge) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.queue.Len() == 0 && !g.closed {
		g.work.Wait()
	}
	if g.closed {
		for r := g.pop(); r != nil; r = g.pop() {
			g.pending -= r.bytes
			r.copied = closedChannel()
			r.err = fmt.Errorf("write not started: %w", storage.ErrClosed)
			close(r.done)
		}
		return false
	}
	m.copied = make(chan struct{})
	for front := g.queue.Front(); front != nil; front = g.queue.Front() {
		next, _ := front.Value.(*request)
		full := m.count+next.length > g.settings.MaxBatchEvents ||
			m.bytes+next.bytes > g.settings.MaxBatchBytes
		if full && m.count > 0 {
			break
		}
		r := g.pop()
		r.copied = m.copied
		m.requests = append(m.requests, r)
		m.count += r.length
		m.bytes += r.bytes
	}
	return true
}

// pop takes the oldest request off the queue; nil when there is none.
func (g *Group) pop() *request {
	front := g.queue.Front()
	if front == nil {
		return nil
	}
	r, _ := g.queue.Remove(front).(*request)
	r.element = nil
	return r
}

func closedChannel() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// attempt runs the commit function and turns a panic into an error, so that
// nobody waits for ever and the next merge is tried.
func attempt(commit Commit, events []activity.Event) (res storage.WriteResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the commit panicked: %v\n%s", storage.ErrRetryable, p, debug.Stack())
		}
	}()
	res, err = commit(context.Background(), events)
	if err != nil {
		return res, err
	}
	err = checkIndexes(&res, len(events))
	return res, err
}

// checkIndexes guards the callers of a merge against a driver whose result
// points outside its batch.
func checkIndexes(res *storage.WriteResult, n int) error {
	bad := func(i int) bool { return i < 0 || i >= n }
	for _, list := range [][]int{res.Duplicates, res.Conflicts} {
		for _, i := range list {
			if bad(i) {
				return fmt.Errorf("%w: the result names event %d of %d", errResult, i, n)
			}
		}
	}
	for _, r := range res.Refused {
		if bad(r.Index) {
			return fmt.Errorf("%w: the result refuses event %d of %d", errResult, r.Index, n)
		}
	}
	return nil
}

// errResult: the commit function broke its contract.
var errResult = errors.New("wrong commit result")
