package enrichprocessor

import (
	"fmt"
	"net/netip"
	"strings"
)

// ClientAddressConfig names the proxies whose forwarding headers count.
type ClientAddressConfig struct {
	TrustedProxies []string `mapstructure:"trusted_proxies"`
}

func (c *ClientAddressConfig) validate(p *problems) {
	for i, s := range c.TrustedProxies {
		_, err := parsePrefix(s)
		p.add(fmt.Sprintf("client_address::trusted_proxies::%d", i), err)
	}
}

// parsePrefix takes a CIDR or a single address.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is neither a CIDR nor an address: %w", s, err)
	}
	return p.Masked(), nil
}

// maxHops bounds the walk through a forwarding header.
const maxHops = 64

// clientAddress settles remote_ip. Forwarding headers count only when the peer
// of the reported request is a trusted proxy; without a peer the client's own
// word is kept.
func (e *enricher) clientAddress(in *intake) {
	ev := &in.event
	if peer, ok := parseHost(in.peer); ok {
		ev.RemoteIP = e.walk(peer, in).String()
		return
	}
	if addr, ok := parseHost(ev.RemoteIP); ok {
		ev.RemoteIP = addr.String()
	}
}

// walk goes from the peer towards the client as long as it meets proxies that
// are trusted.
func (e *enricher) walk(peer netip.Addr, in *intake) netip.Addr {
	if !e.trusted(peer) {
		return peer
	}
	var hops []string
	switch {
	case in.header("x-forwarded-for") != "":
		hops = strings.Split(in.header("x-forwarded-for"), ",")
	case in.header("forwarded") != "":
		hops = forwardedFor(in.header("forwarded"))
	case in.header("x-real-ip") != "":
		hops = []string{in.header("x-real-ip")}
	}
	client := peer
	for i, n := len(hops)-1, 0; i >= 0 && n < maxHops; i, n = i-1, n+1 {
		addr, ok := parseHost(hops[i])
		if !ok {
			return client // beyond an unreadable hop nothing is certain
		}
		client = addr
		if !e.trusted(addr) {
			return client
		}
	}
	return client
}

func (e *enricher) trusted(a netip.Addr) bool {
	a = a.WithZone("")
	for _, p := range e.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwardedFor gives the for parameters of RFC 7239, in order.
func forwardedFor(value string) []string {
	var out []string
	for _, element := range strings.Split(value, ",") {
		hop := ""
		for _, pair := range strings.Split(element, ";") {
			name, v, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if ok && strings.EqualFold(strings.TrimSpace(name), "for") {
				hop = strings.Trim(strings.TrimSpace(v), `"`)
			}
		}
		out = append(out, hop)
	}
	return out
}

// parseHost reads an address with or without port, brackets and zone.
func parseHost(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if s == "" {
		return netip.Addr{}, false
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap(), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap(), true
	}
	return netip.Addr{}, false
}
