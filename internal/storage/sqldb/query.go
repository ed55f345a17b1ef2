package sqldb

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// builder puts a statement together. Text comes from constants, column names of
// the field table and segment names; values only through arg.
type builder struct {
	dialect dialect
	sql     strings.Builder
	args    []driver.NamedValue
}

func (b *builder) add(parts ...string) *builder {
	for _, p := range parts {
		b.sql.WriteString(p)
	}
	return b
}

// arg binds a value and gives its placeholder.
func (b *builder) arg(v driver.Value) string {
	b.args = bind(b.args, v)
	return b.dialect.placeholder(len(b.args))
}

// exec runs the statement once, on a connection or in a transaction.
func (b *builder) exec(ctx context.Context, on execer) error {
	args := make([]any, len(b.args))
	for i := range b.args {
		args[i] = b.args[i].Value
	}
	_, err := on.ExecContext(ctx, b.sql.String(), args...)
	return err
}

// list binds values as "(?, ?)".
func (b *builder) list(vs []driver.Value) string {
	marks := make([]string, len(vs))
	for i, v := range vs {
		marks[i] = b.arg(v)
	}
	return "(" + strings.Join(marks, ", ") + ")"
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{activity.ErrInvalid}, args...)...)
}

// checkFilters refuses what has no meaning, so that no condition is skipped.
func checkFilters(q *activity.Query) error {
	for _, k := range q.Kinds {
		if !k.Valid() {
			return invalid("kind %d is unknown", k)
		}
	}
	if q.From < 0 || q.To < 0 {
		return invalid("from and to are Unix nanoseconds, 0 = open")
	}
	if q.Order > activity.FastestFirst {
		return invalid("order %d is unknown", q.Order)
	}
	for i := range q.Filters {
		if err := checkFilter(&q.Filters[i]); err != nil {
			return err
		}
	}
	return nil
}

func checkFilter(f *activity.Filter) error {
	if len(f.Fields) == 0 {
		return invalid("a filter needs a field")
	}
	for _, field := range f.Fields {
		if field.String() == "" {
			return invalid("field %d is unknown", field)
		}
		if err := checkCondition(f, field); err != nil {
			return err
		}
	}
	return nil
}

func checkCondition(f *activity.Filter, field activity.Field) error {
	integer := isInteger(field)
	n := len(f.Text)
	if integer {
		n = len(f.Int)
	}
	switch f.Op {
	case activity.OpEqual:
		if n != 1 {
			return invalid("%s: an equality has one value", field)
		}
	case activity.OpIn:
		if n < 1 || n > activity.MaxIn {
			return invalid("%s: a list has 1 to %d values", field, activity.MaxIn)
		}
	case activity.OpContains:
		if len(f.Text) != 1 || !isText(field) {
			return invalid("%s: contains takes one text and a text field", field)
		}
	case activity.OpAtLeast, activity.OpAtMost:
		if len(f.Int) != 1 || !integer {
			return invalid("%s: a bound takes one number and a number field", field)
		}
	case activity.OpIsNull, activity.OpNotNull:
	default:
		return invalid("%s: comparison %d is unknown", field, f.Op)
	}
	return nil
}

func isText(f activity.Field) bool {
	t := f.Info().Type
	return t == activity.TypeText || t == activity.TypeJSON
}

func isInteger(f activity.Field) bool {
	t := f.Info().Type
	return t == activity.TypeInt || t == activity.TypeTime || t == activity.TypeOpt
}

// where adds " AND condition" for each filter.
func (b *builder) where(filters []activity.Filter) {
	for i := range filters {
		f := &filters[i]
		either := make([]string, len(f.Fields))
		for j, field := range f.Fields {
			either[j] = b.condition(f, field)
		}
		b.add(" AND (", strings.Join(either, " OR "), ")")
	}
}

const never = "1 = 0"

func (b *builder) condition(f *activity.Filter, field activity.Field) string {
	switch f.Op {
	case activity.OpEqual, activity.OpIn:
		return b.equals(field, f)
	case activity.OpContains:
		return b.dialect.contains(field.String(), b.arg(f.Text[0]))
	case activity.OpAtLeast:
		return number(field) + " >= " + b.arg(f.Int[0])
	case activity.OpAtMost:
		return number(field) + " <= " + b.arg(f.Int[0])
	case activity.OpIsNull:
		return nullCondition(field, true)
	case activity.OpNotNull:
		return nullCondition(field, false)
	}
	return never
}

// equals compares with any of the filter's values; the empty text and, where 0
// is "not known", the number 0 are null.
func (b *builder) equals(field activity.Field, f *activity.Filter) string {
	vs, orNull := wanted(field, f)
	var either []string
	if orNull {
		either = append(either, nullCondition(field, true))
	}
	switch len(vs) {
	case 0:
	case 1:
		either = append(either, field.String()+" = "+b.arg(vs[0]))
	default:
		either = append(either, field.String()+" IN "+b.list(vs))
	}
	if len(either) == 0 {
		return never
	}
	return "(" + strings.Join(either, " OR ") + ")"
}

// wanted gives the column values that an equality filter asks for, and whether
// null is one of them. A value that the column cannot hold matches nothing.
func wanted(field activity.Field, f *activity.Filter) (vs []driver.Value, orNull bool) {
	zeroIsNull := field.Info().Type == activity.TypeInt
	if isInteger(field) {
		for _, n := range f.Int {
			if n == 0 && zeroIsNull {
				orNull = true
				continue
			}
			vs = append(vs, n)
		}
		return vs, orNull
	}
	for _, s := range f.Text {
		switch {
		case field == activity.FieldTenantID || field == activity.FieldKind:
			vs = append(vs, s)
		case s == "":
			orNull = true
		case field == activity.FieldID:
			if id, err := activity.ParseID(s); err == nil {
				vs = append(vs, id[:])
			}
		case field.Info().Type == activity.TypeBytes:
			if raw, err := hex.DecodeString(s); err == nil {
				vs = append(vs, raw)
			}
		default:
			vs = append(vs, s)
		}
	}
	return vs, orNull
}

// number gives the column as a number to compare: an absent TypeInt is 0.
func number(field activity.Field) string {
	if field.Info().Type == activity.TypeInt {
		return "COALESCE(" + field.String() + ", 0)"
	}
	return field.String()
}

func nullCondition(field activity.Field, null bool) string {
	empty := field == activity.FieldTenantID
	switch {
	case empty && null:
		return field.String() + " = ''"
	case empty:
		return field.String() + " <> ''"
	case null:
		return field.String() + " IS NULL"
	}
	return field.String() + " IS NOT NULL"
}

// kindWords gives the kinds as the column holds them; nil = every kind.
func kindWords(kinds []activity.Kind) []string {
	var out []string
	for _, k := range kinds {
		if w := k.String(); !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
