package mongodb

import (
	"fmt"
	"reflect"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{activity.ErrInvalid}, args...)...)
}

// plan says which index a query reads, in the query's order, and which
// conditions are left to test on the documents it names.
type plan struct {
	index string
	// field before kind in the index, and the values wanted of it; 0 for an
	// index without one.
	field  activity.Field
	values bson.A
	// failed adds the condition that the index over failed logins is made for.
	failed bool
	// byTime says that the order is over response time.
	byTime   bool
	residual []activity.Filter
}

// The indexes; schema/0001_events.json makes them.
const (
	idIndex     = "_id_" // datetime, id, tenant
	uuidIndex   = "uuid" // id, _id
	timeIndex   = "time" // tenant_id, kind, _id
	failedIndex = "failed"
	slowIndex   = "slow" // tenant_id, kind, response_time_us, _id
	storedIndex = "stored"
)

// The indexes that equality filters choose from, the most selective first.
var drivingFields = []struct {
	field activity.Field
	index string
}{
	{activity.FieldObjectID, "object"},
	{activity.FieldUserID, "user"},
	{activity.FieldRemoteIP, "addr"},
}

const failedLogin = "login_failed"

// maxDrivingValues bounds the ranges that a list of values opens.
const maxDrivingValues = 20

func makePlan(q *activity.Query) plan {
	p := plan{index: timeIndex, residual: q.Filters, byTime: q.Order.ByResponseTime()}
	if p.byTime {
		p.index = slowIndex
	}
	// Few events share an id: there is no order they could not be sorted in.
	if p.drive(q.Filters, activity.FieldID, uuidIndex) || p.byTime {
		return p
	}
	for _, d := range drivingFields {
		if p.drive(q.Filters, d.field, d.index) {
			return p
		}
	}
	for i := range q.Filters {
		f := &q.Filters[i]
		if f.Op == activity.OpEqual && len(f.Fields) == 1 && f.Fields[0] == activity.FieldType && f.Text[0] == failedLogin {
			p.index, p.failed, p.residual = failedIndex, true, without(q.Filters, i)
			return p
		}
	}
	return p
}

// drive makes the plan read the index of a field when a filter names its values.
func (p *plan) drive(filters []activity.Filter, field activity.Field, index string) bool {
	for i := range filters {
		f := &filters[i]
		if len(f.Fields) != 1 || f.Fields[0] != field || f.Op != activity.OpEqual && f.Op != activity.OpIn {
			continue
		}
		vs, null := wanted(field, f)
		if null || len(vs) > maxDrivingValues {
			continue
		}
		p.index, p.field, p.values, p.residual = index, field, distinct(vs), without(filters, i)
		return true
	}
	return false
}

// distinct keeps one of each value.
func distinct(vs bson.A) bson.A {
	out := bson.A{}
	for _, v := range vs {
		if !slices.ContainsFunc(out, func(o any) bool { return reflect.DeepEqual(o, v) }) { // an id has a slice
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

// allKinds are the words of every kind; the collection's validator refuses
// another.
func allKinds() []string {
	out := make([]string, 0, len(activity.Kinds()))
	for _, k := range activity.Kinds() {
		out = append(out, k.String())
	}
	return out
}

// kindWords gives the kinds of a query as documents hold them.
func kindWords(kinds []activity.Kind) []string {
	if len(kinds) == 0 {
		return allKinds()
	}
	var out []string
	for _, k := range kinds {
		if w := k.String(); !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
