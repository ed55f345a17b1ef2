package scylla

import (
	"context"
	"errors"
	"fmt"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// errCell: a cell is not what its type says.
var errCell = errors.New("a cell is cut off")

func typeError(info gocql.TypeInfo) error {
	return fmt.Errorf("%w: the column has the type %v and a user-defined type is expected", activity.ErrInvalid, info.Type())
}

// refusedContent are the beginnings of what a server says about a value it can
// never take. The same code (0x2200, invalid) also stands for a missing table,
// which is nobody's event's fault.
var refusedContent = []string{
	"Mutation of ",                        // Cassandra: larger than half a commit log segment
	"Rejected an oversized mutation (",    // Cassandra 5.0: the same
	"Encountered an oversized mutation (", // Cassandra 4.0: the same
	"CQL Message of ",                     // Cassandra: larger than a request may be
	"Key length of ",                      // Cassandra: a key above 64 KiB
	"Key size too large",                  // ScyllaDB: the same
	"request size too large",
	"Cannot index value of size ", // Cassandra: an index of somebody's takes less than 64 KiB
	"Guardrail column_value_size violated",
}

// classify adds the sentinel that tells the caller what may be done about an
// error. What is in the way of the whole store is retryable: no event is at
// fault, and an operator can put it right while the clients keep theirs.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, gocql.ErrSessionClosed):
		return fmt.Errorf("%w: %w", storage.ErrClosed, err)
	case errors.Is(err, gocql.ErrFrameTooBig):
		return fmt.Errorf("%w: %w", storage.ErrContent, err)
	}
	var request gocql.RequestError
	if errors.As(err, &request) {
		return classifyRequest(request, err)
	}
	if errors.Is(err, gocql.ErrNoStreams) {
		return fmt.Errorf("%w: %w", storage.ErrOverloaded, err)
	}
	// No host, no connection, no answer in time: errors of the driver and of
	// the network, which have no type in common.
	return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
}

func classifyRequest(request gocql.RequestError, err error) error {
	switch request.Code() {
	case gocql.ErrCodeOverloaded:
		return fmt.Errorf("%w: %w", storage.ErrOverloaded, err)
	case gocql.ErrCodeInvalid:
		for _, beginning := range refusedContent {
			if strings.HasPrefix(request.Message(), beginning) {
				return fmt.Errorf("%w: %w", storage.ErrContent, err)
			}
		}
	}
	return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
}
