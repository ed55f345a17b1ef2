package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Codes of ClickHouse's errors, from src/Common/ErrorCodes.cpp.
const (
	codeCannotParseText      = 6
	codeNoSuchColumn         = 16
	codeUnknownEnumValue     = 36
	codeUnknownTable         = 60
	codeUnknownDatabase      = 81
	codeUnknownSetting       = 115
	codeTooLargeString       = 131
	codeTimeout              = 159
	codeReadonly             = 164
	codeQuotaExceeded        = 201
	codeTooManyQueries       = 202
	codeMemoryLimit          = 241
	codeTableIsReadOnly      = 242
	codeNotEnoughSpace       = 243
	codeTooManyParts         = 252
	codeDatabaseAccessDenied = 291
	codeValueOutOfRange      = 321
	codeCannotInsertNull     = 349
	codeViolatedConstraint   = 469
	codeAccessDenied         = 497
	codeAuthentication       = 516
	codeUnknownEnumElement   = 691
	codeServerOverloaded     = 745
)

// classify adds the sentinel that tells the caller what may be done about an
// error, and takes out what must not be in a log: the URL of a request holds the
// values of the query, and the server's text repeats them.
func classify(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{
		storage.ErrRetryable, storage.ErrOverloaded, storage.ErrContent, storage.ErrBudget, storage.ErrClosed, storage.ErrReadOnly,
		storage.ErrSchemaTooNew, storage.ErrSchemaTooOld, activity.ErrInvalid, activity.ErrNotFound, activity.ErrUnsupported,
	} {
		if errors.Is(err, known) {
			return err
		}
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", storage.ErrRetryable, context.Canceled)
	}
	var e *ch.Exception
	if errors.As(err, &e) {
		return classifyCode(e)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ch.ErrAcquireConnTimeout) {
		return fmt.Errorf("%w: no answer in time: %w", storage.ErrRetryable, context.DeadlineExceeded)
	}
	var status *ch.HTTPError
	if errors.As(err, &status) { // of something between us and the server
		if status.StatusCode == http.StatusTooManyRequests {
			return fmt.Errorf("%w: HTTP status %d", storage.ErrOverloaded, status.StatusCode)
		}
		return fmt.Errorf("%w: HTTP status %d", storage.ErrRetryable, status.StatusCode)
	}
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	return fmt.Errorf("%w: %w", storage.ErrRetryable, err) // of the network, or of an answer cut short
}

// serverError is what is said of an exception of the server.
type serverError struct {
	code int32
	text string
}

func (e *serverError) Error() string { return fmt.Sprintf("clickhouse code %d: %s", e.code, e.text) }

// classifyCode maps the server's error code. What is in the way of the whole
// store is retryable: no event is at fault, and an operator can put it right
// while the clients keep theirs.
func classifyCode(e *ch.Exception) error {
	err := &serverError{code: e.Code, text: shortened(e)}
	switch e.Code {
	case codeTooManyQueries, codeTooManyParts, codeServerOverloaded, codeMemoryLimit, codeQuotaExceeded:
		return fmt.Errorf("%w: %w: %w", storage.ErrOverloaded, storage.ErrRetryable, err)
	case codeReadonly, codeTableIsReadOnly:
		return fmt.Errorf("%w: %w: %w", storage.ErrReadOnly, storage.ErrRetryable, err)
	case codeCannotParseText, codeTooLargeString, codeUnknownEnumValue, codeUnknownEnumElement,
		codeViolatedConstraint, codeCannotInsertNull, codeValueOutOfRange: // of one value; a column of another type is nobody's content
		return fmt.Errorf("%w: %w", storage.ErrContent, err)
	}
	return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
}

// shortened is the name of the error where the server gives one: its text may
// repeat the values of the query.
func shortened(e *ch.Exception) string {
	switch e.Code {
	case codeUnknownTable, codeUnknownDatabase, codeNoSuchColumn, codeAuthentication, codeAccessDenied, codeDatabaseAccessDenied,
		codeUnknownSetting, codeReadonly, codeMemoryLimit, codeTooManyParts, codeNotEnoughSpace, codeTooManyQueries:
		text, _, _ := strings.Cut(e.Message, ": While") // these name tables, users and limits; the query comes after
		text, _, _ = strings.Cut(text, ": In scope")
		return text
	}
	if e.CodeName != "" {
		return e.CodeName
	}
	return e.Name
}
