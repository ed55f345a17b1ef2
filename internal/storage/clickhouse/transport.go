package clickhouse

import (
	"net/http"
	"sync"
)

// transport is one HTTP transport for every connection of the driver, which
// would make one for each and, when the first query on it fails, forget it with
// its open socket: an hour's worth of wrong passwords would be as many sockets.
type transport struct {
	once   sync.Once
	shared *http.Transport
}

// wrap is for clickhouse.Options.TransportFunc. The first transport the driver
// makes serves all.
func (t *transport) wrap(conns int) func(*http.Transport) (http.RoundTripper, error) {
	return func(own *http.Transport) (http.RoundTripper, error) {
		t.once.Do(func() {
			own.MaxIdleConns, own.MaxIdleConnsPerHost = conns, conns
			t.shared = own
		})
		return roundTripper{t.shared}, nil
	}
}

// close ends the idle connections, which by then are all.
func (t *transport) close() {
	t.once.Do(func() {})
	if t.shared != nil {
		t.shared.CloseIdleConnections()
	}
}

// roundTripper hides CloseIdleConnections: the driver calls it when one of its
// connections goes, and would close those of the others.
type roundTripper struct{ http.RoundTripper }
