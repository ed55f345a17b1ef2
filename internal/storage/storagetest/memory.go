package storagetest

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// memory keeps its events in commit order and answers every question by
// looking at all of them.
type memory struct {
	mu         sync.RWMutex
	events     []activity.Event
	keys       map[activity.Key]int // index in events
	lastStored int64
	closed     bool
}

var _ storage.Store = (*memory)(nil)

// NewMemory gives the reference store: simple enough to be checked by reading.
// It has no bound and keeps nothing after Close.
func NewMemory() storage.Store {
	return &memory{keys: map[activity.Key]int{}}
}

// clone gives an event that shares no memory with e.
func clone(e *activity.Event) activity.Event {
	c := *e
	c.IntegrityHash = slices.Clone(e.IntegrityHash)
	c.IntegritySalts = slices.Clone(e.IntegritySalts)
	c.IntegrityCommitments = slices.Clone(e.IntegrityCommitments)
	return c
}

func (m *memory) ready(ctx context.Context) error {
	if m.closed {
		return storage.ErrClosed
	}
	return ctx.Err()
}

func (m *memory) Write(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var res storage.WriteResult
	if err := m.ready(ctx); err != nil {
		return res, fmt.Errorf("write: %w", err)
	}
	for i := range events {
		e := clone(&events[i])
		if at, there := m.keys[e.Key()]; there {
			if activity.SameContent(&m.events[at], &e) {
				res.Duplicates = append(res.Duplicates, i)
			} else {
				res.Conflicts = append(res.Conflicts, i)
			}
			continue
		}
		m.lastStored = max(m.lastStored+1, time.Now().UnixNano())
		e.StoredNS = m.lastStored
		m.keys[e.Key()] = len(m.events)
		m.events = append(m.events, e)
		res.Written++
		res.LastStoredNS = e.StoredNS
	}
	return res, nil
}

func (m *memory) Get(ctx context.Context, scope activity.Scope, id activity.ID) (activity.Event, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.ready(ctx); err != nil {
		return activity.Event{}, fmt.Errorf("get event %s: %w", id, err)
	}
	var found *activity.Event
	for i := range m.events {
		e := &m.events[i]
		if e.ID == id && scope.Matches(e.TenantID) && (found == nil || e.Datetime > found.Datetime) {
			found = e
		}
	}
	if found == nil {
		return activity.Event{}, fmt.Errorf("get event %s: %w", id, activity.ErrNotFound)
	}
	return clone(found), nil
}

// find gives copies of the matches in the query's order.
func (m *memory) find(ctx context.Context, scope activity.Scope, q *activity.Query) ([]activity.Event, error) {
	if err := checkQuery(q); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	var out []activity.Event
	for i := range m.events {
		if e := &m.events[i]; scope.Matches(e.TenantID) && Matches(q, e) {
			out = append(out, clone(e))
		}
	}
	slices.SortStableFunc(out, func(a, b activity.Event) int {
		return ComparePositions(q.Order, activity.PositionOf(q.Order, &a), activity.PositionOf(q.Order, &b))
	})
	return out, nil
}

func (m *memory) Page(ctx context.Context, scope activity.Scope, q activity.Query) (activity.Page, error) {
	if q.Limit < 1 || q.Limit > activity.MaxLimit || q.Offset < 0 || q.Offset+q.Limit > activity.MaxOffset {
		return activity.Page{}, fmt.Errorf("%w: limit %d, offset %d", activity.ErrInvalid, q.Limit, q.Offset)
	}
	events, err := m.find(ctx, scope, &q)
	if err != nil {
		return activity.Page{}, fmt.Errorf("read a page: %w", err)
	}
	if !q.After.IsZero() {
		events = slices.DeleteFunc(events, func(e activity.Event) bool {
			c := ComparePositions(q.Order, activity.PositionOf(q.Order, &e), q.After)
			return q.Backward && c >= 0 || !q.Backward && c <= 0
		})
	}
	page := activity.Page{Complete: true}
	first, last := q.Offset, q.Offset+q.Limit
	if q.Backward {
		first, last = len(events)-last, len(events)-first
	}
	more := q.Backward && first > 0 || !q.Backward && last < len(events)
	first, last = min(max(first, 0), len(events)), min(max(last, 0), len(events))
	page.Events = events[first:last]
	begun := !q.After.IsZero() || q.Offset > 0
	start, end := q.After, q.After
	if len(page.Events) > 0 {
		start = activity.PositionOf(q.Order, &page.Events[0])
		end = activity.PositionOf(q.Order, &page.Events[len(page.Events)-1])
	}
	if q.Backward && begun || !q.Backward && more {
		page.Next = end
	}
	if q.Backward && more || !q.Backward && begun {
		page.Previous = start
	}
	return page, nil
}

func (m *memory) Count(ctx context.Context, scope activity.Scope, q activity.Query, limit int64) (activity.Count, error) {
	if limit < 1 {
		return activity.Count{}, fmt.Errorf("%w: count up to %d", activity.ErrInvalid, limit)
	}
	q.Order = activity.NewestFirst
	events, err := m.find(ctx, scope, &q)
	n := int64(len(events))
	return activity.Count{N: min(n, limit), Exact: err == nil && n <= limit}, err
}

func (m *memory) Scan(ctx context.Context, scope activity.Scope, q activity.Query) iter.Seq2[storage.Record, error] {
	return func(yield func(storage.Record, error) bool) {
		if q.Order != activity.NewestFirst {
			q.Order = activity.OldestFirst
		}
		events, err := m.find(ctx, scope, &q)
		if err != nil {
			yield(storage.Record{}, fmt.Errorf("scan: %w", err))
			return
		}
		for i := range events {
			if err := ctx.Err(); err != nil {
				yield(storage.Record{}, fmt.Errorf("scan: %w", err))
				return
			}
			at := activity.PositionOf(q.Order, &events[i])
			if !q.After.IsZero() && ComparePositions(q.Order, at, q.After) <= 0 {
				continue
			}
			if !yield(storage.Record{Event: events[i]}, nil) {
				return
			}
		}
	}
}

func (m *memory) Feed(ctx context.Context, scope activity.Scope, after activity.FeedPosition, limit int) ([]activity.Event, error) {
	if limit < 1 || limit > activity.MaxLimit {
		return nil, fmt.Errorf("%w: a feed of %d", activity.ErrInvalid, limit)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.ready(ctx); err != nil {
		return nil, fmt.Errorf("read the feed: %w", err)
	}
	var out []activity.Event
	for i := range m.events {
		e := &m.events[i]
		c := cmp.Or(cmp.Compare(e.StoredNS, after.StoredNS), slices.Compare(e.ID[:], after.ID[:]))
		if c > 0 && scope.Matches(e.TenantID) && len(out) < limit {
			out = append(out, clone(e))
		}
	}
	return out, nil
}

func (m *memory) Migrate(ctx context.Context) error { return m.Ping(ctx) }

func (m *memory) Ping(ctx context.Context) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.ready(ctx)
}

func (m *memory) Capabilities() storage.Capabilities {
	return storage.Capabilities{
		Name: "memory", DetectsDuplicates: true, Contains: true, OrderByResponseTime: true,
		Count: true, Aggregate: true, Feed: true, Retention: true, Erasure: true,
	}
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
