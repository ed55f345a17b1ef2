package enrichprocessor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// CorrelationConfig ties events to the request and the session they belong to.
type CorrelationConfig struct {
	// RequestIDHeaders are tried in order; the first value becomes _request_id in
	// extra_data.
	RequestIDHeaders []string `mapstructure:"request_id_headers"`
	// SessionCookie names the cookie that holds the session's key.
	SessionCookie string `mapstructure:"session_cookie"`
}

func defaultCorrelation() CorrelationConfig {
	return CorrelationConfig{RequestIDHeaders: []string{"x-request-id", "x-correlation-id"}}
}

func (c *CorrelationConfig) validate(p *problems) {
	names, err := newNameRules(&RedactConfig{})
	p.add("correlation::request_id_headers", err)
	for i, name := range c.RequestIDHeaders {
		key := fmt.Sprintf("correlation::request_id_headers::%d", i)
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			p.add(key, fmt.Errorf("%q is no name of a header", name))
		case names.secret(name):
			p.add(key, fmt.Errorf("%q holds a secret, and request ids are stored as they are", name))
		}
	}
	if c.SessionCookie != "" && !httpguts.ValidHeaderFieldName(c.SessionCookie) { // both are tokens
		p.add("correlation::session_cookie", errors.New("is no name of a cookie (RFC 6265 section 4.1.1)"))
	}
}

// noteRequestID is the reserved member that keeps the request's id.
const noteRequestID = "_request_id"

// maxRequestID bounds what is kept of a request id, in bytes.
const maxRequestID = 255

// correlator is a CorrelationConfig with the names in lower case.
type correlator struct {
	requestIDs []string
	cookie     string
	hash       bool // the session's key
}

func newCorrelator(cfg *CorrelationConfig, hash bool) *correlator {
	c := &correlator{cookie: cfg.SessionCookie, hash: hash}
	for _, name := range cfg.RequestIDHeaders {
		c.requestIDs = append(c.requestIDs, strings.ToLower(name))
	}
	return c
}

// correlate takes trace, request and session ids from the headers of the
// reported request, where the record itself names none.
func (c *correlator) correlate(in *intake) {
	if len(in.headers) == 0 {
		return
	}
	ev := &in.event
	if ev.TraceID == [16]byte{} && ev.SpanID == [8]byte{} {
		if trace, span, ok := parseTraceparent(in.header("traceparent")); ok {
			ev.TraceID, ev.SpanID = trace, span
		}
	}
	for _, name := range c.requestIDs {
		if id := strings.TrimSpace(in.header(name)); id != "" {
			in.note(noteRequestID, jsonString(activity.CutText(activity.CleanText(id), maxRequestID)))
			break
		}
	}
	if c.cookie == "" || ev.SessionKey != "" {
		return
	}
	if key := in.cookie(c.cookie); key != "" {
		if c.hash {
			key = hashSession(key)
		}
		ev.SessionKey, in.sessionDone = key, true
	}
}

// hashSession gives the form in which a session key is stored: SHA-256 in hex.
func hashSession(key string) string {
	sum := sha256.Sum256([]byte(key))
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum[:])
	return string(text[:])
}
