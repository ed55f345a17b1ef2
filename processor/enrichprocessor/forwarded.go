package enrichprocessor

import (
	"net/netip"
	"strings"
)

const (
	// maxHops bounds the walk through a forwarding header.
	maxHops = 64
	// maxHost is the longest text that is read as an address: IPv6 with zone,
	// brackets and port.
	maxHost = 128
	blanks  = " \t"
)

// forwarding is a header that names clients. Every proxy on the way appends what
// it saw, so that its value is read from the right: what a client wrote itself
// stands at the left, and cannot change how the proxies' words are read.
type forwarding struct {
	name    string
	maxHops int
	// last cuts the last hop off a value; more is false once nothing is left of
	// it. A hop that says no address is given as it is, or as "".
	last func(value string) (node, rest string, more bool)
}

// newForwarding: Forwarded (RFC 7239) and lists like X-Forwarded-For have any
// number of hops, every other header (X-Real-IP, CF-Connecting-IP, ...) one. Of
// several values of such a header the last counts, which the nearest proxy wrote.
func newForwarding(name string) forwarding {
	f := forwarding{name: strings.ToLower(name), maxHops: 1, last: lastListed}
	switch {
	case f.name == "forwarded":
		f.maxHops, f.last = maxHops, lastForwarded
	case strings.HasSuffix(f.name, "forwarded-for"):
		f.maxHops = maxHops
	}
	return f
}

// hop is an address on the way of a request, and how it was written.
type hop struct {
	addr netip.Addr
	text string
}

// lastListed reads a comma-separated list.
func lastListed(value string) (node, rest string, more bool) {
	i := strings.LastIndexByte(value, ',')
	if i < 0 {
		return value, "", false
	}
	return value[i+1:], value[:i], true
}

// lastForwarded reads the last forwarded-element of RFC 7239 section 4 and gives
// its for parameter. Commas within quoted strings separate nothing.
func lastForwarded(value string) (node, rest string, more bool) {
	quoted := false
	for i := len(value) - 1; i >= 0; i-- {
		switch value[i] {
		case '"':
			if !quoted || !escaped(value[:i]) {
				quoted = !quoted
			}
		case ',':
			if !quoted {
				return forOf(value[i+1:]), value[:i], true
			}
		}
	}
	if quoted {
		return "", "", false // a quoted string without a beginning
	}
	return forOf(value), "", false
}

// escaped reports whether a character behind before is escaped by it.
func escaped(before string) bool {
	n := len(before) - len(strings.TrimRight(before, `\`))
	return n%2 == 1
}

// forOf gives the for parameter of one element; "" when it has none, two, or is
// not well formed.
func forOf(element string) string {
	found := ""
	for rest, more := element, true; more; {
		var name, value string
		var ok bool
		name, value, rest, more, ok = cutPair(rest)
		if !ok {
			return ""
		}
		if strings.EqualFold(name, "for") {
			if found != "" {
				return ""
			}
			found = value
		}
	}
	return found
}

// cutPair cuts the first forwarded-pair off an element. An empty one is allowed,
// and so are blanks around the separators, which senders add.
func cutPair(element string) (name, value, rest string, more, ok bool) {
	equals := strings.IndexAny(element, "=;")
	if equals < 0 || element[equals] == ';' {
		name, rest, more = strings.Cut(element, ";")
		return "", "", rest, more, strings.Trim(name, blanks) == ""
	}
	name = strings.Trim(element[:equals], blanks)
	value = strings.TrimLeft(element[equals+1:], blanks)
	if !strings.HasPrefix(value, `"`) {
		value, rest, more = strings.Cut(value, ";")
		value = strings.Trim(value, blanks)
		return name, value, rest, more, isToken(name) && value != "" && !strings.Contains(value, `"`)
	}
	value, rest, ok = unquote(value)
	rest = strings.TrimLeft(rest, blanks)
	if rest == "" {
		return name, value, "", false, ok && isToken(name)
	}
	return name, value, rest[1:], true, ok && rest[0] == ';' && isToken(name)
}

// unquote reads the quoted-string (RFC 9110 section 5.6.4) that s begins with.
func unquote(s string) (value, rest string, ok bool) {
	escapes := false
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			escapes = true
			i++
		case '"':
			value, rest = s[1:i], s[i+1:]
			if escapes {
				value = unescape(value)
			}
			return value, rest, true
		}
	}
	return "", "", false
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// parseHost reads an address as a node of RFC 7239 section 6, as servers print
// their peers: alone or with a port, which may be obfuscated; IPv6 in brackets,
// where it needs none without a port; with a zone. IPv4 in IPv6 becomes IPv4.
func parseHost(s string) (netip.Addr, bool) {
	s = strings.Trim(s, blanks)
	if s == "" || len(s) > maxHost {
		return netip.Addr{}, false
	}
	host, port := s, ""
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return netip.Addr{}, false
		}
		host, port = s[1:end], s[end+1:]
		if strings.IndexByte(host, ':') < 0 {
			return netip.Addr{}, false // only IPv6 has brackets
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 && strings.LastIndexByte(s, ':') == i {
		host, port = s[:i], s[i:]
	}
	if !isPort(port) || !mayBeAddress(host) {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// isPort takes nothing, or a colon with a number or an obfuscated port.
func isPort(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != ':' {
		return false
	}
	if s = s[1:]; strings.HasPrefix(s, "_") {
		return true
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= len("65535")
}

// mayBeAddress passes over most texts that are none at no cost, and keeps zones
// to the characters of an interface's name: netip takes any.
func mayBeAddress(s string) bool {
	address, zone, hasZone := strings.Cut(s, "%")
	for i := range len(address) {
		if !isAddressByte(address[i]) {
			return false
		}
	}
	for i := range len(zone) {
		if c := zone[i]; !isAlphanumeric(c) && strings.IndexByte("-._~", c) < 0 {
			return false
		}
	}
	return !hasZone || zone != ""
}

func isAddressByte(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' || c == '.' || c == ':'
}
