package activitylogreceiver

import (
	"fmt"
	"net/http"

	"golang.org/x/sync/semaphore"
)

// What a request costs in bytes of memory. The figures are upper bounds, held
// against the heap by TestCostsCoverTheHeap.
const (
	// costQuantum is what leases grow by. The first one also stands for the
	// connection and its decompressor.
	costQuantum = 64 << 10
	// costEvent is one event beside its text: the log record with an attribute
	// for each field, and the activity.Event that an exporter makes of it.
	costEvent = 5 << 10
	// costText is for each byte of an event's JSON: the copy that its texts are
	// parts of, and what is written anew, such as extra_data.
	costText = 2
	// costItem is a role or a value of a header, costHeader a header.
	costItem   = 64
	costHeader = 256
	// costDecoding is for each byte of the one event being decoded: the names
	// of its objects, looked at for duplicates, and its lists.
	costDecoding = 32
	// costRejection is a rejection beside its texts, costRejectedText each
	// byte of them: kept, and written into the answer.
	costRejection    = 256
	costRejectedText = 4
)

// budget is the memory that all requests together may hold, in bytes.
type budget struct {
	free       *semaphore.Weighted
	perRequest int64
}

// newBudget gives max_request_body_size x max_concurrent_requests bytes, or
// what a single request may need when that is more.
func newBudget(bodySize int64, requests int) *budget {
	const frames = 96 << 20 // 10,000 events beside their text, and one of them being decoded
	perRequest := 4*bodySize + frames
	return &budget{
		free:       semaphore.NewWeighted(max(bodySize*int64(requests), perRequest)),
		perRequest: perRequest,
	}
}

// lease is the part of the budget that one request holds. It never waits: of
// requests that wait for each other's memory none would end.
type lease struct {
	budget *budget
	// used is what the request holds, granted what it may hold.
	used, granted int64
}

// take adds n bytes to what the request holds.
func (l *lease) take(n int64) *problem {
	if p := l.reserve(n); p != nil {
		return p
	}
	l.used += n
	return nil
}

// reserve makes sure that n more bytes may be held for a moment.
func (l *lease) reserve(n int64) *problem {
	missing := l.used + n - l.granted
	if missing <= 0 {
		return nil
	}
	missing = roundUp(missing)
	if l.granted+missing > l.budget.perRequest {
		return newProblem(http.StatusRequestEntityTooLarge, codeBodyTooLarge,
			fmt.Sprintf("the events need more than %d bytes of memory; send fewer at once", l.budget.perRequest))
	}
	if !l.budget.free.TryAcquire(missing) {
		return busy("the requests under way hold all the memory there is for them; send the same request again")
	}
	l.granted += missing
	return nil
}

// put takes n bytes from what the request holds.
func (l *lease) put(n int64) { l.used -= n }

// settle gives back what the request does not hold any more.
func (l *lease) settle() {
	if spare := l.granted - roundUp(l.used); spare > 0 {
		l.budget.free.Release(spare)
		l.granted -= spare
	}
}

// end gives everything back.
func (l *lease) end() {
	l.budget.free.Release(l.granted)
	*l = lease{budget: l.budget}
}

func roundUp(n int64) int64 { return (n + costQuantum - 1) / costQuantum * costQuantum }
