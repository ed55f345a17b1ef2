package enrichprocessor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

func TestForwardingHeaders(t *testing.T) {
	e := started(t, func(c *Config) {
		c.ClientAddress.TrustedProxies = []string{"10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.1", "fe80::/10"}
	})
	const proxy = "10.0.0.1"
	type headers = map[string][]string
	xff := func(lines ...string) headers { return headers{"x-forwarded-for": lines} }
	rfc := func(lines ...string) headers { return headers{"forwarded": lines} }
	for _, tt := range []struct {
		name, peer string
		in         headers
		want       string
	}{
		{"one hop", proxy, xff("198.51.100.7"), "198.51.100.7"},
		{"the first from the right that is not trusted", proxy, xff("6.6.6.6, 198.51.100.7, 10.1.1.1,10.2.2.2"), "198.51.100.7"},
		{"every hop trusted", proxy, xff("10.3.3.3, 10.2.2.2"), "10.3.3.3"},
		{"a single trusted address", "192.0.2.1", xff("198.51.100.7"), "198.51.100.7"},
		{"its neighbour is not trusted", "192.0.2.2", xff("198.51.100.7"), "192.0.2.2"},
		{"several lines", proxy, xff("6.6.6.6", "198.51.100.7, 10.1.1.1", "10.2.2.2"), "198.51.100.7"},
		{"port", proxy, xff("198.51.100.7:4711"), "198.51.100.7"},
		{"brackets", proxy, xff("[2001:db8::7]"), "2001:db8::7"},
		{"brackets and port", proxy, xff("[2001:db8::7]:4711"), "2001:db8::7"},
		{"capitals and zeros", proxy, xff("2001:0DB8:0::7"), "2001:db8::7"},
		{"IPv4 in IPv6", proxy, xff("::ffff:198.51.100.7"), "198.51.100.7"},
		{"proxy as IPv4 in IPv6", "::ffff:10.0.0.1", xff("198.51.100.7, [::ffff:10.9.9.9]:80"), "198.51.100.7"},
		{"proxy with port", "10.0.0.1:52100", xff("198.51.100.7"), "198.51.100.7"},
		{"IPv6 proxy", "[2001:db8:ffff::1]:52100", xff("2001:db8::7"), "2001:db8::7"},
		{"proxy with zone", "fe80::1%eth0", xff("198.51.100.7"), "198.51.100.7"},
		{"untrusted peer", "203.0.113.9", xff("198.51.100.7"), "203.0.113.9"},
		{"untrusted peer with port", "203.0.113.9:1", xff("198.51.100.7"), "203.0.113.9"},
		{"no header", proxy, nil, proxy},
		{"empty header", proxy, xff(""), proxy},
		{"an empty hop ends the walk", proxy, xff("198.51.100.7, , 10.2.2.2"), "10.2.2.2"},
		{"so does text", proxy, xff("198.51.100.7, unknown, 10.2.2.2"), "10.2.2.2"},
		{"so does a number", proxy, xff("198.51.100.7, 0x0a000001"), proxy},
		{"Forwarded", proxy, rfc("for=198.51.100.7"), "198.51.100.7"},
		{"Forwarded with more", proxy, rfc(`by=10.0.0.1;For="198.51.100.7:4711" ; proto=https;host=a`), "198.51.100.7"},
		{"Forwarded, IPv6", proxy, rfc(`for="[2001:db8:cafe::17]:4711"`), "2001:db8:cafe::17"},
		{"Forwarded, right to left", proxy, rfc("for=6.6.6.6, for=198.51.100.7;by=x, for=10.2.2.2"), "198.51.100.7"},
		{"Forwarded, several lines", proxy, rfc("for=198.51.100.7", "for=10.2.2.2"), "198.51.100.7"},
		{"Forwarded, hidden", proxy, rfc("for=198.51.100.7, for=_hidden, for=10.2.2.2"), "10.2.2.2"},
		{"Forwarded, unknown", proxy, rfc("for=198.51.100.7, for=unknown"), proxy},
		{"Forwarded without for", proxy, rfc("for=198.51.100.7, proto=https"), proxy},
		{"Forwarded, broken quotes", proxy, rfc(`for="6.6.6.6, for=198.51.100.7`), "198.51.100.7"},
		{"X-Real-IP", proxy, headers{"x-real-ip": {" 198.51.100.7 "}}, "198.51.100.7"},
		{"X-Real-IP of an untrusted peer", "203.0.113.9", headers{"x-real-ip": {"198.51.100.7"}}, "203.0.113.9"},
		{"X-Forwarded-For goes first", proxy, headers{"x-forwarded-for": {"198.51.100.7"}, "forwarded": {"for=198.51.100.8"}, "x-real-ip": {"198.51.100.9"}}, "198.51.100.7"},
		{"Forwarded goes second", proxy, headers{"forwarded": {"for=198.51.100.8"}, "x-real-ip": {"198.51.100.9"}}, "198.51.100.8"},
		{"the walk is bounded", proxy, xff("198.51.100.7" + strings.Repeat(", 10.2.2.2", 200)), "10.2.2.2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := request1()
			ev.RemoteIP = "203.0.113.200" // the peer goes before the client's word
			got := one(t, e, logsOf(ev, &activitylogs.Inputs{PeerAddress: tt.peer, Headers: tt.in}))
			assert.Equal(t, tt.want, got.RemoteIP)
		})
	}
}

// Without a trusted proxy no header ever counts.
func TestNoProxyIsTrustedByDefault(t *testing.T) {
	e := started(t, nil)
	for _, peer := range []string{"127.0.0.1", "::1", "10.0.0.1", "192.168.1.1"} {
		in := &activitylogs.Inputs{PeerAddress: peer, Headers: map[string][]string{
			"x-forwarded-for": {"6.6.6.6"}, "forwarded": {"for=6.6.6.6"}, "x-real-ip": {"6.6.6.6"},
		}}
		assert.Equal(t, peer, one(t, e, logsOf(request1(), in)).RemoteIP)
	}
}

func TestClientsOwnWord(t *testing.T) {
	e := started(t, nil)
	for said, want := range map[string]string{
		"198.51.100.7":        "198.51.100.7",
		"::ffff:198.51.100.7": "198.51.100.7",
		"[2001:DB8::7]:443":   "2001:db8::7",
		"198.51.100.7:80":     "198.51.100.7",
		"fe80::1%eth0":        "fe80::1%eth0",
		"host-7.example.org":  "host-7.example.org",
		"999.1.1.1":           "999.1.1.1",
		"":                    "",
	} {
		ev := request1()
		ev.RemoteIP = said
		got := one(t, e, logsOf(ev, &activitylogs.Inputs{PeerAddress: "@unix"}))
		assert.Equal(t, want, got.RemoteIP)
	}
}
