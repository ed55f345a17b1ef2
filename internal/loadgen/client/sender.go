package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
)

// sender sends one request and says what the answer means. It is safe for
// concurrent use.
type sender interface {
	send(ctx context.Context, b *loadgen.Batch, key string) outcome
	close() error
}

// outcome is the meaning of one attempt.
type outcome struct {
	// status is counted and logged: an HTTP status, a gRPC code or the kind of
	// network error.
	status string
	// taken: the request was acknowledged, except for the rejected events.
	taken bool
	// refused: the server says that it took none, and that trying again is of no use.
	refused bool
	// unsent: nothing can have arrived.
	unsent bool
	// rejected are indexes of events that were not taken.
	rejected map[int]string
	// uncertain: the answer leaves open which events were taken.
	uncertain bool
	// ids of the events that were not rejected, when the answer tells them.
	ids []activity.ID
	// retryAfter is what the server asked for, 0 for nothing.
	retryAfter time.Duration
}

// Protocols of a collector's inputs.
const (
	HTTP     = "http"
	OTLPHTTP = "otlp-http"
	OTLPGRPC = "otlp-grpc"
)

func newSender(o *Options) (sender, error) {
	switch o.Protocol {
	case HTTP:
		return newHTTPSender(o, "/v1/events", readAnswer)
	case OTLPHTTP:
		return newHTTPSender(o, "/v1/logs", readOTLPAnswer)
	case OTLPGRPC:
		return newGRPCSender(o)
	}
	return nil, fmt.Errorf("protocol %q is not known: use %s, %s or %s", o.Protocol, HTTP, OTLPHTTP, OTLPGRPC)
}

// target completes an endpoint: a scheme when it has none, and the path when
// it names no other.
func target(endpoint, path string) (string, error) {
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("endpoint %q: want http://host:port", endpoint)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = path
	}
	return u.String(), nil
}

// networkFailure classifies an error of a request without an answer.
func networkFailure(err error) outcome {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return outcome{status: "dial", unsent: true}
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return outcome{status: "timeout"}
	}
	return outcome{status: "connection"}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
