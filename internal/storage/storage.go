package storage

import (
	"context"
	"iter"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Store is everything a driver offers. It is safe for concurrent use.
type Store interface {
	Writer
	Reader
	Retainer
	Eraser
	Admin
}

// Writer stores events.
type Writer interface {
	// Write stores events and returns nil only once each of them is durable,
	// already there, or named in the result as a conflict or refused. It is
	// idempotent on activity.Key: of two events with one key the first stays.
	//
	// StoredNS is assigned here, in commit order; the caller's events are not
	// changed and are no longer referenced after the return.
	//
	// A non-nil error says nothing was promised: the events may or may not be
	// stored, and writing them again is safe. It wraps ErrRetryable,
	// ErrOverloaded or the context's error.
	//
	// ctx bounds the caller's waiting, not a commit under way.
	Write(ctx context.Context, events []activity.Event) (WriteResult, error)
}

// WriteResult accounts for every event of a Write: those whose index is in
// none of the lists were written.
type WriteResult struct {
	Written int
	// Duplicates are indexes of events that were there with the same content
	// (activity.SameContent), or earlier in the same batch.
	Duplicates []int
	// Conflicts are indexes of events whose key holds other content.
	Conflicts []int
	// Refused are events the database cannot hold whatever is tried.
	Refused []Refusal
	// StoredNS of the last event written, 0 when none was.
	LastStoredNS int64
}

// Refusal is an event that can never be stored as it is.
type Refusal struct {
	Index int
	Err   error
}

// Reader answers questions about stored events. Every method takes the scope
// of the caller and never gives an event outside it; an empty scope gives
// nothing. Invalid queries are refused with activity.ErrInvalid.
type Reader interface {
	// Get gives the event with the id, the newest when several times carry it,
	// or activity.ErrNotFound.
	Get(ctx context.Context, scope activity.Scope, id activity.ID) (activity.Event, error)

	// Page gives one page in the query's order by keyset: its cost does not
	// depend on how deep it is. When the query's budget is spent it answers
	// what it has with Complete false and the position to continue from.
	Page(ctx context.Context, scope activity.Scope, q activity.Query) (activity.Page, error)

	// Count counts up to limit (Order, After, Offset and Limit are ignored).
	Count(ctx context.Context, scope activity.Scope, q activity.Query, limit int64) (activity.Count, error)

	// Scan streams every match in (datetime, id) order, oldest first unless
	// the order says NewestFirst, as a sequence of short reads: no read
	// transaction outlives a second. q.After starts it; Limit, Offset and
	// Budget are ignored. On an error it yields it once and stops. Events
	// written meanwhile may or may not be seen.
	Scan(ctx context.Context, scope activity.Scope, q activity.Query) iter.Seq2[Record, error]

	// Feed gives up to limit events in commit order after the position. It is
	// gap-free: an event that becomes visible later has a later position.
	Feed(ctx context.Context, scope activity.Scope, after activity.FeedPosition, limit int) ([]activity.Event, error)

	// Aggregate counts the matches of a query by group, largest first. A spent
	// budget is ErrBudget: a partial aggregate would be a wrong number.
	Aggregate(ctx context.Context, scope activity.Scope, q activity.Query, by activity.GroupBy) ([]activity.GroupCount, error)
}

// Record is a scanned event.
type Record struct {
	activity.Event
	// Derived names columns that disagree with the column they derive from,
	// and columns that could not be read as their type; empty on a sound row.
	Derived []string
}

// Retainer lets go of old events.
type Retainer interface {
	// DeleteBefore deletes, oldest first, at most Limit events with datetime
	// below Before, in one transaction. Events for which Hold is true stay and
	// are counted. Call it until More is false, passing Next as After.
	//
	// When every tenant and kind goes and nothing can be held, a driver may drop
	// a whole partition at once, with more than Limit events, where that is
	// cheaper than deleting Limit of them. A dry run needs no writing store.
	DeleteBefore(ctx context.Context, scope activity.Scope, r Retention) (RetentionResult, error)
}

// Retention selects what to delete.
type Retention struct {
	Kinds  []activity.Kind // empty = every kind
	Before int64           // Unix nanoseconds, exclusive; 0 is refused
	Limit  int             // 1..MaxDeleteBatch
	After  activity.Position
	// Hold keeps an event that would be deleted; nil keeps none.
	Hold func(*activity.Event) bool
	// DryRun counts and deletes nothing.
	DryRun bool
}

// MaxDeleteBatch bounds one DeleteBefore.
const MaxDeleteBatch = 100_000

// RetentionResult is what one DeleteBefore did.
type RetentionResult struct {
	// Deleted is an estimate for a partition that was dropped whole and takes
	// long to count.
	Deleted int64
	Held    int64
	More    bool
	Next    activity.Position
}

// Eraser forgets a person or an object's content, keeping the proof: columns
// of the group are emptied, the salt is zeroed, the commitment stays, and the
// row still verifies (activity.Event.Erase).
type Eraser interface {
	// Erase erases at most Limit matching events in one transaction. Call it
	// until More is false.
	Erase(ctx context.Context, scope activity.Scope, e Erasure) (ErasureResult, error)
}

// Erasure selects what to erase: a subject (UserID) or an object (ContentType
// and ObjectID); exactly one of them.
type Erasure struct {
	UserID      string
	ContentType string
	ObjectID    string
	Group       activity.Group // GroupPersonal or GroupContent
	Limit       int            // 1..MaxDeleteBatch
	After       activity.Position
}

// ErasureResult is what one Erase did.
type ErasureResult struct {
	Erased int64
	More   bool
	Next   activity.Position
}

// Admin is the life of a store.
type Admin interface {
	// Migrate brings the schema to this binary's version, under a lock. It
	// returns ErrSchemaTooNew when a newer binary made a change this one
	// cannot work with; a newer but additive schema is accepted.
	Migrate(ctx context.Context) error
	// Ping reports whether the store can be read and, for a writing store,
	// written.
	Ping(ctx context.Context) error
	// Capabilities says what the store can do.
	Capabilities() Capabilities
	// Close waits for commits under way, and releases every resource. It is safe to call twice.
	Close() error
}

// Capabilities declares what a store can do. The zero value is the least able.
type Capabilities struct {
	// Name of the driver, for example "sqlite".
	Name string
	// DetectsDuplicates: Write reports duplicates and conflicts. Without it the
	// store keeps one visible row, the earliest received.
	DetectsDuplicates bool
	// Contains: OpContains is answered.
	Contains bool
	// OrderByResponseTime: the orders over response time are answered.
	OrderByResponseTime bool
	// Count, Aggregate, Feed, Retention, Erasure: the methods are answered.
	Count, Aggregate, Feed, Retention, Erasure bool
}
