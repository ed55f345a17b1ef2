package activitylog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/felixge/httpsnoop"
)

// DefaultHeaders are the request headers that are reported when Options.Headers
// is nil: who, from where, with what. The collector reads them and stores none.
// Cookies are not among them; add "cookie" when the collector is to find a
// token or a session in one.
func DefaultHeaders() []string {
	return []string{
		"authorization", "user-agent", "traceparent", "x-request-id", "x-correlation-id",
		"x-forwarded-for", "forwarded", "x-real-ip",
		"host", "origin", "x-frontend-url", "access-control-request-method", "sec-fetch-site",
		"sec-ch-ua", "sec-ch-ua-platform", "sec-ch-ua-platform-version", "sec-ch-ua-mobile", "sec-ch-ua-model",
	}
}

// Middleware reports every request to next, once next is done with it: of a
// stream that is its end. Put it outside of everything else that answers, such
// as authentication and recovery. Events recorded with the request's context
// get its actor, address and trace.
func (s *Sender) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		sc := &scope{peer: r.RemoteAddr, headers: pick(s.opts.Headers, func(name string) []string {
			if name == "host" {
				return []string{r.Host} // net/http keeps it apart
			}
			return r.Header.Values(name)
		})}
		e := Event{Datetime: began, Kind: KindRequest, Method: cut(r.Method), URL: cut(r.URL.Path), QueryString: cut(r.URL.RawQuery)}
		ctx := withScope(r.Context(), sc)
		r = r.WithContext(ctx)
		sent, received := watch(w), &counter{ReadCloser: r.Body}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = received
		}
		defer func() {
			v := recover()
			e.ResponseTimeMS = milliseconds(time.Since(began))
			e.Route = sc.routeOr(r.Pattern)
			size := received.n.Load()
			if r.ContentLength >= 0 {
				size = r.ContentLength
			}
			e.RequestBodySize = &size
			sent.finish(&e, r, v)
			s.Record(ctx, e)
			if v != nil {
				panic(v) // net/http's to end, or an outer recovery's
			}
		}()
		next.ServeHTTP(sent.w, r)
	})
}

// What clients send must not make an event larger than a collector takes (1 MiB
// of JSON, in which a byte can become six), or a request would go unreported.
const (
	maxHeaderBytes = 64 << 10 // of all headers of a request
	maxTextBytes   = 8 << 10  // of method, path and query; the collector cuts them at 4096 and less
)

// pick gives the headers of the list that a request has, as far as they fit. One
// that does not is left out whole: an address list without its end would lie.
func pick(list []string, get func(name string) []string) map[string][]string {
	out := make(map[string][]string, len(list))
	room := maxHeaderBytes
	for _, name := range list {
		values := get(name)
		n := 0
		for _, v := range values {
			n += len(v) + 4
		}
		if n > 0 && n <= room {
			room -= n
			out[name] = slices.Clone(values) // handlers may change theirs
		}
	}
	return out
}

func cut(text string) string { return text[:min(len(text), maxTextBytes)] }

// routeOr gives the route that was set, else that of http.ServeMux, whose
// pattern is [METHOD ][HOST]/[PATH].
func (s *scope) routeOr(pattern string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := strings.IndexByte(pattern, '/'); s.route == "" && i >= 0 {
		return pattern[i:]
	}
	return s.route
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// response is what has become of a response.
type response struct {
	w        http.ResponseWriter // has the very interfaces of the one it watches
	status   int                 // 0: none was written
	bytes    int64
	hijacked bool
}

// watch wraps a writer. Flusher, Hijacker, ReaderFrom, deadlines and
// http.ResponseController stay what they were.
func watch(w http.ResponseWriter) *response {
	p := &response{}
	p.w = httpsnoop.Wrap(w, httpsnoop.Hooks{
		WriteHeader: func(next httpsnoop.WriteHeaderFunc) httpsnoop.WriteHeaderFunc {
			return func(code int) {
				next(code)
				if code >= 200 || code == http.StatusSwitchingProtocols { // the other 1xx are not the answer yet
					p.answered(code, 0)
				}
			}
		},
		Write: func(next httpsnoop.WriteFunc) httpsnoop.WriteFunc {
			return func(b []byte) (int, error) {
				n, err := next(b)
				p.answered(http.StatusOK, int64(n))
				return n, err
			}
		},
		WriteString: func(next httpsnoop.WriteStringFunc) httpsnoop.WriteStringFunc {
			return func(text string) (int, error) {
				n, err := next(text)
				p.answered(http.StatusOK, int64(n))
				return n, err
			}
		},
		ReadFrom: func(next httpsnoop.ReadFromFunc) httpsnoop.ReadFromFunc {
			return func(from io.Reader) (int64, error) {
				n, err := next(from)
				p.answered(http.StatusOK, n)
				return n, err
			}
		},
		Hijack: func(next httpsnoop.HijackFunc) httpsnoop.HijackFunc {
			return func() (net.Conn, *bufio.ReadWriter, error) {
				conn, rw, err := next()
				p.hijacked = p.hijacked || err == nil
				return conn, rw, err
			}
		},
	})
	return p
}

func (p *response) answered(status int, bytes int64) {
	if p.status == 0 {
		p.status = status
	}
	p.bytes += bytes
}

// finish writes into the event what became of its response. Of a connection
// that the handler has taken over, the size is not known.
func (p *response) finish(e *Event, r *http.Request, panicked any) {
	switch {
	case panicked != nil:
		e.Outcome, e.Reason = Failure, reasonOf(panicked)
		if p.status == 0 && panicked != http.ErrAbortHandler { //nolint:errorlint // net/http compares in the same way
			p.status = http.StatusInternalServerError
		}
	case p.hijacked && p.status == 0 && r.Header.Get("Upgrade") != "":
		p.status = http.StatusSwitchingProtocols
	case !p.hijacked && p.status == 0:
		p.status = http.StatusOK
	}
	e.ResponseStatus = p.status
	if !p.hijacked && r.Method != http.MethodHead { // what was written for HEAD has not been sent
		e.ResponseBodySize = &p.bytes
	}
}

// reasonOf describes a panic without its text, which may hold what must not be
// kept; the runtime's own texts hold nothing.
func reasonOf(panicked any) string {
	var known runtime.Error
	if err, ok := panicked.(error); ok {
		if errors.Is(err, http.ErrAbortHandler) {
			return "aborted"
		}
		if errors.As(err, &known) {
			return "panic: " + known.Error()
		}
	}
	return fmt.Sprintf("panic: %T", panicked)
}

// counter counts what is read of a body.
type counter struct {
	io.ReadCloser
	n atomic.Int64 // a proxy's transport may still read when its handler has returned
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.n.Add(int64(n))
	return n, err
}
