package clickhouse

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
)

// fault is what a proxy does with a request instead of passing it on.
type fault struct {
	match   string // in the statement; it hits once
	code    string // of an exception; "" drops the connection
	after   bool   // the server gets the request, and its answer is lost
	text    string // of an answer that is no exception
	instead string // another statement, which is passed on
}

// proxy stands between a store and the server.
type proxy struct {
	delay    time.Duration // of every insert
	maxBytes int           // of an insert, 0 = any; above it the answer is 413

	mu          sync.Mutex
	faults      []fault
	asked       []request
	under, most int // inserts at the same time
}

// request is what a proxy saw.
type request struct {
	statement string
	settings  url.Values
}

// seen gives the requests whose statement has the text.
func (p *proxy) seen(match string) (out []request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.asked {
		if strings.Contains(r.statement, match) {
			out = append(out, r)
		}
	}
	return out
}

// mostAtOnce is how many inserts were under way at the same time.
func (p *proxy) mostAtOnce() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// hold keeps an insert waiting; the function it gives lets it go.
func (p *proxy) hold() func() {
	p.mu.Lock()
	p.under++
	p.most = max(p.most, p.under)
	p.mu.Unlock()
	time.Sleep(p.delay)
	return func() {
		p.mu.Lock()
		p.under--
		p.mu.Unlock()
	}
}

func (p *proxy) plan(f ...fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, f...)
}

func (p *proxy) take(statement string, settings url.Values) (f fault, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, request{statement, settings})
	if len(p.faults) == 0 || !strings.Contains(statement, p.faults[0].match) {
		return f, false
	}
	f, p.faults = p.faults[0], p.faults[1:]
	return f, true
}

// behind lets the configuration reach its server through a proxy.
func behind(t *testing.T, cfg *Config) *proxy {
	t.Helper()
	direct, err := cfg.target()
	require.NoError(t, err)
	p := &proxy{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: direct.addresses[0]})
	transport := &http.Transport{}
	forward.Transport = transport
	forward.ErrorLog = log.New(io.Discard, "", 0) // of requests that were given up
	t.Cleanup(transport.CloseIdleConnections)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		statement := r.URL.Query().Get("query") // inserts have it there
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if insert := statement != ""; insert {
			defer p.hold()()
			if p.maxBytes > 0 && len(body) > p.maxBytes {
				http.Error(w, "too large", http.StatusRequestEntityTooLarge)
				return
			}
		} else {
			statement = string(body)
		}
		f, ok := p.take(statement, r.URL.Query())
		if f.instead != "" {
			body, ok = []byte(f.instead), false
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		switch {
		case !ok:
			forward.ServeHTTP(w, r)
			return
		case f.after:
			forward.ServeHTTP(httptest.NewRecorder(), r)
		case f.text != "":
			http.Error(w, f.text, http.StatusBadGateway)
			return
		case f.code != "":
			w.Header().Set("X-ClickHouse-Exception-Code", f.code)
			http.Error(w, "Code: "+f.code+". DB::Exception: injected by a test: While executing of secret-value. (INJECTED)", http.StatusServiceUnavailable)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(string(cfg.DSN))
	require.NoError(t, err)
	at.Host = strings.TrimPrefix(server.URL, "http://")
	cfg.DSN = configopaque.String(at.String())
	return p
}
