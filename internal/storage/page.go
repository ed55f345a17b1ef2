package storage

import (
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// MakePage makes the answer of Reader.Page. found are the events in the order
// they were read, which for a backward query is the reverse of the query's
// order, and are reversed in place; more says that there are others behind
// them. stop, when not nil, is where the search stopped because its budget was
// spent.
func MakePage(q *activity.Query, found []activity.Event, more bool, stop *activity.Position) activity.Page {
	page := activity.Page{Complete: stop == nil, Events: found}
	var ahead, behind activity.Position // of the direction of reading
	if n := len(found); n > 0 {
		behind, ahead = activity.PositionOf(q.Order, &found[0]), activity.PositionOf(q.Order, &found[n-1])
	} else {
		behind = q.After
	}
	switch {
	case stop != nil:
		ahead = *stop
	case !more:
		ahead = activity.Position{}
	}
	if q.After.IsZero() && q.Offset == 0 {
		behind = activity.Position{}
	}
	page.Next, page.Previous = ahead, behind
	if q.Backward {
		slices.Reverse(page.Events)
		page.Next, page.Previous = behind, ahead
	}
	return page
}
