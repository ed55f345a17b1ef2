package sqldb

import (
	"database/sql/driver"
	"slices"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// selectList names every column in the order that readRow expects.
var selectList = columnList(activity.Fields())

func columnList(fs []activity.Field) string {
	names := make([]string, len(fs))
	for i, f := range fs {
		names[i] = f.String()
	}
	return strings.Join(names, ", ")
}

// storedColumn is where selectList has the row id.
var storedColumn = slices.Index(activity.Fields(), activity.FieldStoredNS)

// value gives a column of an event as the database holds it: what is not known
// is nil, so that zero-length text is never stored.
func value(e *activity.Event, f activity.Field) driver.Value {
	switch f.Info().Type {
	case activity.TypeText, activity.TypeJSON:
		if s := *e.Text(f); s != "" || f == activity.FieldTenantID {
			return s
		}
	case activity.TypeInt:
		if n := *e.Int(f); n != 0 {
			return n
		}
	case activity.TypeTime:
		return *e.Int(f)
	case activity.TypeOpt:
		if o := e.Opt(f); o.Valid {
			return o.Value
		}
	case activity.TypeBytes:
		if b := e.Bytes(f); len(b) > 0 {
			return b
		}
	case activity.TypeKind:
		return e.Kind.String()
	}
	return nil
}

// readRow fills an event from a row of selectList and gives the columns whose
// value is not of their type: somebody edited them by hand, and the row must
// still be named.
func readRow(row []driver.Value, e *activity.Event) (derived []string) {
	for i, f := range activity.Fields() {
		if row[i] != nil && !setColumn(e, f, row[i]) {
			derived = append(derived, f.String())
		}
	}
	return derived
}

// setColumn sets a column from what the database gave, and reports false when
// the value is not one the column can hold.
func setColumn(e *activity.Event, f activity.Field, v any) bool {
	switch x := v.(type) {
	case string:
		return setText(e, f, x)
	case int64:
		if p := e.Int(f); p != nil {
			*p = x
			return true
		}
		if p := e.Opt(f); p != nil {
			*p = activity.Some(x)
			return true
		}
	case []byte:
		return f.Info().Type == activity.TypeBytes && len(x) > 0 && e.SetBytes(f, x)
	}
	return false
}

func setText(e *activity.Event, f activity.Field, s string) bool {
	if f == activity.FieldKind {
		k, ok := activity.ParseKind(s)
		e.Kind = k
		return ok && s == k.String()
	}
	p := e.Text(f)
	if p == nil {
		return false
	}
	*p = s
	return s != "" || f == activity.FieldTenantID
}
