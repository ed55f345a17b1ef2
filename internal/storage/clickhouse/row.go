package clickhouse

import (
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// selectList names every column in the order that a row is read.
var selectList = columnList(activity.Fields())

func columnList(fs []activity.Field) string {
	names := make([]string, len(fs))
	for i, f := range fs {
		names[i] = f.String()
	}
	return strings.Join(names, ", ")
}

// row is the memory that the columns of selectList are read into.
type row struct {
	event   activity.Event
	kind    string
	opts    map[activity.Field]**int64
	raws    map[activity.Field]*string
	targets []any
}

func newRow() *row {
	r := &row{opts: map[activity.Field]**int64{}, raws: map[activity.Field]*string{}}
	for _, f := range activity.Fields() {
		switch f.Info().Type {
		case activity.TypeText, activity.TypeJSON:
			r.targets = append(r.targets, r.event.Text(f))
		case activity.TypeInt, activity.TypeTime:
			r.targets = append(r.targets, r.event.Int(f))
		case activity.TypeOpt:
			r.opts[f] = new(*int64)
			r.targets = append(r.targets, r.opts[f])
		case activity.TypeBytes:
			r.raws[f] = new(string)
			r.targets = append(r.targets, r.raws[f])
		case activity.TypeKind:
			r.targets = append(r.targets, &r.kind)
		}
	}
	return r
}

// read gives the event of the current row, and the columns that cannot be what
// the collector wrote.
func (r *row) read(rows driver.Rows) (storage.Record, error) {
	if err := rows.Scan(r.targets...); err != nil {
		return storage.Record{}, err
	}
	rec := storage.Record{Event: r.event}
	kind, ok := activity.ParseKind(r.kind)
	if !ok { // an enum that somebody widened
		rec.Derived = append(rec.Derived, activity.FieldKind.String())
	}
	rec.Kind = kind
	for f, p := range r.opts {
		*rec.Opt(f) = activity.OptInt64{}
		if *p != nil {
			*rec.Opt(f) = activity.Some(**p)
		}
	}
	for f, p := range r.raws {
		switch f {
		case activity.FieldIntegrityHash, activity.FieldIntegritySalts, activity.FieldIntegrityCommitments:
			if *p == "" {
				continue // nil, as it was written
			}
		}
		if !rec.SetBytes(f, []byte(*p)) {
			rec.Derived = append(rec.Derived, f.String())
		}
	}
	return rec, nil
}
