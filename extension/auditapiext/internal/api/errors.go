package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/extension/auditapiext/internal/auth"
	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// errBusy: as many long requests run as are allowed.
var errBusy = errors.New("too many exports and verifications are running; try again shortly")

// errMethod: everything here is read.
var errMethod = errors.New("only GET and HEAD are answered")

// statusClientGone is only ever seen in the metrics: the caller hung up.
const statusClientGone = 499

// problem is an RFC 9457 answer. Code says for programs what Detail says for people.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// codeOf names the cause behind a status; each status has one.
func codeOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "invalid"
	case http.StatusUnauthorized:
		return "unauthenticated"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusUnprocessableEntity:
		return "unsupported" // the question is sound, and this store cannot answer it
	case http.StatusTooManyRequests:
		return "busy"
	case http.StatusServiceUnavailable:
		return "unavailable"
	}
	return "internal"
}

// statusOf is the one place where errors become HTTP statuses.
func statusOf(err error) int {
	switch {
	case errors.Is(err, auth.ErrUnauthenticated):
		return http.StatusUnauthorized
	case errors.Is(err, context.Canceled):
		return statusClientGone
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed
	case errors.Is(err, errBusy):
		return http.StatusTooManyRequests
	case errors.Is(err, activity.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, activity.ErrUnsupported):
		return http.StatusUnprocessableEntity
	case errors.Is(err, storage.ErrRetryable), errors.Is(err, storage.ErrBudget), errors.Is(err, storage.ErrClosed),
		errors.Is(err, storage.ErrOverloaded), errors.Is(err, storage.ErrLocked), errors.Is(err, storage.ErrSchemaTooNew), errors.Is(err, storage.ErrSchemaTooOld),
		errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	case errors.Is(err, activity.ErrInvalid):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// fail answers with the error's status. What is not the caller's own mistake is
// logged and not shown.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", auth.Challenge)
		p.Detail = "send Authorization: Bearer <token>"
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "5")
		p.Detail = err.Error()
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "2")
		p.Detail = "the store cannot answer now"
		if errors.Is(err, storage.ErrBudget) {
			p.Detail = err.Error()
		}
	case http.StatusInternalServerError:
		p.Detail = "the store could not answer; the collector's log says why"
	default:
		p.Detail = err.Error()
	}
	if status >= http.StatusInternalServerError && r.Context().Err() == nil {
		a.settings.Logger.Warn("A request failed", zap.String("path", r.URL.Path), zap.Int("status", status), zap.Error(err))
	}
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p problem) {
	p.Code = codeOf(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone when this fails
}
