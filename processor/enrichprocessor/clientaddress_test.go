package enrichprocessor

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		{"brackets that do not close", proxy, xff("[2001:db8::7"), proxy},
		{"brackets around IPv4", proxy, xff("[198.51.100.7]"), proxy},
		{"text behind brackets", proxy, xff("[2001:db8::7]x80"), proxy},
		{"port that is none", proxy, xff("198.51.100.7:http"), proxy},
		{"no port behind the colon", proxy, xff("198.51.100.7:"), proxy},
		{"zone", proxy, xff("fe80::7%eth0"), "fe80::7%eth0"},
		{"zone, brackets and port", "[fe80::1%eth0]:80", xff("[2001:db8::7%en1]:443"), "2001:db8::7%en1"},
		{"a script for a zone", proxy, xff("fe80::7%<script>alert(1)</script>"), proxy},
		{"a script", proxy, xff("<script>alert(1)</script>"), proxy},
		{"NUL", proxy, xff("198.51.100.7\x00"), proxy},
		{"line feed", proxy, xff("198.51.100.7\n"), proxy},
		{"tabs", proxy, xff("\t198.51.100.7\t"), "198.51.100.7"},
		{"hexadecimal", proxy, xff("0x0a.1.1.1"), proxy},
		{"octal", proxy, xff("010.1.1.1"), proxy},
		{"an empty line is none", proxy, xff("198.51.100.7", " "), "198.51.100.7"},
		{"two hops behind a line", proxy, xff("6.6.6.6", "", "198.51.100.7,10.1.1.1"), "198.51.100.7"},
		{"an empty header leaves it to the next", proxy, headers{"x-forwarded-for": {""}, "forwarded": {"for=198.51.100.8"}}, "198.51.100.8"},
		{"an unreadable header does not", proxy, headers{"x-forwarded-for": {"unknown"}, "forwarded": {"for=198.51.100.8"}}, proxy},
		{"Forwarded, comma within quotes", proxy, rfc(`for=198.51.100.7;host="a,for=6.6.6.6,b"`), "198.51.100.7"},
		{"Forwarded, quotes within quotes", proxy, rfc(`for=198.51.100.7;host="a\",for=6.6.6.6,\"b"`), "198.51.100.7"},
		{"Forwarded, backslash before the end", proxy, rfc(`for=6.6.6.6;host="a\\", for=198.51.100.7;host="b\\"`), "198.51.100.7"},
		{"Forwarded, escaped address", proxy, rfc(`for="198.51.10\0.7"`), "198.51.100.7"},
		{"Forwarded, obfuscated port", proxy, rfc(`for="198.51.100.7:_http"`), "198.51.100.7"},
		{"Forwarded, unquoted IPv6", proxy, rfc(`for=[2001:db8::7]`), "2001:db8::7"},
		{"Forwarded, zone", proxy, rfc(`for="[fe80::7%eth0]:1"`), "fe80::7%eth0"},
		{"Forwarded, twice for", proxy, rfc(`for=198.51.100.7;for=6.6.6.6`), proxy},
		{"Forwarded, empty pairs", proxy, rfc(`;;for=198.51.100.7; ;proto=http;`), "198.51.100.7"},
		{"Forwarded, text without a name", proxy, rfc(`198.51.100.7`), proxy},
		{"Forwarded, no name", proxy, rfc(`for=198.51.100.7;=x`), proxy},
		{"Forwarded, text behind a quoted string", proxy, rfc(`for="198.51.100.7"x`), proxy},
		{"Forwarded, a quote opened by the client", proxy, rfc(`for=6.6.6.6;x=", for="[2001:db8::7]"`), "2001:db8::7"},
		{"Forwarded, quotes opened by the client on a line", proxy, rfc(`for="6.6.6.6`, `for=198.51.100.7`), "198.51.100.7"},
		{"Forwarded, only a quote", proxy, rfc(`"`), proxy},
		{"X-Real-IP, several lines", proxy, headers{"x-real-ip": {"6.6.6.6", "198.51.100.7"}}, "198.51.100.7"},
		{"X-Real-IP, joined lines", proxy, headers{"x-real-ip": {"6.6.6.6, 198.51.100.7"}}, "198.51.100.7"},
		{"X-Real-IP is one hop", proxy, headers{"x-real-ip": {"198.51.100.7, 10.1.1.1"}}, "10.1.1.1"},
		{"ten thousand hops", proxy, xff("198.51.100.7" + strings.Repeat(",10.2.2.2", 10_000)), "10.2.2.2"},
		{"ten thousand lines", proxy, xff(slices.Repeat([]string{"10.2.2.2"}, 10_000)...), "10.2.2.2"},
		{"ten thousand elements", proxy, rfc("for=198.51.100.7" + strings.Repeat(`,for="10.2.2.2"`, 10_000)), "10.2.2.2"},
		{"a megabyte of quotes", proxy, rfc(strings.Repeat(`"`, 1<<20)), proxy},
		{"a megabyte of backslashes", proxy, rfc(`for="` + strings.Repeat(`\`, 1<<20) + `"`), proxy},
		{"a megabyte of colons", proxy, xff(strings.Repeat(":", 1<<20)), proxy},
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

// The order of client_address::headers decides, and what is not named there is
// never looked at.
func TestConfiguredForwardingHeaders(t *testing.T) {
	all := map[string][]string{
		"x-forwarded-for": {"198.51.100.1"}, "forwarded": {"for=198.51.100.2"}, "x-real-ip": {"198.51.100.3"},
		"cf-connecting-ip": {"198.51.100.4"}, "true-client-ip": {"198.51.100.5"}, "fly-client-ip": {"2001:db8::6"},
		"x-original-forwarded-for": {"198.51.100.7, 10.1.1.1"},
	}
	for want, names := range map[string][]string{
		"198.51.100.1": {"X-Forwarded-For", "forwarded"},
		"198.51.100.2": {"forwarded", "x-forwarded-for"},
		"198.51.100.3": {"x-absent", "x-real-ip"},
		"198.51.100.4": {"CF-Connecting-IP"},
		"198.51.100.5": {"True-Client-IP", "cf-connecting-ip"},
		"2001:db8::6":  {"fly-client-ip"},
		"198.51.100.7": {"x-original-forwarded-for"},
		"10.0.0.1":     {"x-absent"},
	} {
		e := started(t, func(c *Config) {
			c.ClientAddress.TrustedProxies, c.ClientAddress.Headers = []string{"10.0.0.0/8"}, names
		})
		got := one(t, e, logsOf(request1(), &activitylogs.Inputs{PeerAddress: "10.0.0.1", Headers: all}))
		assert.Equal(t, want, got.RemoteIP, names)
		got = one(t, e, logsOf(request1(), &activitylogs.Inputs{PeerAddress: "203.0.113.9", Headers: all}))
		assert.Equal(t, "203.0.113.9", got.RemoteIP, "an untrusted peer sets nothing")
	}
}

// A server behind a unix socket has no peer address: its proxy is trusted by name.
func TestUnixSockets(t *testing.T) {
	forwarded := map[string][]string{"x-forwarded-for": {"198.51.100.7"}}
	for _, tt := range []struct {
		name, peer, said string
		trusted          []string
		headers          map[string][]string
		want             string
	}{
		{"Go", "@", "", []string{"unix"}, forwarded, "198.51.100.7"},
		{"the word", "unix", "", []string{"unix"}, forwarded, "198.51.100.7"},
		{"nginx", "unix:", "", []string{"unix"}, forwarded, "198.51.100.7"},
		{"a path", "/run/app.sock", "", []string{"unix"}, forwarded, "198.51.100.7"},
		{"WSGI, which says nothing", "", "", []string{"unix"}, forwarded, "198.51.100.7"},
		{"the socket goes before the client's word", "@", "203.0.113.200", []string{"unix"}, forwarded, "198.51.100.7"},
		{"nothing does not", "", "203.0.113.200", []string{"unix"}, forwarded, "203.0.113.200"},
		{"no header", "@", "203.0.113.200", []string{"unix"}, nil, "203.0.113.200"},
		{"an unreadable header", "@", "203.0.113.200", []string{"unix"}, map[string][]string{"x-forwarded-for": {"unknown"}}, "203.0.113.200"},
		{"the walk goes on", "@", "", []string{"unix", "10.0.0.0/8"}, map[string][]string{"x-forwarded-for": {"6.6.6.6, 198.51.100.7, 10.1.1.1"}}, "198.51.100.7"},
		{"not trusted", "@", "", []string{"10.0.0.0/8"}, forwarded, ""},
		{"nor is nothing", "", "", []string{"10.0.0.0/8"}, forwarded, ""},
		{"text is no socket", "host-7", "", []string{"unix"}, forwarded, ""},
		{"an address is no socket", "203.0.113.9", "", []string{"unix"}, forwarded, "203.0.113.9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) { c.ClientAddress.TrustedProxies = tt.trusted })
			ev := request1()
			ev.RemoteIP = tt.said
			got := one(t, e, logsOf(ev, &activitylogs.Inputs{PeerAddress: tt.peer, Headers: tt.headers}))
			assert.Equal(t, tt.want, got.RemoteIP)
		})
	}
}

func TestTrustedProxiesAreValidated(t *testing.T) {
	for _, good := range []string{"10.0.0.0/8", "10.1.2.3/8", "::1", "fe80::1%eth0", "::ffff:10.0.0.0/104", "unix", "0.0.0.0/0"} {
		c := ClientAddressConfig{TrustedProxies: []string{good}}
		var p problems
		c.validate(&p)
		for _, err := range p {
			assert.NotContains(t, err.Error(), "trusted_proxies", good)
		}
	}
	for _, bad := range []string{"", "10.0.0.0/33", "proxy.example.org", "10.0.0.1:80", "Unix"} {
		c := defaultClientAddress()
		c.TrustedProxies = []string{"::1", bad}
		var p problems
		c.validate(&p)
		require.Len(t, p, 1, bad)
		require.ErrorContains(t, p[0], "client_address::trusted_proxies::1")
	}
	c := defaultClientAddress()
	c.Headers = []string{"x-real-ip", "X-Forwarded-For, Forwarded"}
	var p problems
	c.validate(&p)
	require.Len(t, p, 1)
	require.ErrorContains(t, p[0], "client_address::headers::1")

	e := started(t, func(c *Config) { c.ClientAddress.TrustedProxies = []string{"::ffff:10.0.0.0/104"} })
	got := one(t, e, logsOf(request1(), &activitylogs.Inputs{PeerAddress: "10.9.9.9", Headers: map[string][]string{"x-real-ip": {"198.51.100.7"}}}))
	assert.Equal(t, "198.51.100.7", got.RemoteIP, "IPv4 in IPv6 is IPv4")
}

// Whatever stands left of what the trusted proxies wrote, the first address that
// is not theirs is the client: property over random chains in both forms.
func TestNothingLeftOfTheClientCounts(t *testing.T) {
	e := started(t, func(c *Config) { c.ClientAddress.TrustedProxies = []string{"10.0.0.0/8", "2001:db8:ffff::/48"} })
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		client := randomAddress(r)
		proxies := make([]string, r.IntN(5))
		for i := range proxies {
			proxies[i] = written(r, netip.AddrFrom4([4]byte{10, byte(r.IntN(256)), byte(r.IntN(256)), 1}))
		}
		lie := randomText(r)
		xff := strings.Join(append([]string{lie, written(r, client)}, proxies...), ",")
		elements := []string{lie}
		for _, p := range append([]string{written(r, client)}, proxies...) {
			elements = append(elements, ` for="`+p+`";proto=https;host="a\",\\"`)
		}
		for name, value := range map[string]string{"x-forwarded-for": xff, "forwarded": strings.Join(elements, ",")} {
			in := &activitylogs.Inputs{PeerAddress: "10.0.0.1", Headers: map[string][]string{name: {value}}}
			require.Equal(t, client.String(), one(t, e, logsOf(request1(), in)).RemoteIP, "%s: %q", name, value)
		}
	}
}

// randomAddress is never a trusted one.
func randomAddress(r *rand.Rand) netip.Addr {
	if r.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{byte(11 + r.IntN(200)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
	}
	a := [16]byte{0x2a, byte(r.IntN(256)), 14: byte(r.IntN(256)), 15: byte(r.IntN(256))}
	return netip.AddrFrom16(a)
}

// written gives an address as one of the servers of this world writes it.
func written(r *rand.Rand, a netip.Addr) string {
	port := ":" + strconv.Itoa(r.IntN(65536))
	if a.Is4() {
		return [...]string{a.String(), a.String() + port, "::ffff:" + a.String(), "[::ffff:" + a.String() + "]" + port, " " + a.String() + "\t"}[r.IntN(5)]
	}
	return [...]string{a.String(), "[" + a.String() + "]", "[" + a.StringExpanded() + "]" + port, strings.ToUpper(a.StringExpanded())}[r.IntN(4)]
}

func randomText(r *rand.Rand) string {
	const alphabet = `",;=\ for10.2:[]_%<>` + "\x00\xff"
	b := make([]byte, r.IntN(40))
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}
