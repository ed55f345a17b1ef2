package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// postgresKeeper stores batches: COPY into a temporary table, one row lock that
// puts the commits of all writers into a line, and an insert that leaves out
// what is there.
type postgresKeeper struct {
	dialect *postgresDialect
	now     func() time.Time
	logger  *zap.Logger
	months  postgresMonths
	copy    copyBuffer
	// staged is whether rows of a batch that failed take space in the staging
	// table: only a commit empties it by itself.
	staged bool
}

var _ keeper = (*postgresKeeper)(nil)

// stagingTable is the session's own. Its columns have the names of the fields;
// stored_ns holds the event's place in the batch, from 1.
const stagingTable = "pg_temp.activity_staging"

var makeStaging = func() string {
	columns := make([]string, len(activity.Fields()))
	for i, f := range activity.Fields() {
		columns[i] = f.String() + " " + postgresType(f)
	}
	return "CREATE TEMPORARY TABLE IF NOT EXISTS activity_staging (" + strings.Join(columns, ", ") + ") ON COMMIT DELETE ROWS"
}()

func postgresType(f activity.Field) string {
	switch f.Info().Type {
	case activity.TypeInt, activity.TypeTime, activity.TypeOpt:
		return "bigint"
	case activity.TypeBytes:
		if f == activity.FieldID {
			return "uuid"
		}
		return "bytea"
	case activity.TypeText, activity.TypeJSON, activity.TypeKind:
	}
	return `text COLLATE "C"`
}

func (k *postgresKeeper) load(ctx context.Context, c *session) error {
	var synchronous string
	if err := c.conn.QueryRowContext(ctx, "SHOW synchronous_commit").Scan(&synchronous); err != nil {
		return err
	}
	if synchronous == "off" {
		return errSynchronous
	}
	if err := c.exec(ctx, makeStaging); err != nil {
		return fmt.Errorf("make the staging table: %w", err)
	}
	k.staged = false
	return k.months.look(ctx, c)
}

// prepare makes the partitions that the events need, and looks ahead.
func (k *postgresKeeper) prepare(ctx context.Context, c *session, events []activity.Event) error {
	if k.staged {
		if err := c.exec(ctx, "TRUNCATE "+stagingTable); err != nil {
			return fmt.Errorf("empty the staging table: %w", err)
		}
		k.staged = false
	}
	return k.months.prepare(ctx, k.dialect, c, k.now(), k.logger, events)
}

// mark: partitions are made outside of the transaction and stay.
func (k *postgresKeeper) mark() (undo func()) { return func() { k.staged = true } }

func (*postgresKeeper) probe(ctx context.Context, c *session) error {
	var readOnly string
	if err := c.conn.QueryRowContext(ctx, "SHOW transaction_read_only").Scan(&readOnly); err != nil {
		return err
	}
	if readOnly == "on" {
		return fmt.Errorf("the server takes no changes: %w: %w", storage.ErrReadOnly, storage.ErrRetryable)
	}
	return nil
}

// The statements of a commit.
var (
	copyStatement   = "COPY " + stagingTable + " (" + selectList + ") FROM STDIN BINARY"
	insertStatement = "INSERT INTO " + postgresTable + " (" + selectList + ") SELECT " + stagedList("") + " FROM " + stagingTable +
		" AS s ON CONFLICT (id, datetime_ns, tenant_id) DO NOTHING"
	// A row of the table that has the key of a staged one and another place in
	// the order of commits was there before, or comes from earlier in the batch.
	collisionStatement = "SELECT s.stored_ns AS position, " + columnListOf("e.") + " FROM " + stagingTable + " AS s JOIN " + postgresTable +
		" AS e ON e.id = s.id AND e.datetime_ns = s.datetime_ns AND e.tenant_id = s.tenant_id" +
		" WHERE e.stored_ns <> $1 + s.stored_ns AND e.datetime_ns BETWEEN $2 AND $3"
)

// stagedList is selectList with the commit order made of a base and the place.
func stagedList(prefix string) string {
	names := make([]string, len(activity.Fields()))
	for i, f := range activity.Fields() {
		names[i] = prefix + f.String()
	}
	names[storedColumn] = "$1 + s.stored_ns"
	return strings.Join(names, ", ")
}

func columnListOf(prefix string) string {
	return prefix + strings.ReplaceAll(selectList, ", ", ", "+prefix)
}

// store: the order of the rows in the staging table is that of the batch, for a
// scan of a table that one COPY has filled gives them as they came; so of two
// events with one key the first is inserted.
func (k *postgresKeeper) store(ctx context.Context, c *session, events []activity.Event) (res storage.WriteResult, err error) {
	if len(events) == 0 {
		return res, nil
	}
	if err := k.stage(ctx, c, events); err != nil {
		return res, fmt.Errorf("copy: %w", err)
	}
	b := &builder{dialect: k.dialect}
	b.add("UPDATE store_state SET last_stored_ns = greatest(last_stored_ns, ", b.arg(k.now().UnixNano()), ") + ", b.arg(len(events)), " RETURNING last_stored_ns")
	last, err := c.number(ctx, b)
	if err != nil {
		return res, fmt.Errorf("take a place in the order of commits: %w", err)
	}
	base := last - int64(len(events))
	insert := &builder{dialect: k.dialect}
	insert.arg(base)
	inserted, err := c.change(ctx, insert.add(insertStatement))
	if err != nil {
		return res, fmt.Errorf("insert: %w", err)
	}
	res.Written, res.LastStoredNS = int(inserted), last
	if res.Written == len(events) {
		return res, nil
	}
	err = k.collisions(ctx, c, events, base, &res)
	return res, err
}

// stage copies the events into the staging table.
func (k *postgresKeeper) stage(ctx context.Context, c *session, events []activity.Event) error {
	k.copy.fill(events)
	return c.raw(func(conn any) error {
		pg, ok := conn.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("the database driver (%T) is not pgx", conn)
		}
		_, err := pg.Conn().PgConn().CopyFrom(ctx, &k.copy, copyStatement)
		return err
	})
}

// collisions tells duplicates from conflicts among the events that were not
// inserted, one stored row at a time.
func (k *postgresKeeper) collisions(ctx context.Context, c *session, events []activity.Event, base int64, res *storage.WriteResult) error {
	// The staging table has no statistics and no index: a join that reads it
	// and looks each key up is the one that is right for every size.
	for _, s := range []string{"SET LOCAL enable_hashjoin = off", "SET LOCAL enable_mergejoin = off"} {
		if err := c.exec(ctx, s); err != nil {
			return err
		}
	}
	b := &builder{dialect: k.dialect}
	b.arg(base)
	lo, hi := events[0].Datetime, events[0].Datetime // the months that are asked
	for i := range events {
		lo, hi = min(lo, events[i].Datetime), max(hi, events[i].Datetime)
	}
	b.arg(lo)
	b.arg(hi)
	taken := make([]bool, len(events))
	err := c.query(ctx, b.add(collisionStatement), func(row []driver.Value) error {
		position, _ := row[0].(int64)
		i := int(position) - 1
		var there activity.Event
		derived := readRow(row[1:], &there)
		taken[i] = true
		if len(derived) == 0 && activity.SameContent(&there, &events[i]) {
			res.Duplicates = append(res.Duplicates, i)
		} else {
			res.Conflicts = append(res.Conflicts, i)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the rows of keys that are there: %w", err)
	}
	if n := len(res.Duplicates) + len(res.Conflicts); n+res.Written != len(events) {
		return fmt.Errorf("%d of %d events were not inserted and %d rows with their keys can be read: %w",
			len(events)-res.Written, len(events), n, storage.ErrRetryable)
	}
	slices.Sort(res.Duplicates)
	slices.Sort(res.Conflicts)
	res.LastStoredNS = 0
	for i := range slices.Backward(taken) {
		if !taken[i] {
			res.LastStoredNS = base + int64(i) + 1
			break
		}
	}
	return nil
}

// serverError gives the error that the server sent; nil when it sent none.
func serverError(err error) *pgconn.PgError {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e
	}
	return nil
}
