package enrichprocessor

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

func TestParseHost(t *testing.T) {
	for text, want := range map[string]string{
		"198.51.100.7": "198.51.100.7", " 198.51.100.7\t": "198.51.100.7", "198.51.100.7:0": "198.51.100.7", "198.51.100.7:_obf": "198.51.100.7",
		"2001:db8::7": "2001:db8::7", "[2001:db8::7]": "2001:db8::7", "[2001:db8::7]:1": "2001:db8::7", "[2001:db8::7]:_x": "2001:db8::7",
		"::": "::", "[::]:80": "::", "::ffff:10.0.0.1": "10.0.0.1", "[::ffff:10.0.0.1]:80": "10.0.0.1", "::ffff:a00:1": "10.0.0.1",
		"fe80::1%eth0": "fe80::1%eth0", "[fe80::1%en0.5]:1": "fe80::1%en0.5",
		"": "", " ": "", "[]": "", "[": "", "]": "", "[:80": "", "[::1": "", "::1]": "", "[::1]80": "", "[::1]:": "", "[::1]]": "", "[[::1]]": "", "[10.0.0.1]:80": "",
		"198.51.100.7:": "", "198.51.100.7:x": "", "198.51.100.7:123456": "", "198.51.100.7:80:80": "", "198.51.100": "", "0300.1.1.1": "", "1.2.3.4%eth0": "",
		"fe80::1%": "", "fe80::1%<x>": "", "fe80::1%a b": "", "fe80::1%a%b": "", "::1\x00": "", "１.2.3.4": "", "unknown": "", "_hidden": "", "@": "", "unix": "",
		"fe80::1%" + strings.Repeat("a", 200): "", strings.Repeat("1", 1<<20): "",
	} {
		addr, ok := parseHost(text)
		if want == "" {
			assert.False(t, ok, text)
			continue
		}
		assert.Equal(t, want, addr.String(), text)
	}
}

// What parseHost takes is an address within the text, in one form for each.
func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"198.51.100.7:80", "[2001:db8::7%eth0]:_x", "::ffff:1.2.3.4", "[::1", "%", ":"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, ok := parseHost(s)
		if !ok {
			require.False(t, addr.IsValid())
			return
		}
		require.False(t, addr.Is4In6())
		again, ok := parseHost(addr.String())
		require.True(t, ok)
		require.Equal(t, addr, again)
		again, ok = parseHost(netip.AddrPortFrom(addr, 80).String())
		require.True(t, ok)
		require.Equal(t, addr, again)
		require.NotContains(t, addr.String(), "<")
		require.NotContains(t, addr.String(), "\x00")
	})
}

// Reading from the right is bounded, ends, and takes no notice of what stands
// left of a well-formed tail.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{`for=1.2.3.4, for="[::1]:80";by=x`, `for="a\"`, `",`, `for=_a;for=b`, "unknown,,", `a="\\", for="x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, f := range []forwarding{newForwarding("forwarded"), newForwarding("x-forwarded-for")} {
			rest, more := s, true
			for steps := 0; more; steps++ {
				require.LessOrEqual(t, steps, len(s))
				_, rest, more = f.last(rest)
			}
			node, rest, more := f.last(s + ", " + map[bool]string{true: `for="[2001:db8::7]:80";host="a,\"b"`, false: "[2001:db8::7]:80"}[f.name == "forwarded"])
			require.Equal(t, "[2001:db8::7]:80", strings.TrimSpace(node))
			require.True(t, more)
			require.Equal(t, s, rest)
		}
	})
}

// No address of a header is believed when the peer is nobody's proxy.
func FuzzSpoofedHeaders(f *testing.F) {
	f.Add("x-forwarded-for", "6.6.6.6", "198.51.100.1")
	f.Add("forwarded", "for=6.6.6.6", "[::ffff:9.9.9.9]:80")
	p, err := newProxies(&ClientAddressConfig{
		TrustedProxies: []string{"10.0.0.0/8", "unix"}, Headers: []string{"x-forwarded-for", "forwarded", "x-real-ip"},
	})
	require.NoError(f, err)
	e := &enricher{proxies: p}
	f.Fuzz(func(t *testing.T, name, value, peer string) {
		addr, ok := parseHost(peer)
		if !ok || p.trusts(addr) {
			return
		}
		in := intake{peer: peer, headers: []header{{strings.ToLower(name), pcommon.NewValueStr(value)}}}
		e.clientAddress(&in)
		require.Equal(t, addr.String(), in.event.RemoteIP)
	})
}

func BenchmarkClientAddress(b *testing.B) {
	for name, headers := range map[string][]header{
		"peer alone":      nil,
		"x-forwarded-for": {{"accept", pcommon.NewValueStr("*/*")}, {"x-forwarded-for", pcommon.NewValueStr("6.6.6.6, 81.2.69.160, 10.1.1.1")}},
		"forwarded":       {{"accept", pcommon.NewValueStr("*/*")}, {"forwarded", pcommon.NewValueStr(`for=6.6.6.6, for="81.2.69.160";proto=https, for=10.1.1.1`)}},
		"10,000 hops":     {{"x-forwarded-for", pcommon.NewValueStr("81.2.69.160" + strings.Repeat(", 10.1.1.1", 10_000))}},
	} {
		b.Run(name, func(b *testing.B) {
			e := started(b, func(c *Config) {
				c.ClientAddress.TrustedProxies = []string{"192.0.2.0/24", "2001:db8::/32", "10.0.0.0/8"}
			})
			in := intake{peer: "10.0.0.1", headers: headers}
			b.ReportAllocs()
			for b.Loop() {
				in.event.RemoteIP = ""
				e.clientAddress(&in)
			}
		})
	}
}

func BenchmarkAnonymize(b *testing.B) {
	for _, mode := range []string{anonymizePrefix, anonymizeHMAC} {
		b.Run(mode, func(b *testing.B) {
			e := started(b, func(c *Config) { c.ClientAddress.Anonymize, c.ClientAddress.AnonymizeKey = mode, anonymizeTestKey })
			in := intake{client: netip.MustParseAddr("81.2.69.160")}
			in.event = *request1()
			b.ReportAllocs()
			for b.Loop() {
				e.hidden.event(&in)
			}
		})
	}
}

func BenchmarkGeo(b *testing.B) {
	path, asn := cityDatabase(b), asnDatabase(b)
	for name, asnPath := range map[string]string{"city": "", "city and network": asn} {
		e := started(b, func(c *Config) { c.GeoIP.Path, c.GeoIP.ASNPath = path, asnPath })
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				in := intake{client: netip.MustParseAddr("81.2.69.160")}
				e.geo.fill(&in)
			}
		})
	}
	e := started(b, func(c *Config) { c.GeoIP.Path, c.GeoIP.CacheSize = path, 1 })
	b.Run("not in the cache", func(b *testing.B) {
		b.ReportAllocs()
		for i := byte(0); b.Loop(); i++ {
			in := intake{client: netip.AddrFrom4([4]byte{81, 2, 69, i})}
			e.geo.fill(&in)
		}
	})
}
