package activitylogreceiver

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
)

// answer says what became of every event of a request.
type answer struct {
	// Accepted events are new here: neither duplicates nor conflicts.
	Accepted int `json:"accepted"`
	// Duplicates were there already and Conflicts met another event under
	// their key; both are absent when no store has answered yet.
	Duplicates []activity.ID `json:"duplicates,omitzero"`
	Conflicts  []activity.ID `json:"conflicts,omitzero"`
	// Filtered counts the events that a configured filter dropped.
	Filtered int `json:"filtered"`
	// IDs of the events that were not rejected, in the order of the request.
	IDs      []activity.ID `json:"ids"`
	Rejected []rejection   `json:"rejected"`
}

// rejection is one event of the request that was not taken.
type rejection struct {
	Index  int    `json:"index"` // place in the request, from 0
	ID     string `json:"id,omitempty"`
	Code   string `json:"code"`   // for programs
	Reason string `json:"reason"` // for people
}

// problem is an RFC 9457 problem document. The members of the answer follow
// when events were looked at one by one.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	*answer

	retryAfter time.Duration
}

// The codes of a refused request, for programs.
const (
	codeNotFound        = "not_found"
	codeMethod          = "method_not_allowed"
	codeMediaType       = "unsupported_media_type"
	codeEncoding        = "unsupported_content_encoding"
	codeParameter       = "invalid_parameter"
	codeIdempotencyKey  = "invalid_idempotency_key"
	codeUnauthenticated = "unauthenticated"
	codeForbidden       = "forbidden"
	codeBusy            = "too_many_requests"
	codeBodyMalformed   = "body_malformed"
	codeBodyTruncated   = "body_truncated"
	codeBodyTooLarge    = "body_too_large"
	codeBodyTimeout     = "body_timeout"
	codeTooManyEvents   = "too_many_events"
	codeNoEvents        = "no_events"
	codeAllRejected     = "all_rejected"
	codeAtomic          = "atomic_rejected"
	codeConflict        = "conflict"
	codeOverloaded      = "overloaded"
	codeUnavailable     = "unavailable"
	codeInvalid         = "invalid"
	codeInternal        = "internal"
)

// codeTenant is what the enrich processor notes for an event of a tenant that
// the sender may not write to.
const codeTenant = "tenant_not_allowed"

func newProblem(status int, code, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

func (p *problem) write(w http.ResponseWriter) {
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.retryAfter.Seconds())))
	}
	writeJSON(w, p.Status, "application/problem+json", p)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may be gone; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // plain structs of text and numbers
}

// result makes the answer of a batch that the pipeline has taken.
func (b *batch) result(r *receipt.Receipt) *answer {
	refused, filtered := r.Processed()
	b.merge(refused)
	a := b.untaken()
	a.Filtered = filtered
	a.Accepted = len(b.ids) - filtered
	if sink, ok := r.Sink(); ok {
		foreign := b.foreign(r.Derived())
		a.Duplicates = nonNil(slices.DeleteFunc(sink.Duplicates, foreign))
		a.Conflicts = nonNil(slices.DeleteFunc(sink.Conflicts, foreign))
		a.Accepted -= len(a.Duplicates) + len(a.Conflicts)
	}
	a.Accepted = max(a.Accepted, 0)
	return a
}

// foreign tells the events that were made of the client's from those it sent: the
// answer is about its own.
func (b *batch) foreign(derived []activity.ID) func(activity.ID) bool {
	made := make(map[activity.ID]bool, len(derived))
	for _, id := range derived {
		made[id] = true
	}
	if len(made) > 0 {
		for _, id := range b.ids {
			delete(made, id)
		}
	}
	return func(id activity.ID) bool { return made[id] }
}

// untaken is the answer of a batch as it was read.
func (b *batch) untaken() *answer {
	return &answer{IDs: nonNil(b.ids), Rejected: nonNil(b.rejected)}
}

// status decides about a request whose events were judged one by one: it
// failed when none is in the store, and none was dropped there by a filter. A
// conflict will stay one, so its status is not one that clients send again for.
func (a *answer) status(success int) (int, *problem) {
	if len(a.IDs) > len(a.Conflicts) {
		return success, nil
	}
	if len(a.Conflicts) > 0 {
		p := newProblem(http.StatusBadRequest, codeConflict, "the store has other events under these ids and datetimes; they stay, these are in the dead letters")
		p.answer = a
		return p.Status, p
	}
	status := http.StatusForbidden
	for i := range a.Rejected {
		if a.Rejected[i].Code != codeTenant {
			status = http.StatusBadRequest
		}
	}
	p := newProblem(status, codeAllRejected, "every event was rejected; see rejected for the reasons")
	p.answer = a
	return status, p
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
