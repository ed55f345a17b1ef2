package enrichprocessor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// ClientAddressConfig names the proxies whose forwarding headers count, and how
// much of an address is kept.
type ClientAddressConfig struct {
	// TrustedProxies are CIDRs, addresses, or the word unix for peers on a unix
	// socket.
	TrustedProxies []string `mapstructure:"trusted_proxies"`
	// Headers are tried in this order; the first that the request has decides.
	Headers []string `mapstructure:"headers"`

	Anonymize           string              `mapstructure:"anonymize"` // off, prefix, hmac-sha256
	AnonymizeIPv4Prefix int                 `mapstructure:"anonymize_ipv4_prefix"`
	AnonymizeIPv6Prefix int                 `mapstructure:"anonymize_ipv6_prefix"`
	AnonymizeKey        configopaque.String `mapstructure:"anonymize_key"`
	AnonymizeKeyFile    string              `mapstructure:"anonymize_key_file"`
}

func defaultClientAddress() ClientAddressConfig {
	return ClientAddressConfig{
		Headers:             []string{"x-forwarded-for", "forwarded", "x-real-ip"},
		Anonymize:           anonymizeOff,
		AnonymizeIPv4Prefix: 24,
		AnonymizeIPv6Prefix: 48,
	}
}

func (c *ClientAddressConfig) validate(p *problems) {
	for i, s := range c.TrustedProxies {
		if s != unixPeer {
			_, err := parsePrefix(s)
			p.add(fmt.Sprintf("client_address::trusted_proxies::%d", i), err)
		}
	}
	for i, name := range c.Headers {
		if !isToken(name) {
			p.add(fmt.Sprintf("client_address::headers::%d", i), fmt.Errorf("%q is no header name", name))
		}
	}
	c.validateAnonymize(p)
}

// parsePrefix takes a CIDR or a single address.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a.WithZone(""), a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is neither a CIDR, an address nor the word unix: %w", s, err)
	}
	const mapped = 128 - 32 // the bits before an IPv4 address in an IPv6 one
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p.Masked(), nil
}

// unixPeer is the word for peers on a unix socket in trusted_proxies.
const unixPeer = "unix"

// proxies decides which address a request came from. The zero value trusts
// nobody.
type proxies struct {
	trusted []netip.Prefix
	unix    bool
	headers []forwarding
}

func newProxies(cfg *ClientAddressConfig) (proxies, error) {
	var p proxies
	for _, s := range cfg.TrustedProxies {
		if s == unixPeer {
			p.unix = true
			continue
		}
		prefix, err := parsePrefix(s)
		if err != nil {
			return p, fmt.Errorf("enrich: client_address::trusted_proxies: %w", err)
		}
		p.trusted = append(p.trusted, prefix)
	}
	for _, name := range cfg.Headers {
		p.headers = append(p.headers, newForwarding(name))
	}
	return p, nil
}

func (p *proxies) trusts(a netip.Addr) bool {
	a = a.WithZone("")
	return slices.ContainsFunc(p.trusted, func(t netip.Prefix) bool { return t.Contains(a) })
}

// sent reports whether a request with that peer came through a trusted proxy.
func (p *proxies) sent(peer string) bool {
	addr, ok := parseHost(peer)
	return ok && p.trusts(addr) || !ok && p.unix && isUnix(peer)
}

// clientAddress settles remote_ip. Forwarding headers count only when the peer
// of the reported request is a trusted proxy; without a peer the client's own
// word is kept.
func (e *enricher) clientAddress(in *intake) {
	said := in.event.RemoteIP
	if peer, ok := parseHost(in.peer); ok {
		in.settle(e.proxies.walk(hop{peer, in.peer}, in))
		return
	}
	// A server behind a unix socket has no address to report, and often no peer
	// at all. Where it did not name the socket, the address it says goes first.
	if e.proxies.unix && (isUnix(in.peer) || in.peer == "" && said == "") {
		if client := e.proxies.walk(hop{}, in); client.addr.IsValid() {
			in.settle(client)
			return
		}
	}
	if addr, ok := parseHost(said); ok {
		in.settle(hop{addr, said})
	}
}

// settle makes a hop the client. Its text is used when it is in canonical form.
func (in *intake) settle(client hop) {
	in.client = client.addr
	var buf [maxHost]byte
	if text := client.addr.AppendTo(buf[:0]); string(text) != client.text {
		client.text = string(text)
	}
	in.event.RemoteIP = client.text
}

// isUnix reports whether a peer is a unix socket as servers name it: @ or a
// path, unix:, or the bare word.
func isUnix(peer string) bool {
	return peer == unixPeer || strings.HasPrefix(peer, "unix:") || strings.HasPrefix(peer, "@") || strings.HasPrefix(peer, "/")
}

// walk goes from the peer towards the client as long as it meets proxies that
// are trusted. A peer without an address is a trusted one on a unix socket. The
// first header that the request has decides, whatever it says.
func (p *proxies) walk(peer hop, in *intake) hop {
	if peer.addr.IsValid() && !p.trusts(peer.addr) {
		return peer
	}
	for i := range p.headers {
		if client, present := p.along(&p.headers[i], in, peer); present {
			return client
		}
	}
	return peer
}

// along walks the lines of one header from the last to the first, as if they
// were one line (RFC 9110 section 5.3).
func (p *proxies) along(f *forwarding, in *intake, peer hop) (client hop, present bool) {
	client = peer
	hops := 0
	for i := len(in.headers) - 1; i >= 0; i-- {
		h := &in.headers[i]
		if h.name != f.name {
			continue
		}
		for n := h.lines() - 1; n >= 0; n-- {
			line := h.line(n)
			if strings.Trim(line, blanks) == "" {
				continue
			}
			present = true
			for more := true; more; hops++ {
				if hops == f.maxHops {
					return client, true
				}
				var node string
				node, line, more = f.last(line)
				addr, ok := parseHost(node)
				if !ok {
					return client, true // beyond an unreadable hop nothing is certain
				}
				client = hop{addr, strings.Trim(node, blanks)}
				if !p.trusts(addr) {
					return client, true
				}
			}
		}
	}
	return client, present
}

// lines and line give the values of a header, one for each line it came in.
func (h *header) lines() int {
	if h.values.Type() == pcommon.ValueTypeSlice {
		return h.values.Slice().Len()
	}
	return 1
}

func (h *header) line(i int) string {
	if h.values.Type() == pcommon.ValueTypeSlice {
		return h.values.Slice().At(i).AsString()
	}
	return h.values.AsString()
}
