package sqldb

import (
	"context"
	"database/sql"
	"fmt"
)

// pool holds the sessions that read. A read waits when all of them are busy.
type pool struct {
	db      *sql.DB
	dialect dialect
	free    chan *session // nil = to be opened
}

func newPool(db *sql.DB, size int, d dialect) *pool {
	p := &pool{db: db, dialect: d, free: make(chan *session, size)}
	for range size {
		p.free <- nil
	}
	return p
}

// read runs fn inside one read transaction: every query of fn sees the same
// commits.
func (p *pool) read(ctx context.Context, fn func(*session) error) (err error) {
	var s *session
	select {
	case s = <-p.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { p.free <- s }()
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
	for range cap(p.free) {
		if s := <-p.free; s != nil {
			s.close()
		}
	}
	return p.db.Close()
}
