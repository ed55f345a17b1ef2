package activity

import "time"

// Query selects events. Conditions are joined by AND.
type Query struct {
	// Kinds, empty = every kind.
	Kinds []Kind
	// From and To bound datetime in Unix nanoseconds, both inclusive; 0 = open.
	From, To int64
	Filters  []Filter
	Order    Order

	// After is the position the previous page ended at; the zero value starts
	// at the beginning of the order.
	After Position
	// Backward reads the page that ends just before After; its events are still
	// given in Order.
	Backward bool
	// Offset skips events; Offset+Limit is at most MaxOffset.
	Offset int
	// Limit is the number of events wanted, 1..MaxLimit.
	Limit int
	// Budget bounds the time a page may take; 0 = only the context does.
	Budget time.Duration
}

// Bounds of a page.
const (
	MaxLimit  = 1000
	MaxOffset = 10_000
)

// Order of a page. The zero value is newest first.
type Order uint8

// The orders. Ties are broken by datetime and id in the same direction.
const (
	NewestFirst Order = iota
	OldestFirst
	SlowestFirst // response_time_us descending; events without one are left out
	FastestFirst // response_time_us ascending; events without one are left out
)

// Ascending reports the direction.
func (o Order) Ascending() bool { return o == OldestFirst || o == FastestFirst }

// ByResponseTime reports whether the order is over response_time_us.
func (o Order) ByResponseTime() bool { return o == SlowestFirst || o == FastestFirst }

// Position is a place in an order. Value is the response time in microseconds
// for the orders over it and 0 otherwise.
type Position struct {
	Value    int64
	Datetime int64
	ID       ID
}

// IsZero reports whether the position is the beginning of the order.
func (p Position) IsZero() bool { return p == Position{} }

// PositionOf is the place of an event in an order.
func PositionOf(o Order, e *Event) Position {
	p := Position{Datetime: e.Datetime, ID: e.ID}
	if o.ByResponseTime() {
		p.Value = e.ResponseTimeUS.Value
	}
	return p
}

// Op is a comparison.
type Op uint8

// The comparisons.
const (
	OpEqual    Op = iota + 1 // any field; Text or Int
	OpIn                     // any field; Text or Int, at most MaxIn values
	OpContains               // text fields: case-insensitive (ASCII) substring, matched literally
	OpAtLeast                // integer fields
	OpAtMost                 // integer fields
	OpIsNull                 // no value
	OpNotNull                // some value
)

// MaxIn bounds the values of OpIn.
const MaxIn = 100

// Filter is one condition. With several Fields it holds when it holds for any
// of them (a search). Text values compare with text fields, Int with others;
// an ID compares as its dashed text.
type Filter struct {
	Fields []Field
	Op     Op
	Text   []string
	Int    []int64
}

// Page is the answer to a Query.
type Page struct {
	Events []Event
	// Next is where the following page starts; zero when there is none. When
	// Complete is false it is where the search stopped.
	Next Position
	// Previous is where a Backward query continues; zero when there is none.
	Previous Position
	// Complete is false when the budget was spent before the page was full.
	Complete bool
}

// Count is a bounded count: N is exact, or a lower bound when the limit or the
// budget was reached first.
type Count struct {
	N     int64
	Exact bool
}

// GroupBy asks for aggregates.
type GroupBy struct {
	// Fields to group by, 1..3.
	Fields []Field
	// MinCount leaves out smaller groups.
	MinCount int64
	// Top keeps the largest groups, 1..MaxGroups.
	Top int
}

// MaxGroups bounds the groups of an answer.
const MaxGroups = 1000

// GroupCount is one aggregate row: the values of the fields as text ("" = null) and
// how many events hold them.
type GroupCount struct {
	Values []string
	Count  int64
}

// FeedPosition is a place in commit order.
type FeedPosition struct {
	StoredNS int64
	ID       ID
}
