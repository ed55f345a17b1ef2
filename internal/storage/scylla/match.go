package scylla

import (
	"encoding/hex"
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// matches tests the conditions that no key answers. Kinds, times and tenants
// are in every key.
func matches(filters []activity.Filter, e *activity.Event) bool {
	for i := range filters {
		f := &filters[i]
		if !slices.ContainsFunc(f.Fields, func(field activity.Field) bool { return holds(f, field, e) }) {
			return false
		}
	}
	return true
}

// holds tests a condition that storage.CheckQuery has let through.
func holds(f *activity.Filter, field activity.Field, e *activity.Event) bool {
	switch field.Info().Type {
	case activity.TypeInt, activity.TypeTime:
		n := *e.Int(field)
		return holdsNumber(f, n, n != 0 || field.Info().Type == activity.TypeTime, true)
	case activity.TypeOpt:
		o := e.Opt(field)
		return holdsNumber(f, o.Value, o.Valid, o.Valid)
	case activity.TypeText, activity.TypeJSON, activity.TypeBytes, activity.TypeKind:
	}
	text := textOf(e, field)
	switch f.Op {
	case activity.OpEqual, activity.OpIn:
		return slices.ContainsFunc(f.Text, func(wanted string) bool { return canonicalText(field, wanted) == text })
	case activity.OpIsNull:
		return text == ""
	case activity.OpNotNull:
		return text != ""
	case activity.OpContains, activity.OpAtLeast, activity.OpAtMost: // refused before
	}
	return false
}

// holdsNumber compares a number that is known. One that is not present all the
// same is the 0 that stands for "not known".
func holdsNumber(f *activity.Filter, n int64, present, known bool) bool {
	switch f.Op {
	case activity.OpEqual, activity.OpIn:
		return known && slices.Contains(f.Int, n)
	case activity.OpAtLeast:
		return known && n >= f.Int[0]
	case activity.OpAtMost:
		return known && n <= f.Int[0]
	case activity.OpIsNull:
		return !present
	case activity.OpNotNull:
		return present
	case activity.OpContains: // refused before
	}
	return false
}

func textOf(e *activity.Event, field activity.Field) string {
	switch {
	case field == activity.FieldKind:
		return e.Kind.String()
	case field == activity.FieldID:
		return e.ID.String()
	case field.Info().Type == activity.TypeBytes:
		return hex.EncodeToString(e.Bytes(field))
	}
	return *e.Text(field)
}

// canonicalText writes an id as textOf does.
func canonicalText(field activity.Field, wanted string) string {
	if field == activity.FieldID {
		if id, err := activity.ParseID(wanted); err == nil {
			return id.String()
		}
	}
	return wanted
}
