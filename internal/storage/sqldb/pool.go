package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"
)

// pool holds the sessions that read. A read waits when all of them are busy.
// The session used last is used again first: its pages and statements are the
// warm ones, and sessions that are not needed are not opened.
type pool struct {
	db      *sql.DB
	dialect dialect
	busy    chan struct{} // one element for each read under way
	// timeout bounds each statement of a session; see session.
	timeout time.Duration

	mu   sync.Mutex
	idle []*session
}

func newPool(db *sql.DB, size int, d dialect) *pool {
	return &pool{db: db, dialect: d, busy: make(chan struct{}, size)}
}

// take gives an idle session, nil when one is to be opened.
func (p *pool) take() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	s := p.idle[last]
	p.idle = p.idle[:last]
	return s
}

// put takes a session back; nil is one that was discarded.
func (p *pool) put(s *session) {
	if s == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, s)
}

// read runs fn inside one read transaction: every query of fn sees the same
// commits.
func (p *pool) read(ctx context.Context, fn func(*session) error) (err error) {
	select {
	case p.busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.busy }()
	s := p.take()
	defer func() { p.put(s) }()
	if s, err = p.begin(ctx, s); err != nil {
		return err
	}
	// The transaction ends whatever has become of the caller, and when fn panics.
	defer func() {
		if end := s.exec(context.WithoutCancel(ctx), "ROLLBACK"); end != nil {
			s = discard(s)
		}
	}()
	return fn(s)
}

// begin begins a transaction on the session, or on a new one when there is none
// or its connection was lost since its last use.
func (p *pool) begin(ctx context.Context, s *session) (*session, error) {
	for used := s != nil; ; used = false {
		if s == nil {
			var err error
			if s, err = newSession(ctx, p.db, p.dialect); err != nil {
				return nil, err
			}
			s.timeout = p.timeout
		}
		err := s.exec(ctx, p.dialect.begin(false))
		if err == nil {
			return s, nil
		}
		s = discard(s)
		if !used || !p.dialect.lost(err) {
			return nil, fmt.Errorf("begin to read: %w", err)
		}
	}
}

// discard drops a session that can no longer be trusted; the pool opens
// another in its place.
func discard(s *session) *session {
	s.close()
	return nil
}

// close waits for the reads under way.
func (p *pool) close() error {
	for range cap(p.busy) {
		p.busy <- struct{}{}
	}
	for _, s := range p.idle {
		s.close()
	}
	p.idle = nil
	return p.db.Close()
}
