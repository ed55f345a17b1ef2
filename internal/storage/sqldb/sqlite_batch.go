package sqldb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// sqliteBatch is the work of one commit.
type sqliteBatch struct {
	keeper  *sqliteKeeper
	session *session
	events  []activity.Event
	// inserts holds the insert statements by segment and shape. A statement
	// names only the columns that have a value: real events fill a third of the
	// columns, in a few shapes, and a null costs as much to bind as a number.
	inserts map[string]map[uint64]string
	args    []driver.NamedValue
}

// maxShapes bounds the shapes of a segment; others use the statement with every
// column.
const maxShapes = 32

const fullShape = ^uint64(0)

func (b *sqliteBatch) run(ctx context.Context) (storage.WriteResult, error) {
	var res storage.WriteResult
	k := b.keeper
	// One time for the batch: its row ids follow each other without a gap, and
	// a later reader steps from one to the next instead of searching for each.
	now := k.now().UnixNano()
	for i := range b.events {
		e := &b.events[i]
		seg, err := k.home(ctx, b.session, e.Datetime)
		if err != nil {
			return res, err
		}
		stored := max(k.lastStored+1, now)
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
		k.lastStored = stored
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
func (b *sqliteBatch) finish(ctx context.Context) error {
	k := b.keeper
	for name := range b.inserts {
		for i := range k.catalogue {
			if k.catalogue[i].name == name {
				if err := k.saveSegment(ctx, b.session, &k.catalogue[i]); err != nil {
					return err
				}
			}
		}
	}
	clock := &builder{dialect: k.dialect}
	clock.add("UPDATE store_state SET last_stored_ns = ", clock.arg(k.lastStored))
	if _, err := b.session.change(ctx, clock); err != nil {
		return fmt.Errorf("note the last commit: %w", err)
	}
	return nil
}

// insert reports false when the key is there already.
func (b *sqliteBatch) insert(ctx context.Context, seg *segment, e *activity.Event, stored int64) (bool, error) {
	texts := b.inserts[seg.name]
	if texts == nil {
		texts = map[uint64]string{}
		b.inserts[seg.name] = texts
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
			b.args = bind(b.args, v)
		}
	}
	text, ok := texts[shape]
	if !ok && len(texts) >= maxShapes {
		shape = fullShape
		b.args = fullArgs(b.args[:0], e, stored)
		text, ok = texts[shape]
	}
	if !ok {
		text = insertSQL(b.keeper.dialect, seg.name, shape)
		texts[shape] = text
	}
	n, err := b.session.changeText(ctx, text, b.args)
	return n == 1, err
}

func fullArgs(args []driver.NamedValue, e *activity.Event, stored int64) []driver.NamedValue {
	for _, f := range activity.Fields() {
		if f == activity.FieldStoredNS {
			args = bind(args, stored)
			continue
		}
		args = bind(args, value(e, f))
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

func (b *sqliteBatch) sameAsStored(ctx context.Context, seg *segment, e *activity.Event) (bool, error) {
	q := &builder{dialect: b.keeper.dialect}
	q.add("SELECT ", selectList, " FROM ", seg.name, " WHERE id = ", q.arg(e.ID[:]), " AND datetime_ns = ", q.arg(e.Datetime),
		" AND tenant_id = ", q.arg(e.TenantID))
	found, same := false, false
	err := b.session.query(ctx, q, func(row []driver.Value) error {
		var there activity.Event
		derived := readRow(row, &there)
		found, same = true, len(derived) == 0 && activity.SameContent(&there, e)
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("the row it collides with cannot be read: %w", storage.ErrRetryable)
	}
	return same, err
}
