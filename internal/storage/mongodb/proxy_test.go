package mongodb

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.opentelemetry.io/collector/config/configopaque"
)

// verdict says what a proxy does with a command.
type verdict struct {
	reply      bson.D // answered with this, the server never sees it
	hangUp     bool   // the connection is closed, the server never sees it
	loseAnswer bool   // the server does it, and the connection is closed instead of the answer
}

// proxy stands between the driver and a real server. It speaks the wire
// protocol (OP_MSG) as far as finding out which command passes.
type proxy struct {
	listener net.Listener
	server   string
	wg       sync.WaitGroup

	mu       sync.Mutex
	commands []bson.Raw                // every command that passed
	judge    func(name string) verdict // nil = everything passes
	forget   bool                      // commands are not kept
	open     map[net.Conn]struct{}     // to close with the test
}

// newProxy starts a proxy and gives the configuration to reach the server
// through it.
func newProxy(tb testing.TB) (*proxy, Config) {
	tb.Helper()
	return newProxyBehind(tb, func(l net.Listener) net.Listener { return l })
}

// newProxyBehind is newProxy with something in front, for example TLS.
func newProxyBehind(tb testing.TB, front func(net.Listener) net.Listener) (*proxy, Config) {
	tb.Helper()
	cfg := testConfig(tb)
	u, err := url.Parse(string(cfg.DSN))
	require.NoError(tb, err)
	p := &proxy{server: u.Host, open: map[net.Conn]struct{}{}}
	p.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	p.listener = front(p.listener)
	p.wg.Go(p.accept)
	tb.Cleanup(func() {
		closeQuietly(p.listener)
		p.mu.Lock()
		for c := range p.open {
			closeQuietly(c)
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	u.Host = p.listener.Addr().String()
	options := u.Query()
	options.Set("heartbeatFrequencyMS", "500")
	options.Set("serverMonitoringMode", "poll")
	u.RawQuery = options.Encode()
	cfg.DSN = configopaque.String(u.String())
	return p, cfg
}

// set makes the proxy ask judge about every command from now on.
func (p *proxy) set(judge func(name string) verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judge = judge
}

// once applies a verdict to the next command of the name.
func (p *proxy) once(name string, v verdict) {
	done := false
	p.set(func(n string) verdict {
		if done || n != name {
			return verdict{}
		}
		done = true
		return v
	})
}

// seen gives the commands of a name that passed.
func (p *proxy) seen(name string) []bson.Raw {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []bson.Raw
	for _, c := range p.commands {
		if commandName(c) == name {
			out = append(out, c)
		}
	}
	return out
}

func commandName(c bson.Raw) string {
	elements, err := c.Elements()
	if err != nil || len(elements) == 0 {
		return ""
	}
	return elements[0].Key()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			closeQuietly(client)
			continue
		}
		p.mu.Lock()
		p.open[client], p.open[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		p.wg.Go(func() { p.serve(client, server) })
	}
}

// serve passes messages both ways: a server answers a monitoring driver more
// than once.
func (p *proxy) serve(client, server net.Conn) {
	defer closeQuietly(client)
	defer closeQuietly(server)
	var turn sync.Mutex // of writing to the client
	lost := false
	send := func(message []byte) error {
		turn.Lock()
		defer turn.Unlock()
		if lost {
			return net.ErrClosed
		}
		_, err := client.Write(message)
		return err
	}
	p.wg.Go(func() {
		defer closeQuietly(client)
		for {
			answer, err := readMessage(server)
			if err != nil || send(answer) != nil {
				return
			}
		}
	})
	for {
		message, err := readMessage(client)
		if err != nil {
			return
		}
		v := p.decide(message)
		switch {
		case v.hangUp:
			return
		case v.reply != nil:
			if send(replyTo(message, v.reply)) != nil {
				return
			}
			continue
		case v.loseAnswer:
			turn.Lock()
			lost = true
			turn.Unlock()
		}
		if _, err := server.Write(message); err != nil {
			return
		}
	}
}

func (p *proxy) decide(message []byte) verdict {
	cmd := commandOf(message)
	if cmd == nil {
		return verdict{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.forget {
		p.commands = append(p.commands, cmd)
	}
	if p.judge == nil {
		return verdict{}
	}
	return p.judge(commandName(cmd))
}

const (
	headerSize = 16
	opMsg      = 2013
)

func readMessage(c net.Conn) ([]byte, error) {
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil, err
	}
	message := make([]byte, binary.LittleEndian.Uint32(head))
	copy(message, head)
	_, err := io.ReadFull(c, message[headerSize:])
	return message, err
}

// commandOf gives the body section of an OP_MSG; nil for another message.
func commandOf(message []byte) bson.Raw {
	if binary.LittleEndian.Uint32(message[12:]) != opMsg {
		return nil
	}
	for rest := message[headerSize+4:]; len(rest) > 5; {
		size := binary.LittleEndian.Uint32(rest[1:])
		if rest[0] == 0 {
			return append(bson.Raw(nil), rest[1:1+size]...)
		}
		rest = rest[1+size:]
	}
	return nil
}

func replyTo(message []byte, doc bson.D) []byte {
	body, err := bson.Marshal(doc)
	if err != nil {
		panic(err) // a test's own document
	}
	out := make([]byte, headerSize+5, headerSize+5+len(body))
	binary.LittleEndian.PutUint32(out, uint32(cap(out)))
	copy(out[8:], message[4:8]) // responseTo
	binary.LittleEndian.PutUint32(out[12:], opMsg)
	return append(out, body...)
}

// failure is the answer of a server that refuses a command.
func failure(code int, name, message string) bson.D {
	return bson.D{{Key: "ok", Value: 0}, {Key: "errmsg", Value: message}, {Key: "code", Value: code}, {Key: "codeName", Value: name}}
}

// closeQuietly closes what may be closed already.
func closeQuietly(c io.Closer) { _ = c.Close() }
