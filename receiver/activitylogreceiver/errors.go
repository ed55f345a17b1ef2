package activitylogreceiver

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// What Retry-After says: a crowd passes quickly, an outage does not.
const (
	retryCrowd  = time.Second
	retryOutage = 5 * time.Second
)

// pipelineProblem is the one place where an error of ConsumeLogs becomes an
// HTTP status. Its text stays in the log: it may name hosts and databases.
func pipelineProblem(err error) *problem {
	var p *problem
	switch status := statusOf(err); status {
	case http.StatusTooManyRequests:
		p = newProblem(status, codeOverloaded, "too much waits to be stored; send the same request again")
		p.retryAfter = retryCrowd
	case http.StatusServiceUnavailable:
		p = newProblem(status, codeUnavailable, "the events cannot be stored now; send the same request again")
		p.retryAfter = retryOutage
	case http.StatusUnauthorized:
		p = newProblem(status, codeUnauthenticated, "the pipeline asks who is sending")
	case http.StatusForbidden:
		p = newProblem(status, codeForbidden, "the sender may not do this")
	case http.StatusRequestEntityTooLarge:
		p = newProblem(status, codeBodyTooLarge, "the request is too large for the pipeline; send fewer events at once")
	case http.StatusBadRequest:
		p = newProblem(status, codeInvalid, "the events can never be stored as they are")
	default:
		p = newProblem(http.StatusInternalServerError, codeInternal, "the pipeline refused the events for good; see its log")
	}
	return p
}

// statusOf walks the tree of err. Of joined errors the retryable ones win: what
// a sink has already taken is a duplicate when it comes again, what none has
// taken would be lost.
func statusOf(err error) int {
	if errors.Is(err, storage.ErrOverloaded) && !consumererror.IsPermanent(err) {
		return http.StatusTooManyRequests
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		worst := 0
		for _, part := range joined.Unwrap() {
			worst = stronger(worst, statusOf(part))
		}
		if worst != 0 {
			return worst
		}
	}
	if classified, ok := err.(*consumererror.Error); ok { //nolint:errorlint // as above
		return known(consumererror.ToHTTPStatus(classified))
	}
	inner := errors.Unwrap(err)
	if consumererror.IsPermanent(err) && (inner == nil || !consumererror.IsPermanent(inner)) {
		return permanentStatus(err)
	}
	if inner != nil {
		return statusOf(inner)
	}
	return http.StatusServiceUnavailable
}

// permanentStatus is a 400 for content and a 500 for everything else, unless
// the error says which status it wants.
func permanentStatus(err error) int {
	if errors.Is(err, activity.ErrInvalid) {
		return http.StatusBadRequest
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable
	}
	if classified, ok := errors.AsType[*consumererror.Error](err); ok {
		if status := known(consumererror.ToHTTPStatus(classified)); !retryable(status) {
			return status
		}
	}
	return http.StatusInternalServerError
}

// known maps any status to one of those that this receiver answers.
func known(status int) int {
	switch status {
	case http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusForbidden,
		http.StatusRequestEntityTooLarge, http.StatusBadRequest:
		return status
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return http.StatusServiceUnavailable
	}
	if status >= 400 && status < 500 {
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func retryable(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// stronger picks the status of two joined errors.
func stronger(a, b int) int {
	rank := func(status int) int {
		switch status {
		case 0:
			return 0
		case http.StatusTooManyRequests:
			return 3
		case http.StatusServiceUnavailable:
			return 4
		case http.StatusInternalServerError:
			return 2
		}
		return 1
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}
