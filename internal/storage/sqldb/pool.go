package sqldb

import (
	"context"
	"database/sql"
	"fmt"
)

// pool holds the sessions that read. A read waits when all of them are busy.
type pool struct {
	db   *sql.DB
	free chan *session // nil = to be opened
}

func newPool(db *sql.DB, size int) *pool {
	p := &pool{db: db, free: make(chan *session, size)}
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
	if s == nil {
		if s, err = newSession(ctx, p.db); err != nil {
			p.free <- nil
			return err
		}
	}
	defer func() { p.free <- s }()
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
	for range cap(p.free) {
		if s := <-p.free; s != nil {
			s.close()
		}
	}
	return p.db.Close()
}
