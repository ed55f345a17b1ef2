package clickhouse

import (
	"fmt"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// chunk is how many events are taken apart at a time: their structs stay in the
// processor's cache while each column walks over them.
const chunk = 256

// alwaysSent are the columns of every insert. The others are sent when an event
// of the insert has a value; the server fills in what "not known" is.
var alwaysSent = []activity.Field{
	activity.FieldTenantID, activity.FieldKind, activity.FieldDatetime, activity.FieldID, activity.FieldReceivedAt, activity.FieldStoredNS,
}

// wireType is the type in which a column crosses the wire. The table has
// LowCardinality(String) where the wire has String: the server builds the
// dictionaries faster than the client can.
func wireType(f activity.Field) string {
	switch f.Info().Type {
	case activity.TypeText, activity.TypeJSON:
		return "String"
	case activity.TypeInt, activity.TypeTime:
		return "Int64"
	case activity.TypeOpt:
		return "Nullable(Int64)"
	case activity.TypeKind:
		return "Enum8('crud' = 1, 'login' = 2, 'request' = 3, 'cors' = 4, 'system' = 5)"
	case activity.TypeBytes:
	}
	switch f {
	case activity.FieldID, activity.FieldTraceID:
		return "FixedString(16)"
	case activity.FieldSpanID:
		return "FixedString(8)"
	}
	return "String"
}

// columnsOf gives the columns that an insert of the events names, in the order
// of the field table.
func columnsOf(events []*activity.Event) []activity.Field {
	all := activity.Fields()
	var sent [256]bool
	for _, f := range alwaysSent {
		sent[f] = true
	}
	for _, e := range events {
		for _, f := range all {
			if !sent[f] && known(e, f) {
				sent[f] = true
			}
		}
	}
	out := make([]activity.Field, 0, len(all))
	for _, f := range all {
		if sent[f] {
			out = append(out, f)
		}
	}
	return out
}

// known reports whether the event has a value that is not the column's default.
func known(e *activity.Event, f activity.Field) bool {
	switch f.Info().Type {
	case activity.TypeText, activity.TypeJSON:
		return *e.Text(f) != ""
	case activity.TypeInt, activity.TypeTime:
		return *e.Int(f) != 0
	case activity.TypeOpt:
		return e.Opt(f).Valid
	case activity.TypeBytes:
		return len(e.Bytes(f)) > 0
	case activity.TypeKind:
	}
	return true
}

func wireColumns(fields []activity.Field) []ch.ColumnNameAndType {
	out := make([]ch.ColumnNameAndType, len(fields))
	for i, f := range fields {
		out[i] = ch.ColumnNameAndType{Name: f.String(), Type: wireType(f)}
	}
	return out
}

// block takes events apart into columns. Its memory is used again.
type block struct {
	texts   [chunk]string
	ints    [chunk]int64
	opts    [chunk]*int64
	raws    [chunk][]byte
	columns []driver.BatchColumn
}

// fill appends the events to a batch whose columns are the fields.
func (b *block) fill(batch driver.Batch, fields []activity.Field, events []*activity.Event) error {
	b.columns = b.columns[:0]
	for i := range fields {
		b.columns = append(b.columns, batch.Column(i))
	}
	for len(events) > 0 {
		n := min(chunk, len(events))
		for i, f := range fields {
			if err := b.columns[i].Append(b.gather(f, events[:n])); err != nil {
				return fmt.Errorf("column %s: %w", f, err)
			}
		}
		events = events[n:]
	}
	return nil
}

// gather gives one column of at most chunk events, as a slice the driver takes
// without looking at each value's type.
func (b *block) gather(f activity.Field, events []*activity.Event) any {
	n := len(events)
	switch f.Info().Type {
	case activity.TypeText, activity.TypeJSON:
		for i, e := range events {
			b.texts[i] = *e.Text(f)
		}
		return b.texts[:n]
	case activity.TypeInt, activity.TypeTime:
		for i, e := range events {
			b.ints[i] = *e.Int(f)
		}
		return b.ints[:n]
	case activity.TypeOpt:
		for i, e := range events {
			b.opts[i] = nil
			if o := e.Opt(f); o.Valid {
				b.opts[i] = &o.Value
			}
		}
		return b.opts[:n]
	case activity.TypeKind:
		for i, e := range events {
			b.texts[i] = e.Kind.String()
		}
		return b.texts[:n]
	case activity.TypeBytes:
	}
	for i, e := range events {
		b.raws[i] = e.Bytes(f)
	}
	return b.raws[:n]
}

// release lets go of what the memory points at.
func (b *block) release() {
	clear(b.texts[:])
	clear(b.opts[:])
	clear(b.raws[:])
	clear(b.columns)
}
