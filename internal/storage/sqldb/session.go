package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// statementCache bounds the prepared statements of one connection. A page uses
// a few for each segment it touches.
const statementCache = 256

// session is one connection with its prepared statements, used by one caller
// at a time. It speaks to the driver itself: database/sql copies every value
// once more and converts it to a type that is known here anyway, which is a
// fifth of the time of a scan.
type session struct {
	conn    *sql.Conn
	dialect dialect
	stmts   *lru.Cache[string, driver.Stmt]
	row     []driver.Value
	known   known
	// timeout bounds the wait for a statement, for a server that has gone silent;
	// 0 = the caller bounds it.
	timeout time.Duration
}

func newSession(ctx context.Context, db *sql.DB, d dialect) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	// Closing a statement that the connection has already lost cannot fail in a
	// way that matters.
	stmts, err := lru.NewWithEvict(statementCache, func(_ string, s driver.Stmt) { _ = s.Close() })
	if err != nil {
		return nil, fmt.Errorf("make the statement cache: %w", err)
	}
	return &session{conn: conn, dialect: d, stmts: stmts}, nil
}

// query runs a prepared statement and visits its rows. The values are the
// session's until the next row; text and bytes among them are the caller's to
// keep. visit must not use the session.
func (s *session) query(ctx context.Context, b *builder, visit func(row []driver.Value) error) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return s.raw(func(conn any) (err error) {
		st, err := s.prepared(ctx, conn, b.sql.String())
		if err != nil {
			return err
		}
		rows, err := st.QueryContext(ctx, b.args)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		columns := rows.Columns()
		n, convert := len(columns), s.dialect.convert(columns)
		for len(s.row) < n {
			s.row = append(s.row, nil)
		}
		for {
			if err := rows.Next(s.row[:n]); err != nil {
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if convert != nil {
				if err := convert(s.row[:n]); err != nil {
					return err
				}
			}
			if err := visit(s.row[:n]); err != nil {
				return err
			}
		}
	})
}

// number runs a prepared statement that gives one number, 0 without a row.
func (s *session) number(ctx context.Context, b *builder) (n int64, err error) {
	err = s.query(ctx, b, func(row []driver.Value) error {
		var ok bool
		if n, ok = row[0].(int64); !ok {
			return fmt.Errorf("the database gave %T, want a number", row[0])
		}
		return nil
	})
	return n, err
}

// change runs a prepared statement and gives the number of rows it changed.
func (s *session) change(ctx context.Context, b *builder) (n int64, err error) {
	return s.changeText(ctx, b.sql.String(), b.args)
}

func (s *session) changeText(ctx context.Context, query string, args []driver.NamedValue) (n int64, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err = s.raw(func(conn any) error {
		st, err := s.prepared(ctx, conn, query)
		if err != nil {
			return err
		}
		r, err := st.ExecContext(ctx, args)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return n, err
}

// exec runs a statement once, without keeping it.
func (s *session) exec(ctx context.Context, query string) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	_, err := s.conn.ExecContext(ctx, query)
	return err
}

func (s *session) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.timeout)
}

// statement is what a session needs of a prepared statement.
type statement interface {
	driver.StmtExecContext
	driver.StmtQueryContext
}

func (s *session) prepared(ctx context.Context, conn any, query string) (statement, error) {
	st, ok := s.stmts.Get(query)
	if !ok {
		preparer, can := conn.(driver.ConnPrepareContext)
		if !can {
			return nil, fmt.Errorf("the database driver (%T) cannot prepare a statement", conn)
		}
		var err error
		if st, err = preparer.PrepareContext(ctx, query); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
		s.stmts.Add(query, st)
	}
	usable, ok := st.(statement)
	if !ok {
		return nil, fmt.Errorf("the statements of the database driver (%T) take no context", st)
	}
	return usable, nil
}

// raw speaks to the driver. database/sql closes the connection in a panic, and
// SQLite keeps its locks as long as one of its statements is open.
func (s *session) raw(fn func(conn any) error) error {
	return s.conn.Raw(func(conn any) error {
		done := false
		defer func() {
			if !done {
				s.stmts.Purge()
			}
		}()
		err := fn(conn)
		done = true
		return err
	})
}

// close ends the connection, and with it a transaction that may be open.
// sql.Conn.Close would put it back into its pool as it is.
func (s *session) close() {
	// What this returns is what fn says, or that the connection is closed.
	_ = s.conn.Raw(func(any) error { s.stmts.Purge(); return driver.ErrBadConn })
}

// bind appends a value to the arguments of a statement.
func bind(args []driver.NamedValue, v driver.Value) []driver.NamedValue {
	if n, ok := v.(int); ok {
		v = int64(n)
	}
	return append(args, driver.NamedValue{Ordinal: len(args) + 1, Value: v})
}
