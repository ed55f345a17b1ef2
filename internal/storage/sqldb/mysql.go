package sqldb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

//go:embed schema/mysql/*.sql
var mysqlSchema embed.FS

// mysqlDialect is MariaDB and MySQL 8 through go-sql-driver/mysql.
type mysqlDialect struct{ logger *zap.Logger }

var _ dialect = (*mysqlDialect)(nil)

const mysqlTable = "activity_events"

func (*mysqlDialect) name() string           { return DriverMySQL }
func (*mysqlDialect) placeholder(int) string { return "?" }

// dataVersion: every list counts anew.
func (*mysqlDialect) dataVersion() string { return "" }

// contains folds the letters of ASCII only: the bytes are taken for those of a
// character set that has no other letters with two cases. Columns are binary,
// where LOWER does nothing. The text comes as utf8mb4, whatever is bound, and
// only by way of HEX are its bytes taken as they are.
func (*mysqlDialect) contains(column, placeholder string) string {
	fold := func(bytes string) string { return "LOWER(CONVERT(" + bytes + " USING geostd8)) COLLATE geostd8_bin" }
	return "LOCATE(" + fold("UNHEX(HEX("+placeholder+"))") + ", " + fold(column) + ") > 0"
}

// beyond is written out: neither MySQL nor MariaDB goes to its place in an
// index by a comparison of row values.
func (*mysqlDialect) beyond(b *builder, columns []string, op string, values []driver.Value) string {
	strict := op[:1]
	var s strings.Builder
	for i, column := range columns {
		if i < len(columns)-1 {
			s.WriteString("(" + column + " " + strict + " " + b.arg(values[i]) + " OR " + column + " = " + b.arg(values[i]) + " AND ")
			continue
		}
		s.WriteString(column + " " + op + " " + b.arg(values[i]))
	}
	s.WriteString(strings.Repeat(")", len(columns)-1))
	return s.String()
}

// during lets the server leave out partitions.
func (*mysqlDialect) during(b *builder, lo, hi int64) string {
	return " AND datetime_ns BETWEEN " + b.arg(lo) + " AND " + b.arg(hi)
}

// source is always the whole table: the time of a segment is a condition, so
// that a partition made or dropped since the catalogue was read does no harm.
func (*mysqlDialect) source(_, index string) string {
	if index == "" {
		return mysqlTable
	}
	return mysqlTable + " FORCE INDEX (activity_" + index + ")"
}

func (*mysqlDialect) hasIndex(string) bool { return true }

// driving finds objects by a hash: the ids of two objects seldom begin alike,
// and entries of 16 bytes keep the index small whatever the ids are.
func (*mysqlDialect) driving(field activity.Field, value driver.Value) (column string, v driver.Value) {
	if text, ok := value.(string); ok && field == activity.FieldObjectID {
		sum := sha256.Sum256([]byte(text))
		return "object_hash", sum[:16]
	}
	return field.String(), value
}

// catalogue gives the partitions. Their ranges adjoin and cover the whole of time.
func (d *mysqlDialect) catalogue(ctx context.Context, c *session) (catalogue, error) {
	return d.segments(ctx, c.conn)
}

// adjoined fills what a list leaves out, so that nobody hides events by changing
// it. What the added ranges hold, and when that was stored, is not known.
func adjoined(listed catalogue) catalogue {
	out := make(catalogue, 0, len(listed)+1)
	end := int64(math.MinInt64)
	fill := func(to int64) {
		if end < to {
			out = append(out, segment{name: fmt.Sprintf("*%d", end), lo: end, hi: to, firstStored: 1, lastStored: math.MaxInt64})
			end = to
		}
	}
	for i := range listed {
		seg := listed[i]
		fill(seg.lo)
		if seg.lo = end; seg.lo < seg.hi { // else the one before has all of it
			out = append(out, seg)
			end = seg.hi
		}
	}
	fill(math.MaxInt64)
	return out
}

func (*mysqlDialect) segments(ctx context.Context, db execer) (out catalogue, err error) {
	rows, err := db.QueryContext(ctx, "SELECT name, lo_ns, hi_ns, first_stored_ns, last_stored_ns FROM segments ORDER BY lo_ns")
	if err != nil {
		return nil, fmt.Errorf("read the list of partitions: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var seg segment
		if err := rows.Scan(&seg.name, &seg.lo, &seg.hi, &seg.firstStored, &seg.lastStored); err != nil {
			return nil, fmt.Errorf("read the list of partitions: %w", err)
		}
		out = append(out, seg)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the list of partitions: %w", err)
	}
	return adjoined(out), nil
}

// byID is one range: an id is looked up in every partition by one query. Its
// name is no partition's.
func (*mysqlDialect) byID(segs catalogue) catalogue {
	if len(segs) == 0 {
		return nil
	}
	return catalogue{{name: "*", lo: segs[0].lo, hi: segs[len(segs)-1].hi}}
}

func (*mysqlDialect) byStored(segs catalogue) catalogue { return segs }

func (*mysqlDialect) begin(writes bool) string {
	if writes {
		return "START TRANSACTION"
	}
	return "START TRANSACTION READ ONLY"
}

// convert makes text of what is text: the driver gives bytes for every column
// that is no number, in a buffer that it uses again.
func (*mysqlDialect) convert(columns []string) func([]driver.Value) error {
	binary := make([]bool, len(columns))
	for i, name := range columns {
		f, ok := activity.FieldByName(name)
		binary[i] = ok && f.Info().Type == activity.TypeBytes
	}
	return func(row []driver.Value) error {
		for i, v := range row {
			raw, ok := v.([]byte)
			switch {
			case !ok:
			case binary[i]:
				row[i] = bytes.Clone(raw)
			default:
				row[i] = string(raw)
			}
		}
		return nil
	}
}

func (d *mysqlDialect) schema() (*schema, error) {
	return &schema{
		files: mysqlSchema, dir: "schema/mysql", versionTables: versionTables(),
		lock: func(ctx context.Context, conn execer) (func(context.Context) error, error) {
			return d.lockSchema(ctx, conn, migrationWait)
		},
		finish: func(ctx context.Context, tx execer, _ []string) error {
			return d.classify(d.settle(ctx, tx, time.Now()))
		},
	}, nil
}
