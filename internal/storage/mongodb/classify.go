package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Error codes of the server (MongoDB manual, "Error Codes").
const (
	codeNamespaceExists = 48
	codeDuplicateKey    = 11000
)

// contentCodes: the server refuses the document whatever is tried.
var contentCodes = []int{
	14,    // TypeMismatch
	22,    // InvalidBSON
	52,    // DollarPrefixedFieldName
	53,    // InvalidIdField
	57,    // DottedFieldName
	121,   // DocumentValidationFailure
	10334, // BSONObjectTooLarge
	17280, // KeyTooLong
	17419, // the document after the update is too large
	17420, // the document to be inserted is too large
}

// budgetCodes: the answer was not found in the time or memory it may take.
var budgetCodes = []int{
	50,  // MaxTimeMSExpired
	146, // ExceededMemoryLimit
	262, // ExceededTimeLimit
	292, // QueryExceededMemoryLimitNoDiskUseAllowed
}

// classify adds the sentinel that tells the caller what may be done about an
// error of the driver. What is in the way of the whole store (no primary, a
// failover, a full disk, a user without the right) is retryable: no event is at
// fault, and an operator can put it right while the clients keep theirs.
func classify(err error) error {
	switch {
	case err == nil, sentinel(err):
		return err
	case errors.Is(err, mongo.ErrClientDisconnected):
		return fmt.Errorf("%w: %w", storage.ErrClosed, err)
	case errors.Is(err, context.Canceled):
		return err
	}
	var server mongo.ServerError
	if errors.As(err, &server) {
		codes := server.ErrorCodes()
		has := func(known []int) bool {
			return slices.ContainsFunc(codes, func(c int) bool { return slices.Contains(known, c) })
		}
		switch {
		case has(contentCodes):
			return fmt.Errorf("%w: %w", storage.ErrContent, plain(err))
		case has(budgetCodes):
			return fmt.Errorf("%w: %w", storage.ErrBudget, err)
		}
		return fmt.Errorf("%w: %w", storage.ErrRetryable, plain(err))
	}
	var marshal mongo.MarshalError
	var argument mongo.InvalidArgumentError
	var read bson.ValueDecoderError
	if errors.As(err, &marshal) || errors.As(err, &argument) || errors.As(err, &read) {
		return err // a mistake of ours
	}
	// No primary, a broken connection, a wait for one, a deadline.
	return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
}

// sentinel reports whether an error says already what may be done about it.
func sentinel(err error) bool {
	for _, known := range []error{
		storage.ErrRetryable, storage.ErrOverloaded, storage.ErrContent, storage.ErrBudget,
		storage.ErrSchemaTooNew, storage.ErrReadOnly, storage.ErrClosed,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// plain leaves out what a write error quotes of the document: its content does
// not belong into logs.
func plain(err error) error {
	var one mongo.WriteException
	if errors.As(err, &one) {
		return writeProblem{one.WriteConcernError, one.WriteErrors}
	}
	var many mongo.BulkWriteException
	if errors.As(err, &many) {
		p := writeProblem{concern: many.WriteConcernError}
		for i := range many.WriteErrors {
			p.errors = append(p.errors, many.WriteErrors[i].WriteError)
		}
		return p
	}
	return err
}

// writeProblem is a write exception without the details.
type writeProblem struct {
	concern *mongo.WriteConcernError
	errors  []mongo.WriteError
}

// Error gives codes, and the messages of the server's own making.
func (p writeProblem) Error() string {
	switch {
	case p.concern != nil:
		return fmt.Sprintf("write concern not satisfied: %s (code %d)", p.concern.Message, p.concern.Code)
	case len(p.errors) > 0:
		return writeErrorText(&p.errors[0]) + more(len(p.errors)-1)
	}
	return "write exception without a reason"
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// writeErrorText names an error of one document. The message of a duplicate key
// quotes the key.
func writeErrorText(e *mongo.WriteError) string {
	if e.Code == codeDuplicateKey {
		return "duplicate key (code 11000)"
	}
	return fmt.Sprintf("%s (code %d)", e.Message, e.Code)
}
