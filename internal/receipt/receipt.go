// Package receipt carries, through the context of one ConsumeLogs call, what
// the pipeline did with the request. ConsumeLogs returns only an error; the
// receiver puts a Receipt into the context, enrich notes the events it refused,
// filtered or derived, and the committed exporter notes what it stored. Behind a queue
// nobody fills the sink's part, and the answer says less.
package receipt

import (
	"context"
	"sync"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Receipt is safe for concurrent use. Every method of a nil Receipt does nothing.
type Receipt struct {
	mu       sync.Mutex
	sink     Sink
	set      bool
	rejected []Rejection
	filtered int
	derived  []activity.ID
}

// Sink is what a committed sink did with a request.
type Sink struct {
	Name string
	// CommittedNS is the time of the commit in Unix nanoseconds.
	CommittedNS int64
	Written     int
	// Duplicates were there already; Conflicts and Refused are in the sink's
	// dead letters.
	Duplicates []activity.ID
	Conflicts  []activity.ID
	Refused    []activity.ID
}

// Rejection is one event that a processor refused.
type Rejection struct {
	ID     activity.ID
	Code   string // for programs, for example "tenant_not_allowed"
	Reason string // for people
}

type contextKey struct{}

// NewContext gives a context that carries a new receipt.
func NewContext(ctx context.Context) (context.Context, *Receipt) {
	r := &Receipt{}
	return context.WithValue(ctx, contextKey{}, r), r
}

// FromContext gives the receipt of the request, or nil.
func FromContext(ctx context.Context) *Receipt {
	r, _ := ctx.Value(contextKey{}).(*Receipt)
	return r
}

// Fill records what the sink did; a later attempt replaces an earlier one.
func (r *Receipt) Fill(s Sink) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sink, r.set = s, true
}

// Reject records an event that a processor refused.
func (r *Receipt) Reject(rej Rejection) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejected = append(r.rejected, rej)
}

// Filter records n events that a configured filter dropped.
func (r *Receipt) Filter(n int) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filtered += n
}

// Derive records an event that a processor made of one the client sent. The sink
// accounts for it, an answer to the client does not.
func (r *Receipt) Derive(id activity.ID) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.derived = append(r.derived, id)
}

// Derived gives the ids noted by Derive.
func (r *Receipt) Derived() []activity.ID {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]activity.ID(nil), r.derived...)
}

// Sink gives what the sink did; ok is false when no sink has answered.
func (r *Receipt) Sink() (s Sink, ok bool) {
	if r == nil {
		return Sink{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sink, r.set
}

// Processed gives what the processors noted.
func (r *Receipt) Processed() (rejected []Rejection, filtered int) {
	if r == nil {
		return nil, 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Rejection(nil), r.rejected...), r.filtered
}
