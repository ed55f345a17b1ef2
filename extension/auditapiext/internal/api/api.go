package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Root is the path below which every resource lies.
const Root = "/api/activity"

// Settings of an API.
type Settings struct {
	Store storage.Reader
	// Ping reports whether the store answers.
	Ping func(*http.Request) error
	// Authenticate gives the scope of a caller, or auth.ErrUnauthenticated.
	Authenticate func(*http.Request) (activity.Scope, error)
	Logger       *zap.Logger
	// Observe is told about every answer.
	Observe func(r *http.Request, endpoint string, status int, took time.Duration)
	// Exported and Verified count rows.
	Exported, Verified func(ctx context.Context, rows int64)
	Now                func() time.Time

	// ReadBudget bounds the time of a list, VerifyBudget of one integrity report.
	ReadBudget, VerifyBudget time.Duration
	// MaxLong bounds the exports and reports that run at once.
	MaxLong int
	// StallTimeout ends an export whose client does not take what is written.
	StallTimeout time.Duration
}

// API is an http.Handler.
type API struct {
	settings Settings
	ready    atomic.Bool
	long     chan struct{} // one element for each export or report under way
	mux      *http.ServeMux
}

// New makes the handler of every endpoint.
func New(s Settings) *API {
	a := &API{settings: s, long: make(chan struct{}, s.MaxLong), mux: http.NewServeMux()}
	for _, e := range endpoints() {
		for _, pattern := range e.patterns {
			a.mux.Handle(pattern, a.serve(pattern, &e))
		}
	}
	a.mux.Handle("/livez", a.health("/livez", func(*http.Request) error { return nil }))
	a.mux.Handle("/readyz", a.health("/readyz", a.checkReady))
	a.mux.Handle("/healthz", a.health("/healthz", s.Ping))
	a.mux.Handle("/", a.serve("other", &endpoint{handle: func(c *call) error {
		return fmt.Errorf("%w: there is no %s; lists are at %s/{crud,login,request,cors,system}-events/", activity.ErrNotFound, c.r.URL.Path, Root)
	}}))
	return a
}

// SetReady says whether the pipelines accept events.
func (a *API) SetReady(ready bool) { a.ready.Store(ready) }

// ServeHTTP implements http.Handler. A path means the same with and without a
// slash at its end.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p := r.URL.Path; len(p) > 1 && strings.HasSuffix(p, "/") {
		trimmed := *r.URL
		trimmed.Path, trimmed.RawPath = strings.TrimRight(p, "/"), ""
		if trimmed.Path == "" {
			trimmed.Path = "/"
		}
		clone := *r
		clone.URL = &trimmed
		r = &clone
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	a.mux.ServeHTTP(w, r)
}

// call is one request to an endpoint.
type call struct {
	*API
	w        http.ResponseWriter
	r        *http.Request
	endpoint *endpoint
	scope    activity.Scope
	params   url.Values
}

// serve authenticates, checks the method and the parameters' names, and
// observes the answer.
func (a *API) serve(pattern string, e *endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := a.settings.Now()
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			a.settings.Observe(r, pattern, answer.status, a.settings.Now().Sub(start))
		}()
		if err := a.answer(answer, r, e); err != nil {
			a.fail(answer, r, err)
		}
	})
}

func (a *API) answer(w *answer, r *http.Request, e *endpoint) error {
	scope, err := a.settings.Authenticate(r)
	if err != nil {
		return err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return errMethod
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fmt.Errorf("%w: the query string cannot be read: %w", activity.ErrInvalid, err)
	}
	if err := e.checkNames(params); err != nil {
		return err
	}
	return e.handle(&call{API: a, w: w, r: r, endpoint: e, scope: scope, params: params})
}

// checkNames refuses parameters that the endpoint does not have, and those
// given twice: ignoring either would answer another question than the asked.
func (e *endpoint) checkNames(params url.Values) error {
	var unknown []string
	for name := range params {
		if !e.knows(name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return checkOnce(params)
	}
	slices.Sort(unknown)
	return fmt.Errorf("%w: unknown parameter %s; known are %s", activity.ErrInvalid, strings.Join(unknown, ", "), strings.Join(e.known(), ", "))
}

func checkOnce(params url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if n := len(params[name]); n > 1 {
			return fmt.Errorf("%w: %s is given %d times; several values go into one list (name__in=a,b)", activity.ErrInvalid, name, n)
		}
	}
	return nil
}

func (a *API) health(pattern string, check func(*http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, status := a.settings.Now(), http.StatusOK
		if err := check(r); err != nil {
			status = http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "2")
			writeProblem(w, problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: "not ready"})
		} else {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte("{\"status\":\"ok\"}\n")) // the client is gone when this fails
		}
		a.settings.Observe(r, pattern, status, a.settings.Now().Sub(start))
	})
}

func (a *API) checkReady(r *http.Request) error {
	if !a.ready.Load() {
		return storage.ErrClosed
	}
	return a.settings.Ping(r)
}

// takeLong takes one of the places for long requests; release gives it back.
func (a *API) takeLong() (release func(), err error) {
	select {
	case a.long <- struct{}{}:
		return func() { <-a.long }, nil
	default:
		return nil, errBusy
	}
}

// answer remembers the status for the metrics.
type answer struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (a *answer) WriteHeader(status int) {
	if !a.wrote {
		a.status, a.wrote = status, true
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.wrote = true
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
