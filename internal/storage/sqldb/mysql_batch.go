package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// mysqlBatch is the work of one commit, done while the lock of writers is held:
// no other writer adds a key meanwhile.
//
// Rows are inserted many at a time and in order, without asking first which
// keys are there: that would cost a quarter more for the batches that have no
// duplicate, which is nearly all. When the server finds one, nothing of that
// statement is stored, its keys are looked up, and the rest is inserted.
// INSERT IGNORE would say less and hide what is cut.
type mysqlBatch struct {
	keeper  *mysqlKeeper
	session *session
	events  []activity.Event
	res     *storage.WriteResult

	next    int64 // stored_ns of the next row
	touched []string
	args    []driver.NamedValue
}

// Bounds of one statement. Half of what 128 rows save over one is saved by 16;
// beyond, the server only takes more memory. Large values are sent one by one
// and kept by the server until the statement is run.
const (
	insertRows  = 128
	insertBytes = 4 << 20
)

func (b *mysqlBatch) run(ctx context.Context) error {
	k := b.keeper
	b.next = max(k.lastStored+1, k.now().UnixNano())
	first := b.next
	fresh, again := b.split()
	for len(fresh) > 0 {
		n := b.portion(fresh)
		err := b.insert(ctx, fresh[:n])
		if isDuplicate(err) {
			err = b.insertRest(ctx, fresh[:n])
		}
		if err != nil {
			return err
		}
		fresh = fresh[n:]
	}
	// Those whose key came earlier in the batch.
	for part := range slices.Chunk(again, insertRows) {
		rest, err := b.compare(ctx, part)
		if err != nil {
			return err
		}
		if len(rest) > 0 {
			return fmt.Errorf("event %s: its key cannot be read back: %w", b.events[rest[0]].ID, storage.ErrRetryable)
		}
	}
	slices.Sort(b.res.Duplicates)
	slices.Sort(b.res.Conflicts)
	if b.next == first {
		return nil
	}
	b.res.LastStoredNS = b.next - 1
	return b.finish(ctx, first)
}

// split gives the indexes of the first event with each key, and of the others.
func (b *mysqlBatch) split() (fresh, again []int) {
	seen := make(map[activity.Key]bool, len(b.events))
	for i := range b.events {
		if key := b.events[i].Key(); seen[key] {
			again = append(again, i)
		} else {
			seen[key] = true
			fresh = append(fresh, i)
		}
	}
	return fresh, again
}

// portion is how many events the next statement takes: a power of two, so that
// the statements of a batch are few and prepared already.
func (b *mysqlBatch) portion(indexes []int) int {
	n, bytes := 1, b.events[indexes[0]].Size()
	for 2*n <= min(len(indexes), insertRows) {
		for _, i := range indexes[n : 2*n] {
			bytes += b.events[i].Size()
		}
		if bytes > insertBytes {
			break
		}
		n *= 2
	}
	return n
}

// insert stores all of the events or none.
func (b *mysqlBatch) insert(ctx context.Context, indexes []int) error {
	fields := activity.Fields()
	values := make([]driver.Value, 0, len(indexes)*len(fields))
	for n, i := range indexes {
		e := &b.events[i]
		for j, f := range fields {
			v := value(e, f)
			if f == activity.FieldStoredNS {
				v = b.next + int64(n)
			}
			if v != nil {
				b.keeper.columns |= 1 << j
			}
			values = append(values, v)
		}
	}
	b.args = b.args[:0]
	for at, v := range values {
		if b.keeper.columns&(1<<(at%len(fields))) != 0 {
			b.args = bind(b.args, v)
		}
	}
	if _, err := b.session.changeText(ctx, mysqlInsert(b.keeper.columns, len(indexes)), b.args); err != nil {
		return fmt.Errorf("insert %d events: %w", len(indexes), err)
	}
	b.next += int64(len(indexes))
	b.res.Written += len(indexes)
	for _, i := range indexes {
		b.touch(b.events[i].Datetime)
	}
	return nil
}

// mysqlInsert names the columns whose bit is set: real events fill a third of
// them. The set only grows while a keeper lives, so that there are few
// statements, and rows stay in the order of the primary key.
func mysqlInsert(columns uint64, rows int) string {
	var names []string
	for i, f := range activity.Fields() {
		if columns&(1<<i) != 0 {
			names = append(names, f.String())
		}
	}
	row := "(" + strings.Repeat("?, ", len(names)-1) + "?)"
	return "INSERT INTO " + mysqlTable + " (" + strings.Join(names, ", ") + ") VALUES " + strings.Repeat(row+", ", rows-1) + row
}

func (b *mysqlBatch) touch(datetime int64) {
	if at, ok := b.keeper.catalogue.find(datetime); ok {
		if name := b.keeper.catalogue[at].name; !slices.Contains(b.touched, name) {
			b.touched = append(b.touched, name)
		}
	}
}

// insertRest stores those of the events whose key is not there.
func (b *mysqlBatch) insertRest(ctx context.Context, indexes []int) error {
	rest, err := b.compare(ctx, indexes)
	for err == nil && len(rest) > 0 {
		n := b.portion(rest)
		if err = b.insert(ctx, rest[:n]); isDuplicate(err) {
			err = fmt.Errorf("a key appeared while the lock of writers was held: %w: %w", storage.ErrRetryable, err)
		}
		rest = rest[n:]
	}
	return err
}

// compare finds which of at most insertRows events are stored, the same or
// others under their key, and gives the indexes of those that are not.
func (b *mysqlBatch) compare(ctx context.Context, indexes []int) (rest []int, err error) {
	waiting := make(map[activity.Key][]int, len(indexes))
	for _, i := range indexes {
		key := b.events[i].Key()
		waiting[key] = append(waiting[key], i)
	}
	q := &builder{dialect: b.keeper.dialect}
	q.add("SELECT ", selectList, " FROM ", q.dialect.source("", keyIndex), " WHERE (id, datetime_ns, tenant_id) IN (")
	for n := 0; n == 0 || n < len(indexes) || n&(n-1) != 0; n++ { // a power of two, as insert
		e := &b.events[indexes[min(n, len(indexes)-1)]]
		if n > 0 {
			q.add(", ")
		}
		q.add(q.list([]driver.Value{e.ID[:], e.Datetime, e.TenantID}))
	}
	q.add(")")
	err = b.session.query(ctx, q, func(row []driver.Value) error {
		var there activity.Event
		derived := readRow(row, &there)
		for _, i := range waiting[there.Key()] {
			if len(derived) == 0 && activity.SameContent(&there, &b.events[i]) {
				b.res.Duplicates = append(b.res.Duplicates, i)
			} else {
				b.res.Conflicts = append(b.res.Conflicts, i)
			}
		}
		delete(waiting, there.Key())
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for keys: %w", err)
	}
	for _, i := range indexes {
		if _, ok := waiting[b.events[i].Key()]; ok {
			rest = append(rest, i)
		}
	}
	return rest, nil
}

// finish saves the clock, and for the feed which ranges hold rows of this
// commit. The bounds of a range may be wider than its rows.
func (b *mysqlBatch) finish(ctx context.Context, first int64) error {
	last := b.next - 1
	names := make([]driver.Value, len(b.touched))
	for i, name := range b.touched {
		names[i] = name
		for j := range b.keeper.catalogue {
			if seg := &b.keeper.catalogue[j]; seg.name == name {
				seg.lastStored = last
			}
		}
	}
	q := &builder{dialect: b.keeper.dialect}
	q.add("UPDATE segments SET first_stored_ns = CASE first_stored_ns WHEN 0 THEN ", q.arg(first), " ELSE first_stored_ns END, last_stored_ns = ", q.arg(last),
		" WHERE name IN ", q.list(names))
	if _, err := b.session.change(ctx, q); err != nil {
		return fmt.Errorf("note the ranges of the commit: %w", err)
	}
	q = &builder{dialect: b.keeper.dialect}
	q.add("UPDATE store_state SET last_stored_ns = ", q.arg(last), " WHERE only_row = 1")
	if _, err := b.session.change(ctx, q); err != nil {
		return fmt.Errorf("note the last commit: %w", err)
	}
	b.keeper.lastStored = last
	return nil
}

// errDuplicate is ER_DUP_ENTRY.
const errDuplicate = 1062

func isDuplicate(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && e.Number == errDuplicate
}
