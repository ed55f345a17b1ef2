package sqldb

import (
	"context"
	"database/sql/driver"
	"embed"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

//go:embed schema/postgres/*.sql
var postgresSchema embed.FS

// postgresTable is cut into months by PostgreSQL, by datetime_ns.
const postgresTable = "activity_events"

// postgresDialect is PostgreSQL 13 or later through pgx. It has no hints: that
// the plans are those of the indexes is made likely by the settings of a
// connection (postgres_open.go), and tested.
type postgresDialect struct {
	config *PostgresConfig
	logger *zap.Logger
}

func (*postgresDialect) name() string { return DriverPostgres }

func (*postgresDialect) placeholder(n int) string { return "$" + strconv.Itoa(n) }

// dataVersion: every list counts anew.
func (*postgresDialect) dataVersion() string { return "" }

// The C collation folds ASCII only.
func (*postgresDialect) contains(column, placeholder string) string {
	return `strpos(lower(` + column + ` COLLATE "C"), lower(` + placeholder + `::text COLLATE "C")) > 0`
}

// beyond is a comparison of row values. Where they begin with the time, the time
// is compared alone as well: by that, months are left out. An id that is no UUID
// is an end of the range of all ids, so the columns before it decide.
func (d *postgresDialect) beyond(b *builder, columns []string, op string, values []driver.Value) string {
	last := len(values) - 1
	if id, ok := values[last].([]byte); ok && len(id) != len(activity.ID{}) {
		below := len(id) == 0
		columns, values = columns[:last], values[:last]
		switch {
		case op[0] == '<' && below:
			op = "<"
		case op[0] == '<':
			op = "<="
		case below:
			op = ">="
		default:
			op = ">"
		}
	}
	marks := make([]string, len(values))
	for i, v := range values {
		marks[i] = b.arg(v)
	}
	if len(columns) == 1 {
		return columns[0] + " " + op + " " + marks[0]
	}
	condition := "(" + strings.Join(columns, ", ") + ") " + op + " (" + strings.Join(marks, ", ") + ")"
	if columns[0] == activity.FieldDatetime.String() {
		condition = columns[0] + " " + op[:1] + "= " + marks[0] + " AND " + condition
	}
	return condition
}

func (*postgresDialect) during(b *builder, lo, hi int64) string {
	return " AND datetime_ns BETWEEN " + b.arg(lo) + " AND " + b.arg(hi)
}

func (*postgresDialect) source(string, string) string { return postgresTable }

// wholeTable is the segment of everything.
func wholeTable() catalogue {
	return catalogue{{name: "all", lo: math.MinInt64, hi: math.MaxInt64, lastStored: math.MaxInt64}}
}

// byID and byStored: one query over all months, each of which is asked for a few
// entries of an index.
func (*postgresDialect) byID(catalogue) catalogue { return wholeTable() }

func (*postgresDialect) byStored(catalogue) catalogue { return wholeTable() }

func (*postgresDialect) hasIndex(string) bool { return true }

func (*postgresDialect) driving(field activity.Field, value driver.Value) (column string, v driver.Value) {
	return field.String(), value
}

// begin: a read sees one snapshot in all its statements; a writer waits for
// others by the lock of store_state and has to see what they have done.
func (*postgresDialect) begin(writes bool) string {
	if writes {
		return "BEGIN ISOLATION LEVEL READ COMMITTED"
	}
	return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
}

// convert: pgx gives a UUID as text, and every other type as we have it.
func (*postgresDialect) convert(columns []string) func([]driver.Value) error {
	at := slices.Index(columns, activity.FieldID.String())
	if at < 0 {
		return nil
	}
	return func(row []driver.Value) error {
		text, _ := row[at].(string) // the column is never null
		id, err := uuid.Parse(text)
		if err != nil {
			return fmt.Errorf("read an id: %w", err)
		}
		row[at] = id[:]
		return nil
	}
}

func (d *postgresDialect) schema() (*schema, error) {
	name := d.config.Schema
	return &schema{
		files: postgresSchema, dir: "schema/postgres", versionTables: versionTables(),
		preamble: []string{"CREATE SCHEMA IF NOT EXISTS " + name, "SET search_path = " + name + ", pg_temp"},
		lock: func(ctx context.Context, tx execer) (func(context.Context) error, error) {
			return func(context.Context) error { return nil }, lockPostgresSchema(ctx, tx, name)
		},
		epilogue: d.parsedStatements(),
		finish: func(ctx context.Context, tx execer, _ []string) error {
			if err := d.addParsed(ctx, tx); err != nil {
				return err
			}
			return d.moveStrays(ctx, tx, time.Now())
		},
	}, nil
}

// lockPostgresSchema keeps other processes from migrating until the transaction
// ends, and makes the schema. A lock and a migration may take their time.
func lockPostgresSchema(ctx context.Context, tx execer, name string) error {
	for _, s := range []string{"SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0"} {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "activitylog schema "+name); err != nil {
		return err
	}
	var there bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", name).Scan(&there); err != nil || there {
		return err
	}
	_, err := tx.ExecContext(ctx, "CREATE SCHEMA "+name) // its name is one that the configuration checks
	return err
}
