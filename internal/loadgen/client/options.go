package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen/acklog"
)

// Options of a run.
type Options struct {
	Endpoint string
	Protocol string // HTTP, OTLPHTTP or OTLPGRPC
	Format   loadgen.Format
	Token    string // sent as a bearer token; "" sends none
	Batch    int    // events a request
	Clients  int    // connections, each with one request under way
	// Rate in events a second over all clients, 0 for as fast as it goes.
	Rate float64
	// Bursts makes the rate five times as high for one second of every ten.
	Bursts bool
	// Duration and Events end the run, whichever comes first; 0 is no bound.
	Duration time.Duration
	Events   int64
	// Timeout bounds one attempt.
	Timeout time.Duration
	// Retry sends again what may not have arrived, for at most RetryFor.
	// Events that could be doubled by it are never sent again.
	Retry    bool
	RetryFor time.Duration
	// WithoutIDs says that the generator leaves the ids out, IdempotencyKey
	// that each request carries a key instead.
	WithoutIDs     bool
	IdempotencyKey bool
	// Run names the run in keys and producers.
	Run string
	// Log records every answer; nil records none.
	Log *acklog.Log
}

const maxClients = 10_000

// Validate names every problem.
func (o *Options) Validate() error {
	var errs []error
	if o.Batch < 1 || o.Batch > 10_000 {
		errs = append(errs, errors.New("--batch: want 1..10000 events"))
	}
	if o.Clients < 1 || o.Clients > maxClients {
		errs = append(errs, fmt.Errorf("--clients: want 1..%d", maxClients))
	}
	if o.Rate < 0 || o.Bursts && o.Rate == 0 {
		errs = append(errs, errors.New("--rate: must not be negative, and --bursts needs one"))
	}
	if o.Duration <= 0 && o.Events <= 0 {
		errs = append(errs, errors.New("--duration or --events: one of them must end the run"))
	}
	if o.Timeout <= 0 {
		errs = append(errs, errors.New("--timeout: must be above 0"))
	}
	if o.Protocol == HTTP && o.Format == loadgen.OTLP {
		errs = append(errs, errors.New("--format: otlp is sent by --protocol otlp-http or otlp-grpc"))
	}
	if o.WithoutIDs && o.Format == loadgen.CloudEvents {
		errs = append(errs, errors.New("--no-ids: a CloudEvent always has an id"))
	}
	return errors.Join(errs...)
}

// format is what the protocol carries.
func (o *Options) format() loadgen.Format {
	if o.Protocol != HTTP {
		return loadgen.OTLP
	}
	return o.Format
}

// repeatable reports whether sending a request twice stores it once: the
// events have ids, or the request has a key, or the collector derives the ids
// from the bytes, as it does for OTLP.
func (o *Options) repeatable() bool {
	return !o.WithoutIDs || o.IdempotencyKey || o.Protocol != HTTP
}
