package clickhouse

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
)

// fault is what a proxy does with a request instead of passing it on.
type fault struct {
	match string // in the statement; it hits once
	code  string // of an exception; "" drops the connection
	after bool   // the server gets the request, and its answer is lost
	text  string // of an answer that is no exception
}

// proxy stands between a store and the server.
type proxy struct {
	mu     sync.Mutex
	faults []fault
}

func (p *proxy) plan(f ...fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, f...)
}

func (p *proxy) take(statement string) (f fault, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
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
	t.Cleanup(transport.CloseIdleConnections)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := p.take(r.URL.Query().Get("query")) // inserts have it there
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
