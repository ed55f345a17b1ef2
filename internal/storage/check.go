package storage

import (
	"fmt"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// What every driver refuses before it asks its database, so that no condition
// is skipped. Each error wraps activity.ErrInvalid.

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{activity.ErrInvalid}, args...)...)
}

// CheckPage refuses a query that no page answers.
func CheckPage(q *activity.Query) error {
	if q.Limit < 1 || q.Limit > activity.MaxLimit {
		return invalid("a page has 1 to %d events, not %d", activity.MaxLimit, q.Limit)
	}
	if q.Offset < 0 || q.Offset+q.Limit > activity.MaxOffset {
		return invalid("offset and limit reach at most %d events: continue from a position instead", activity.MaxOffset)
	}
	return CheckQuery(q)
}

// CheckQuery refuses conditions and orders that have no meaning.
func CheckQuery(q *activity.Query) error {
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
		f := &q.Filters[i]
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
	}
	return nil
}

func checkCondition(f *activity.Filter, field activity.Field) error {
	text, integer := false, false
	switch field.Info().Type {
	case activity.TypeText, activity.TypeJSON:
		text = true
	case activity.TypeInt, activity.TypeTime, activity.TypeOpt:
		integer = true
	case activity.TypeBytes, activity.TypeKind:
	}
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
		if len(f.Text) != 1 || !text {
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

// CheckCount refuses a count without a limit, and what CheckQuery refuses.
func CheckCount(q *activity.Query, limit int64) error {
	if limit < 1 {
		return invalid("the limit of a count is at least 1")
	}
	return CheckQuery(q)
}

// CheckFeed refuses a feed that is too long.
func CheckFeed(limit int) error {
	if limit < 1 || limit > activity.MaxLimit {
		return invalid("a feed gives 1 to %d events, not %d", activity.MaxLimit, limit)
	}
	return nil
}

// CheckGroupBy refuses an aggregate that has no meaning or no bound.
func CheckGroupBy(q *activity.Query, by *activity.GroupBy) error {
	if len(by.Fields) < 1 || len(by.Fields) > 3 {
		return invalid("an aggregate has 1 to 3 fields, not %d", len(by.Fields))
	}
	for _, f := range by.Fields {
		if f.String() == "" {
			return invalid("field %d is unknown", f)
		}
	}
	if by.Top < 1 || by.Top > activity.MaxGroups {
		return invalid("an aggregate gives 1 to %d groups, not %d", activity.MaxGroups, by.Top)
	}
	return CheckQuery(q)
}

// Query gives what the retention selects, oldest first.
func (r *Retention) Query() (activity.Query, error) {
	q := activity.Query{Kinds: r.Kinds, To: r.Before - 1, Order: activity.OldestFirst}
	if r.Before <= 0 || r.Limit < 1 || r.Limit > MaxDeleteBatch {
		return q, invalid("retention needs a time and a limit of 1 to %d", MaxDeleteBatch)
	}
	err := CheckQuery(&q)
	return q, err
}

// Query gives what the erasure selects, oldest first.
func (e *Erasure) Query() (activity.Query, error) {
	q := activity.Query{Order: activity.OldestFirst}
	if e.Limit < 1 || e.Limit > MaxDeleteBatch {
		return q, invalid("an erasure has a limit of 1 to %d", MaxDeleteBatch)
	}
	if e.Group != activity.GroupPersonal && e.Group != activity.GroupContent {
		return q, invalid("only the personal and the content group can be erased")
	}
	object := e.ObjectID != "" && e.ContentType != ""
	if (e.UserID != "") == object || !object && e.ObjectID+e.ContentType != "" {
		return q, invalid("an erasure names a user, or an object by content type and id")
	}
	equal := func(f activity.Field, v string) activity.Filter {
		return activity.Filter{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{v}}
	}
	if object {
		q.Filters = []activity.Filter{equal(activity.FieldObjectID, e.ObjectID), equal(activity.FieldContentType, e.ContentType)}
	} else {
		q.Filters = []activity.Filter{equal(activity.FieldUserID, e.UserID)}
	}
	return q, nil
}
