package clickhouse

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// builder puts a statement together. Text comes from constants and column names
// of the field table; values only through the parameters of text and its
// siblings, which the server binds ({p0:String}).
type builder struct {
	sql  strings.Builder
	args []any
}

func (b *builder) add(parts ...string) *builder {
	for _, p := range parts {
		b.sql.WriteString(p)
	}
	return b
}

// bind gives the placeholder of a value.
func (b *builder) bind(typ string, v any) string {
	name := "p" + strconv.Itoa(len(b.args))
	b.args = append(b.args, ch.Named(name, v))
	return "{" + name + ":" + typ + "}"
}

func (b *builder) text(v string) string    { return b.bind("String", v) }
func (b *builder) texts(v []string) string { return b.bind("Array(String)", v) }
func (b *builder) int(v int64) string      { return b.bind("Int64", v) }
func (b *builder) ints(v []int64) string   { return b.bind("Array(Int64)", v) }

// id is a value to compare with the column id, whose order is that of bytes.
func (b *builder) id(id activity.ID) string {
	return "toFixedString(unhex(" + b.text(hex.EncodeToString(id[:])) + "), 16)"
}

func isInteger(f activity.Field) bool {
	t := f.Info().Type
	return t == activity.TypeInt || t == activity.TypeTime || t == activity.TypeOpt
}

// where adds the conditions of a query on rows: tenants, kinds, times, filters.
func (b *builder) where(scope activity.Scope, q *activity.Query) *builder {
	b.add(" WHERE 1")
	if !scope.All() {
		b.add(" AND tenant_id IN ", b.texts(scope.List()))
	}
	if len(q.Kinds) > 0 {
		kinds := make([]string, 0, len(q.Kinds))
		for _, k := range q.Kinds {
			kinds = append(kinds, "'"+k.String()+"'") // of our own five words
		}
		b.add(" AND kind IN (", strings.Join(slices.Compact(kinds), ", "), ")")
	}
	if q.From != 0 {
		b.add(" AND datetime_ns >= ", b.int(q.From))
	}
	if q.To != 0 {
		b.add(" AND datetime_ns <= ", b.int(q.To))
	}
	for i := range q.Filters {
		f := &q.Filters[i]
		either := make([]string, len(f.Fields))
		for j, field := range f.Fields {
			either[j] = b.condition(f, field)
		}
		b.add(" AND (", strings.Join(either, " OR "), ")")
	}
	return b
}

const never = "0"

func (b *builder) condition(f *activity.Filter, field activity.Field) string {
	switch f.Op {
	case activity.OpEqual, activity.OpIn:
		return b.equals(field, f)
	case activity.OpContains: // lower is about ASCII alone
		return "position(lower(" + field.String() + "), lower(" + b.text(f.Text[0]) + ")) > 0"
	case activity.OpAtLeast:
		return "ifNull(" + field.String() + " >= " + b.int(f.Int[0]) + ", 0)"
	case activity.OpAtMost:
		return "ifNull(" + field.String() + " <= " + b.int(f.Int[0]) + ", 0)"
	case activity.OpIsNull:
		return absent(field)
	case activity.OpNotNull:
		return "NOT (" + absent(field) + ")"
	}
	return never
}

// absent holds for the value that stands for "not known".
func absent(field activity.Field) string {
	switch field.Info().Type {
	case activity.TypeInt:
		return field.String() + " = 0"
	case activity.TypeOpt:
		return field.String() + " IS NULL"
	case activity.TypeTime, activity.TypeKind:
		return never
	case activity.TypeText, activity.TypeJSON, activity.TypeBytes:
	}
	switch field {
	case activity.FieldID:
		return never
	case activity.FieldTraceID, activity.FieldSpanID:
		return field.String() + " = " + zeros(field)
	}
	return field.String() + " = ''"
}

// zeros is the fixed string that stands for an absent trace or span.
func zeros(field activity.Field) string {
	if field == activity.FieldSpanID {
		return "toFixedString('', 8)"
	}
	return "toFixedString('', 16)"
}

// equals compares with any of the filter's values. A value that the column
// cannot hold matches nothing.
func (b *builder) equals(field activity.Field, f *activity.Filter) string {
	switch typ := field.Info().Type; {
	case typ == activity.TypeOpt:
		return "ifNull(" + b.anyInt(field, f.Int) + ", 0)"
	case isInteger(field):
		return b.anyInt(field, f.Int)
	case typ == activity.TypeKind:
		return "toString(kind) IN " + b.texts(f.Text)
	case typ == activity.TypeBytes:
		return b.anyBytes(field, f.Text)
	case len(f.Text) == 1:
		return field.String() + " = " + b.text(f.Text[0])
	}
	return field.String() + " IN " + b.texts(f.Text)
}

func (b *builder) anyInt(field activity.Field, vs []int64) string {
	if len(vs) == 1 {
		return field.String() + " = " + b.int(vs[0])
	}
	return field.String() + " IN " + b.ints(vs)
}

// anyBytes compares with values given as hex, an id as its dashed text; "" is
// absent.
func (b *builder) anyBytes(field activity.Field, texts []string) string {
	var either []string
	for _, s := range texts {
		raw, err := hex.DecodeString(s)
		switch {
		case s == "":
			either = append(either, absent(field))
		case field == activity.FieldID:
			if id, err := activity.ParseID(s); err == nil {
				either = append(either, "id = "+b.id(id))
			}
		case err != nil:
		case field == activity.FieldTraceID && len(raw) == 16, field == activity.FieldSpanID && len(raw) == 8:
			if strings.Trim(s, "0") != "" { // all zero is absent, and equal to nothing
				either = append(either, field.String()+" = toFixedString(unhex("+b.text(s)+"), "+strconv.Itoa(len(raw))+")")
			}
		case field == activity.FieldTraceID, field == activity.FieldSpanID:
		default:
			either = append(either, field.String()+" = unhex("+b.text(s)+")")
		}
	}
	if len(either) == 0 {
		return never
	}
	return "(" + strings.Join(either, " OR ") + ")"
}
