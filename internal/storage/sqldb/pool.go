package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
)

// pool holds the sessions that read. A read waits when all of them are busy.
// The session used last is used again first: its pages and statements are the
// warm ones, and sessions that are not needed are not opened.
type pool struct {
	db   *sql.DB
	busy chan struct{} // one element for each read under way

	mu   sync.Mutex
	idle []*session
}

func newPool(db *sql.DB, size int) *pool {
	return &pool{db: db, busy: make(chan struct{}, size)}
}

// take gives an idle session, or opens one.
func (p *pool) take(ctx context.Context) (*session, error) {
	p.mu.Lock()
	if last := len(p.idle) - 1; last >= 0 {
		s := p.idle[last]
		p.idle = p.idle[:last]
		p.mu.Unlock()
		return s, nil
	}
	p.mu.Unlock()
	return newSession(ctx, p.db)
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
	s, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer func() { p.put(s) }()
	if err := s.exec(ctx, "BEGIN"); err != nil {
		s = discard(s)
		return fmt.Errorf("begin to read: %w", err)
	}
	// The transaction ends whatever has become of the caller, and when fn panics.
	defer func() {
		if end := s.exec(context.WithoutCancel(ctx), "ROLLBACK"); end != nil {
			s = discard(s)
		}
	}()
	return fn(s)
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
