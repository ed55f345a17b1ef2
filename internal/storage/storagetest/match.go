package storagetest

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// ComparePositions gives how a and b stand in the order: negative when a comes
// first.
func ComparePositions(o activity.Order, a, b activity.Position) int {
	c := cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.Datetime, b.Datetime), slices.Compare(a.ID[:], b.ID[:]))
	if o.Ascending() {
		return c
	}
	return -c
}

// Matches reports whether the query's conditions hold for the event. Order,
// position and limit are not looked at, except that an order over response time
// leaves out events without one.
func Matches(q *activity.Query, e *activity.Event) bool {
	if len(q.Kinds) > 0 && !slices.Contains(q.Kinds, e.Kind) ||
		q.From != 0 && e.Datetime < q.From || q.To != 0 && e.Datetime > q.To ||
		q.Order.ByResponseTime() && !e.ResponseTimeUS.Valid {
		return false
	}
	for i := range q.Filters {
		f := &q.Filters[i]
		if !slices.ContainsFunc(f.Fields, func(field activity.Field) bool { return holds(f, field, e) }) {
			return false
		}
	}
	return true
}

func holds(f *activity.Filter, field activity.Field, e *activity.Event) bool {
	text, present := valueText(e, field)
	n, hasNumber := valueInt(e, field)
	switch f.Op {
	case activity.OpEqual, activity.OpIn:
		if isNumber(field) {
			return hasNumber && slices.Contains(f.Int, n)
		}
		return slices.Contains(f.Text, text)
	case activity.OpContains:
		return strings.Contains(lowerASCII(text), lowerASCII(f.Text[0]))
	case activity.OpAtLeast:
		return hasNumber && n >= f.Int[0]
	case activity.OpAtMost:
		return hasNumber && n <= f.Int[0]
	case activity.OpIsNull:
		return !present
	case activity.OpNotNull:
		return present
	}
	return false
}

// valueText gives a field as text, "" and false when it has no value.
func valueText(e *activity.Event, field activity.Field) (text string, present bool) {
	switch field.Info().Type {
	case activity.TypeText, activity.TypeJSON:
		text = *e.Text(field)
	case activity.TypeInt, activity.TypeTime, activity.TypeOpt:
		n, ok := valueInt(e, field)
		if !ok || n == 0 && field.Info().Type == activity.TypeInt {
			return "", false
		}
		text = strconv.FormatInt(n, 10)
	case activity.TypeBytes:
		if field == activity.FieldID {
			return e.ID.String(), true
		}
		text = hex.EncodeToString(e.Bytes(field))
	case activity.TypeKind:
		text = e.Kind.String()
	}
	return text, text != ""
}

// valueInt gives a number field; false for another field and an absent value.
func valueInt(e *activity.Event, field activity.Field) (n int64, ok bool) {
	if p := e.Int(field); p != nil {
		return *p, true
	}
	if p := e.Opt(field); p != nil {
		return p.Value, p.Valid
	}
	return 0, false
}

func isNumber(field activity.Field) bool {
	switch field.Info().Type {
	case activity.TypeInt, activity.TypeTime, activity.TypeOpt:
		return true
	case activity.TypeText, activity.TypeJSON, activity.TypeBytes, activity.TypeKind:
	}
	return false
}

func isText(field activity.Field) bool {
	t := field.Info().Type
	return t == activity.TypeText || t == activity.TypeJSON
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// checkQuery refuses what has no meaning.
func checkQuery(q *activity.Query) error {
	ok := q.From >= 0 && q.To >= 0 && q.Order <= activity.FastestFirst
	for _, k := range q.Kinds {
		ok = ok && k.Valid()
	}
	for i := range q.Filters {
		f := &q.Filters[i]
		ok = ok && len(f.Fields) > 0
		for _, field := range f.Fields {
			ok = ok && field.String() != "" && meaningful(f, field)
		}
	}
	if !ok {
		return fmt.Errorf("%w query %+v", activity.ErrInvalid, *q)
	}
	return nil
}

func meaningful(f *activity.Filter, field activity.Field) bool {
	values := len(f.Text)
	if isNumber(field) {
		values = len(f.Int)
	}
	switch f.Op {
	case activity.OpEqual:
		return values == 1
	case activity.OpIn:
		return values >= 1 && values <= activity.MaxIn
	case activity.OpContains:
		return len(f.Text) == 1 && isText(field)
	case activity.OpAtLeast, activity.OpAtMost:
		return len(f.Int) == 1 && isNumber(field)
	case activity.OpIsNull, activity.OpNotNull:
		return true
	}
	return false
}
