package sqldb

import (
	"context"
	"database/sql"
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"
)

// statementCache bounds the prepared statements of one connection. A page uses
// a few for each segment it touches.
const statementCache = 256

// session is one connection with its prepared statements, used by one caller
// at a time.
type session struct {
	conn  *sql.Conn
	stmts *lru.Cache[string, *sql.Stmt]
}

func newSession(ctx context.Context, db *sql.DB) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	// Closing a statement that the connection has already lost cannot fail in a
	// way that matters.
	stmts, err := lru.NewWithEvict(statementCache, func(_ string, s *sql.Stmt) { _ = s.Close() })
	if err != nil {
		return nil, fmt.Errorf("make the statement cache: %w", err)
	}
	return &session{conn: conn, stmts: stmts}, nil
}

// prepare gives the statement, which stays the session's.
func (s *session) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.stmts.Get(query); ok {
		return st, nil
	}
	st, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	s.stmts.Add(query, st)
	return st, nil
}

func (s *session) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	st, err := s.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (s *session) exec(ctx context.Context, query string) error {
	_, err := s.conn.ExecContext(ctx, query)
	return err
}

func (s *session) close() error {
	s.stmts.Purge()
	return s.conn.Close()
}

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
	err = fn(s)
	// The transaction ends whatever has become of the caller.
	if end := s.exec(context.WithoutCancel(ctx), "ROLLBACK"); end != nil {
		s = discard(s)
	}
	return err
}

// discard drops a session that can no longer be trusted; the pool opens
// another in its place.
func discard(s *session) *session {
	_ = s.close()
	return nil
}

// close waits for the reads under way.
func (p *pool) close() error {
	for range cap(p.free) {
		if s := <-p.free; s != nil {
			_ = s.close() // the pool of connections closes below and reports
		}
	}
	return p.db.Close()
}
