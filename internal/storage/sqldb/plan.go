package sqldb

import (
	"database/sql/driver"
	"reflect"
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// plan says which index a query reads, in the query's order, and which
// conditions are left to test on the rows it names.
type plan struct {
	index string
	// column before kind in the index, with one stream for each value; "" for
	// the index over time alone.
	column string
	values []driver.Value
	// fixed is a condition that the index is made for, as constant text.
	fixed string
	// ordered are the columns of the order, in the index after the kind.
	ordered  []string
	residual []activity.Filter
	// inRows bounds datetime among the residual conditions, where the order
	// does not begin with it.
	from, to int64
	inRows   bool
}

// The indexes that equality filters choose from, the most selective first.
var drivingColumns = []struct {
	field activity.Field
	index string
}{
	{activity.FieldObjectID, "object"},
	{activity.FieldUserID, "user"},
	{activity.FieldRemoteIP, "addr"},
}

// keyIndex begins with the id. It holds the tenant and not the kind, which is
// tested on the few rows of an id.
const keyIndex = "key"

// timeIndex holds every event in the order of lists.
const timeIndex = "time"

// maxDrivingValues bounds the streams that a list of values opens.
const maxDrivingValues = 20

func makePlan(d dialect, q *activity.Query) plan {
	p := plan{index: timeIndex, ordered: []string{"datetime_ns", "id"}, residual: q.Filters, from: q.From, to: q.To}
	if q.Order.ByResponseTime() {
		p.index, p.ordered = "slow", []string{"response_time_us", "datetime_ns", "id"}
		p.fixed, p.inRows = " AND response_time_us IS NOT NULL", true
	}
	// Few events share an id: there is no order they could not be sorted in.
	if p.drive(d, q.Filters, activity.FieldID, keyIndex) || q.Order.ByResponseTime() {
		return p
	}
	for _, c := range drivingColumns {
		if d.hasIndex(c.index) && p.drive(d, q.Filters, c.field, c.index) {
			return p
		}
	}
	for i := range q.Filters {
		f := &q.Filters[i]
		if d.hasIndex("failed") && f.Op == activity.OpEqual && len(f.Fields) == 1 && f.Fields[0] == activity.FieldType && f.Text[0] == "login_failed" {
			p.index, p.fixed = "failed", " AND type = 'login_failed'"
			p.residual = without(q.Filters, i)
			return p
		}
	}
	return p
}

// drive makes the plan read the index of a field when a filter names its values.
func (p *plan) drive(d dialect, filters []activity.Filter, field activity.Field, index string) bool {
	for i := range filters {
		values := drivingValues(&filters[i], field)
		if values == nil {
			continue
		}
		p.index, p.values = index, values
		for j, v := range values {
			p.column, values[j] = d.driving(field, v)
		}
		if p.column == field.String() {
			p.residual = without(filters, i)
		}
		return true
	}
	return false
}

func drivingValues(f *activity.Filter, field activity.Field) []driver.Value {
	if len(f.Fields) != 1 || f.Fields[0] != field || f.Op != activity.OpEqual && f.Op != activity.OpIn {
		return nil
	}
	vs, orNull := wanted(field, f)
	if orNull || len(vs) > maxDrivingValues {
		return nil
	}
	return distinct(vs)
}

// distinct keeps one of each value: two streams of one value would give its
// events twice.
func distinct(vs []driver.Value) []driver.Value {
	var out []driver.Value
	for _, v := range vs {
		if !slices.ContainsFunc(out, func(o driver.Value) bool { return reflect.DeepEqual(o, v) }) { // an id is a slice
			out = append(out, v)
		}
	}
	return out
}

func without(fs []activity.Filter, i int) []activity.Filter {
	out := make([]activity.Filter, 0, len(fs)-1)
	out = append(out, fs[:i]...)
	return append(out, fs[i+1:]...)
}
