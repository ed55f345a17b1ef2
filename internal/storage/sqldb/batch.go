package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// batch is the work of one commit.
type batch struct {
	writer   *writer
	session  *session
	events   []activity.Event
	inserts  map[string]*insert // by segment
	prepared int                // statements in inserts
	args     []any
}

// insert holds the insert statements of one segment in a batch. A statement
// names only the columns that have a value: real events fill a third of the
// columns, in a few shapes, and a null costs as much to bind as a number.
type insert struct {
	stmts map[uint64]*sql.Stmt // by shape
}

// maxShapes bounds the shapes of a segment; others use the statement with every
// column.
const maxShapes = 32

const fullShape = ^uint64(0)

func (b *batch) run(ctx context.Context) (storage.WriteResult, error) {
	var res storage.WriteResult
	w := b.writer
	for i := range b.events {
		e := &b.events[i]
		seg, err := w.home(ctx, b.session, e.Datetime)
		if err != nil {
			return res, err
		}
		stored := max(w.lastStored+1, w.store.now().UnixNano())
		inserted, err := b.insert(ctx, seg, e, stored)
		if err != nil {
			return res, fmt.Errorf("event %s: %w", e.ID, err)
		}
		if !inserted {
			same, err := b.sameAsStored(ctx, seg, e)
			if err != nil {
				return res, fmt.Errorf("event %s: %w", e.ID, err)
			}
			if same {
				res.Duplicates = append(res.Duplicates, i)
			} else {
				res.Conflicts = append(res.Conflicts, i)
			}
			continue
		}
		w.lastStored = stored
		seg.note(e.Datetime, stored)
		res.Written++
		res.LastStoredNS = stored
	}
	if res.Written == 0 {
		return res, nil
	}
	return res, b.finish(ctx)
}

func (s *segment) note(datetime, stored int64) {
	if s.events == 0 || datetime > s.maxDatetime {
		s.maxDatetime = datetime
	}
	if s.firstStored == 0 {
		s.firstStored = stored
	}
	s.lastStored = stored
	s.events++
}

// finish saves the segments that were written to, and the clock.
func (b *batch) finish(ctx context.Context) error {
	w := b.writer
	for name := range b.inserts {
		for i := range w.catalogue {
			if w.catalogue[i].name == name {
				if err := w.saveSegment(ctx, b.session, &w.catalogue[i]); err != nil {
					return err
				}
			}
		}
	}
	st, err := b.session.prepare(ctx, "UPDATE store_state SET last_stored_ns = "+w.store.dialect.placeholder(1))
	if err != nil {
		return err
	}
	if _, err := st.ExecContext(ctx, w.lastStored); err != nil {
		return fmt.Errorf("note the last commit: %w", err)
	}
	return nil
}

// insert reports false when the key is there already.
func (b *batch) insert(ctx context.Context, seg *segment, e *activity.Event, stored int64) (bool, error) {
	in := b.inserts[seg.name]
	if in == nil {
		in = &insert{stmts: map[uint64]*sql.Stmt{}}
		b.inserts[seg.name] = in
	}
	if b.prepared > statementCache/2 {
		// The session may close what it has not been asked for in a while.
		for _, other := range b.inserts {
			clear(other.stmts)
		}
		b.prepared = 0
	}
	b.args = b.args[:0]
	var shape uint64
	for i, f := range activity.Fields() {
		v := value(e, f)
		if f == activity.FieldStoredNS {
			v = stored
		}
		if v != nil {
			shape |= 1 << i
			b.args = append(b.args, v)
		}
	}
	st := in.stmts[shape]
	if st == nil {
		if len(in.stmts) >= maxShapes {
			shape = fullShape
			b.args = fullArgs(b.args[:0], e, stored)
			st = in.stmts[shape]
		}
		if st == nil {
			var err error
			if st, err = b.session.prepare(ctx, insertSQL(b.writer.store.dialect, seg.name, shape)); err != nil {
				return false, err
			}
			in.stmts[shape] = st
			b.prepared++
		}
	}
	r, err := st.ExecContext(ctx, b.args...)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n == 1, err
}

func fullArgs(args []any, e *activity.Event, stored int64) []any {
	for _, f := range activity.Fields() {
		if f == activity.FieldStoredNS {
			args = append(args, stored)
			continue
		}
		args = append(args, value(e, f))
	}
	return args
}

// insertSQL names the columns whose bit is set in shape.
func insertSQL(d dialect, segment string, shape uint64) string {
	var names, marks []string
	for i, f := range activity.Fields() {
		if shape&(1<<i) != 0 {
			names = append(names, f.String())
			marks = append(marks, d.placeholder(len(names)))
		}
	}
	return "INSERT INTO " + segment + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ", ") +
		") ON CONFLICT (id, datetime_ns, tenant_id) DO NOTHING"
}

func (b *batch) sameAsStored(ctx context.Context, seg *segment, e *activity.Event) (bool, error) {
	d := b.writer.store.dialect
	st, err := b.session.prepare(ctx, "SELECT "+selectList+" FROM "+seg.name+
		" WHERE id = "+d.placeholder(1)+" AND datetime_ns = "+d.placeholder(2)+" AND tenant_id = "+d.placeholder(3))
	if err != nil {
		return false, err
	}
	var there activity.Event
	derived, err := newRowScanner().read(st.QueryRowContext(ctx, e.ID[:], e.Datetime, e.TenantID), &there)
	if errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("the row it collides with cannot be read: %w: %w", storage.ErrRetryable, err)
	}
	if err != nil {
		return false, err
	}
	return len(derived) == 0 && activity.SameContent(&there, e), nil
}
