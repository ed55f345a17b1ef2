// Package activitylog reports what a Go service does to an activity log
// collector: a net/http middleware, gRPC interceptors, a slog handler and
// Record for everything else. It is made to be copied into a service and
// changed there; it imports nothing of the collector. Without gRPC in the
// service, leave grpc.go out.
//
// Nothing here blocks or fails the request it reports. Events wait in memory
// for at most Options.FlushInterval, then they are with the collector or, while
// it is away, in a file of Options.SpoolDir.
package activitylog

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// The kinds of event.
const (
	KindCRUD    = "crud"
	KindLogin   = "login"
	KindRequest = "request"
	KindSystem  = "system"
)

// The outcomes of an event.
const (
	Success = "success"
	Failure = "failure"
	Denied  = "denied"
	Unknown = "unknown"
)

// Event is one event as POST /v1/events takes it (docs/events.md, schema
// event-v1.json). Only Kind is required, with EventType for crud and LoginType
// for login. Record fills ID, Datetime and, from the request that ctx belongs
// to, the actor, the address and the trace.
type Event struct {
	ID       string    `json:"id"`       // UUID; with Datetime what makes a retry the same event
	Datetime time.Time `json:"datetime"` // of occurrence
	Kind     string    `json:"kind"`
	TenantID string    `json:"tenant_id,omitempty"`

	Action         string `json:"action,omitempty"`  // the domain's word: invoice.approved
	Outcome        string `json:"outcome,omitempty"` // derived by the collector when empty
	Reason         string `json:"reason,omitempty"`
	SeverityNumber int    `json:"severity_number,omitempty"` // OpenTelemetry's, 1 to 24

	Actor
	RemoteIP string `json:"remote_ip,omitempty"` // only without PeerAddress
	TraceID  string `json:"trace_id,omitempty"`  // 32 hex digits
	SpanID   string `json:"span_id,omitempty"`   // 16 hex digits

	ContentType string `json:"content_type,omitempty"` // of the object: shop.order
	ObjectID    string `json:"object_id,omitempty"`
	ObjectRepr  string `json:"object_repr,omitempty"`
	Before      any    `json:"before,omitempty"` // with After it becomes changed_fields; neither is stored
	After       any    `json:"after,omitempty"`
	ExtraData   any    `json:"extra_data,omitempty"`

	EventType string `json:"event_type,omitempty"` // crud: create, update, delete, read, export, other ...
	LoginType string `json:"login_type,omitempty"` // login: login, logout, login_failed, password_change ...

	Method           string  `json:"method,omitempty"` // request, with all up to ResponseBodySize
	URL              string  `json:"url,omitempty"`    // the path
	QueryString      string  `json:"query_string,omitempty"`
	Route            string  `json:"route,omitempty"`
	ResponseStatus   int     `json:"response_status,omitempty"`
	ResponseTimeMS   float64 `json:"response_time_ms,omitempty"`
	RequestBodySize  *int64  `json:"request_body_size,omitempty"` // bytes; nil is unknown
	ResponseBodySize *int64  `json:"response_body_size,omitempty"`

	EventName string `json:"event_name,omitempty"` // system, with all below
	Category  string `json:"category,omitempty"`   // server, security, database, queue, custom
	Source    string `json:"source,omitempty"`
	Message   string `json:"message,omitempty"`
	Traceback string `json:"traceback,omitempty"`

	// PeerAddress is who connected to this service, host:port. The collector
	// finds the client from it and the forwarding headers.
	PeerAddress string `json:"peer_address,omitempty"`
	// Headers of the reported request, names in lower case: the collector reads
	// the token, the client's address and the trace from them and stores none.
	Headers map[string][]string `json:"-"`
}

// Actor is who did it, as this service knows it. A token that the collector
// verifies goes before it.
type Actor struct {
	UserID     string   `json:"user_id,omitempty"`
	Username   string   `json:"username,omitempty"`
	UserEmail  string   `json:"user_email,omitempty"`
	UserRoles  []string `json:"user_roles,omitempty"`
	ActorType  string   `json:"actor_type,omitempty"`  // user, service, system, anonymous
	AuthMethod string   `json:"auth_method,omitempty"` // session, jwt, api_key, basic, mtls, other
	OnBehalfOf string   `json:"on_behalf_of,omitempty"`
	SessionKey string   `json:"session_key,omitempty"` // stored as its SHA-256
}

func (a *Actor) known() bool { return a.UserID != "" || a.Username != "" || a.ActorType != "" }

// scope is what every event of one request has in common. The middleware and
// the interceptors put it into the request's context.
type scope struct {
	peer    string
	headers map[string][]string

	mu    sync.Mutex
	actor Actor
	route string
}

type scopeKey struct{}

func withScope(ctx context.Context, s *scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, s)
}

func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// SetActor says who makes the request that ctx belongs to, for the request's own
// event and for all that are recorded from now on. Call it where the service
// has authenticated somebody. Without a request in ctx nothing happens.
func SetActor(ctx context.Context, a Actor) {
	if s := scopeOf(ctx); s != nil {
		s.mu.Lock()
		s.actor = a
		s.mu.Unlock()
	}
}

// SetRoute names the route of the request that ctx belongs to, for routers that
// are not http.ServeMux.
func SetRoute(ctx context.Context, route string) {
	if s := scopeOf(ctx); s != nil {
		s.mu.Lock()
		s.route = route
		s.mu.Unlock()
	}
}

// fill completes an event with its identity and with what its request knows.
func (e *Event) fill(ctx context.Context, now time.Time, trace func(context.Context) (traceID, spanID string)) error {
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		e.ID = id.String()
	}
	if e.Datetime.IsZero() {
		e.Datetime = now
	}
	e.Datetime = e.Datetime.UTC()
	if e.TraceID == "" && trace != nil {
		e.TraceID, e.SpanID = trace(ctx)
	}
	s := scopeOf(ctx)
	if s == nil {
		return nil
	}
	if e.PeerAddress == "" && e.RemoteIP == "" {
		e.PeerAddress = s.peer
	}
	if e.Headers == nil {
		e.Headers = s.headers
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.known() {
		e.Actor = s.actor
	}
	return nil
}
