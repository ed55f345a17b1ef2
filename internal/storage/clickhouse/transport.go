package clickhouse

import (
	"net/http"
	"sync"
	"time"
)

// transport is one HTTP transport for every connection of the driver, which
// would make one for each and, when the first query on it fails, forget it with
// its open socket: an hour's worth of wrong passwords would be as many sockets.
type transport struct {
	once   sync.Once
	shared *http.Transport
}

// idleTime is below the keep_alive_timeout of every server (3 s in old ones): an
// insert is not sent again by itself when its connection was just being closed.
const idleTime = 2 * time.Second

// wrap is for clickhouse.Options.TransportFunc. The first transport the driver
// makes serves all.
func (t *transport) wrap(conns int) func(*http.Transport) (http.RoundTripper, error) {
	return func(own *http.Transport) (http.RoundTripper, error) {
		t.once.Do(func() {
			own.MaxIdleConns, own.MaxIdleConnsPerHost = conns, conns
			own.IdleConnTimeout = idleTime
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
