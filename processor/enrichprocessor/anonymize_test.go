package enrichprocessor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadata"
)

const anonymizeTestKey = "a key of more than sixteen bytes"

// pseudonymOf computes a pseudonym as the README tells people to.
func pseudonymOf(text string) string {
	mac := hmac.New(sha256.New, []byte(anonymizeTestKey))
	mac.Write([]byte(text))
	return "hmac-sha256:" + hex.EncodeToString(mac.Sum(nil))
}

func TestAnonymize(t *testing.T) {
	for _, tt := range []struct{ name, ip, prefix, pseudonym string }{
		{"IPv4", "81.2.69.160", "81.2.69.0", pseudonymOf("81.2.69.160")},
		{"IPv4 in IPv6", "::ffff:81.2.69.160", "81.2.69.0", pseudonymOf("81.2.69.160")},
		{"IPv6", "2a02:CF40:1:2::7", "2a02:cf40:1::", pseudonymOf("2a02:cf40:1:2::7")},
		{"zone", "fe80::7%eth0", "fe80::", pseudonymOf("fe80::7")},
		{"port", "81.2.69.160:443", "81.2.69.0", pseudonymOf("81.2.69.160")},
		{"no address", "host-7.example.org", "", pseudonymOf("host-7.example.org")},
		{"a pseudonym of another collector", pseudonymOf("x"), "", pseudonymOf("x")},
		{"what looks like one", "hmac-sha256:81.2.69.160", "", pseudonymOf("hmac-sha256:81.2.69.160")},
		{"nothing", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for mode, want := range map[string]string{anonymizeOff: "", anonymizePrefix: tt.prefix, anonymizeHMAC: tt.pseudonym} {
				e := started(t, func(c *Config) { c.ClientAddress.Anonymize, c.ClientAddress.AnonymizeKey = mode, anonymizeTestKey })
				for range 2 { // the second time from the cache
					got := one(t, e, logsOf(from(tt.ip), nil))
					if mode == anonymizeOff {
						assert.Equal(t, tt.ip == "", got.RemoteIP == "")
						continue
					}
					assert.Equal(t, want, got.RemoteIP, mode)
				}
			}
		})
	}
}

func TestAnonymizePrefixes(t *testing.T) {
	for bits, want := range map[[2]int][2]string{
		{24, 48}: {"81.2.69.0", "2a02:cf40:1::"},
		{16, 32}: {"81.2.0.0", "2a02:cf40::"},
		{31, 64}: {"81.2.69.160", "2a02:cf40:1:2::"},
		{0, 0}:   {"0.0.0.0", "::"},
	} {
		e := started(t, func(c *Config) {
			c.ClientAddress.Anonymize, c.ClientAddress.AnonymizeIPv4Prefix, c.ClientAddress.AnonymizeIPv6Prefix = anonymizePrefix, bits[0], bits[1]
		})
		v4, v6 := one(t, e, logsOf(from("81.2.69.161"), nil)), one(t, e, logsOf(from("2a02:cf40:1:2::7"), nil))
		assert.Equal(t, want, [2]string{v4.RemoteIP, v6.RemoteIP})
	}
}

// The place is that of the whole address, and no spelling of it is left in any
// text that the event holds.
func TestAnonymizedAddressIsNowhere(t *testing.T) {
	path, asn := cityDatabase(t), asnDatabase(t)
	for _, mode := range []string{anonymizePrefix, anonymizeHMAC} {
		t.Run(mode, func(t *testing.T) {
			e := started(t, func(c *Config) {
				c.GeoIP.Path, c.GeoIP.ASNPath = path, asn
				c.ClientAddress.TrustedProxies = []string{"10.0.0.0/8"}
				c.ClientAddress.Anonymize, c.ClientAddress.AnonymizeKey = mode, anonymizeTestKey
				c.KeepHeaders = []string{"x-forwarded-for", "Forwarded", "x-note", "cf-connecting-ip"}
			})
			ev := request1()
			ev.Message = "sign-in of ::ffff:81.2.69.160 from 81.2.69.160, again 81.2.69.160:443 and 81.2.69.160."
			ev.URL, ev.QueryString = "/by/81.2.69.160/x", "ip=81.2.69.160&v=181.2.69.160"
			ev.ObjectRepr, ev.Reason = "[::ffff:81.2.69.160]:80", "ip:81.2.69.160"
			ev.ChangedFields, ev.ObjectJSONRepr = `{"ip":["1.1.1.1","81.2.69.160"]}`, `{"a":{"b":["81.2.69.160"]}}`
			ev.ExtraData = `{"ip":"81.2.69.160","version":"10.0.0.1"}`
			ld := logsOf(ev, &activitylogs.Inputs{
				PeerAddress: "10.0.0.1:52100",
				Headers: map[string][]string{
					"x-forwarded-for": {"9.9.9.9, 81.2.69.160, 10.1.1.1"}, "forwarded": {"for=6.6.6.6", `for="81.2.69.160:80"`},
					"x-note": {"81.2.69.160"}, "cf-connecting-ip": {"2a02:cf40::0007"}, "x-real-ip": {"81.2.69.160"},
				},
			})
			attrs := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes()
			attrs.PutStr("net.sock.peer.addr", "81.2.69.160")
			attrs.PutEmptySlice("ips").AppendEmpty().SetStr("::FFFF:81.2.69.160")
			ld.ResourceLogs().At(0).Resource().Attributes().PutStr("client.ip", "81.2.69.160")
			got := one(t, e, ld)
			assert.Equal(t, "Munich", got.City)
			assert.Contains(t, got.ExtraData, "4200000000")

			raw, err := (&plog.JSONMarshaler{}).MarshalLogs(ld)
			require.NoError(t, err)
			text := strings.ReplaceAll(string(raw), "181.2.69.160", "")
			for _, gone := range []string{"81.2.69.160", "9.9.9.9", "6.6.6.6", "2a02:cf40::0007", "2a02:cf40::7"} {
				assert.NotContains(t, text, gone)
			}
			want := e.hidden.address(netip.MustParseAddr("81.2.69.160"))
			assert.Equal(t, want, got.RemoteIP)
			assert.Equal(t, "sign-in of "+want+" from "+want+", again "+want+":443 and "+want+".", got.Message)
			assert.Equal(t, "/by/"+want+"/x", got.URL)
			assert.Equal(t, "ip="+want+"&v=181.2.69.160", got.QueryString, "a longer number is another")
			assert.Equal(t, "["+want+"]:80", got.ObjectRepr)
			assert.Equal(t, "ip:"+want, got.Reason)
			assert.JSONEq(t, `{"ip":["1.1.1.1","`+want+`"]}`, got.ChangedFields)
			assert.Contains(t, got.ExtraData, `"ip":"`+want+`","version":"10.0.0.1"`, "another address of the client's own is its own")
			assert.Equal(t, strings.Count(text, want), strings.Count(string(raw), want))
		})
	}
}

func TestAnonymizeKeys(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*ClientAddressConfig)
		key    string
	}{
		"word":      {func(c *ClientAddressConfig) { c.Anonymize = "hash" }, "client_address::anonymize:"},
		"no key":    {func(c *ClientAddressConfig) { c.Anonymize = anonymizeHMAC }, "client_address::anonymize_key:"},
		"short key": {func(c *ClientAddressConfig) { c.Anonymize, c.AnonymizeKey = anonymizeHMAC, "fifteen letters" }, "client_address::anonymize_key:"},
		"two keys": {func(c *ClientAddressConfig) {
			c.Anonymize, c.AnonymizeKey, c.AnonymizeKeyFile = anonymizeHMAC, anonymizeTestKey, "f"
		}, "client_address::anonymize_key:"},
		"IPv4 bits":    {func(c *ClientAddressConfig) { c.AnonymizeIPv4Prefix = 32 }, "client_address::anonymize_ipv4_prefix:"},
		"IPv6 bits":    {func(c *ClientAddressConfig) { c.AnonymizeIPv6Prefix = 128 }, "client_address::anonymize_ipv6_prefix:"},
		"negative":     {func(c *ClientAddressConfig) { c.AnonymizeIPv4Prefix = -1 }, "client_address::anonymize_ipv4_prefix:"},
		"negative too": {func(c *ClientAddressConfig) { c.AnonymizeIPv6Prefix = -1 }, "client_address::anonymize_ipv6_prefix:"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := createDefaultConfig().(*Config)
			tt.change(&cfg.ClientAddress)
			err := cfg.Validate()
			require.ErrorContains(t, err, tt.key)
			assert.NotContains(t, err.Error(), "letters", "no key in a text")
		})
	}
	file := filepath.Join(t.TempDir(), "key")
	start := func(content string) (*enricher, error) {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		cfg := createDefaultConfig().(*Config)
		cfg.GeoIP.DataDir = t.TempDir()
		cfg.ClientAddress.Anonymize, cfg.ClientAddress.AnonymizeKeyFile = anonymizeHMAC, file
		require.NoError(t, cfg.Validate())
		e, err := newEnricher(cfg, processortest.NewNopSettings(metadata.Type), nil)
		require.NoError(t, err)
		err = e.start(t.Context(), componenttest.NewNopHost())
		t.Cleanup(func() { require.NoError(t, e.shutdown(t.Context())) })
		return e, err
	}
	_, err := start("short\n")
	require.ErrorContains(t, err, "client_address::anonymize_key_file")
	e, err := start(anonymizeTestKey + "\n")
	require.NoError(t, err)
	assert.Equal(t, pseudonymOf("1.1.1.1"), e.hidden.address(netip.MustParseAddr("1.1.1.1")))
	require.NoError(t, os.Remove(file))
	_, err = newAnonymizer(&ClientAddressConfig{Anonymize: anonymizeHMAC, AnonymizeKeyFile: file})
	require.ErrorContains(t, err, "client_address::anonymize_key_file")
	assert.NotContains(t, configopaque.String(anonymizeTestKey).String(), anonymizeTestKey)
}

// An address between any two texts is found in any of its spellings, and nothing
// else is touched.
func TestAddressesInText(t *testing.T) {
	a, err := newAnonymizer(&ClientAddressConfig{Anonymize: anonymizePrefix, AnonymizeIPv4Prefix: 8, AnonymizeIPv6Prefix: 16})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(5, 6))
	left, right := []string{"", " ", "x=", `"`, "[", ",", "for=", "\n", "/", "é", "(", "ip: ", "ip:", "g"}, []string{"", " ", `"`, "]", ",", ". And", ".", "\n", "%20", "/", "é", ")", "g"}
	for range 20_000 {
		addr := randomAddress(r)
		before, after := left[r.IntN(len(left))], right[r.IntN(len(right))]
		spelling := strings.TrimSpace(written(r, addr))
		got := a.text(before+spelling+after, &addr)
		require.NotContains(t, got, addr.String(), "%q%q%q", before, spelling, after)
		require.Contains(t, got, a.address(addr), "%q%q%q", before, spelling, after)
		other := addr.Next()
		require.Equal(t, before+spelling+after, a.text(before+spelling+after, &other))
	}
	for _, s := range []string{
		"", "no address", "12:30:45", "1.2.3", "1.2.3.4.5", "::::", "a.b.c.d", "....", ":::", "256.1.1.1",
		strings.Repeat(":", 1<<16), strings.Repeat("1.", 1<<16), "\x00.\x00.\x00.",
	} {
		assert.Equal(t, s, a.text(s, nil))
	}
}

func FuzzAddressesInText(f *testing.F) {
	for _, s := range []string{"from 81.2.69.160:80.", "[2a02::7%eth0]:443", "::ffff:1.2.3.4", "a:1.2.3.4", "1.2.3.4::", ":1:", "::"} {
		f.Add(s)
	}
	a, err := newAnonymizer(&ClientAddressConfig{Anonymize: anonymizePrefix, AnonymizeIPv4Prefix: 0, AnonymizeIPv6Prefix: 0})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, s string) {
		once := a.text(s, nil)
		// With no bits kept, every address became one of two texts: what is left
		// of the input stands in its order around them.
		plain := strings.NewReplacer("0.0.0.0", "", "::", "").Replace(once)
		rest := s
		for i := range len(plain) {
			at := strings.IndexByte(rest, plain[i])
			require.GreaterOrEqual(t, at, 0, "%q became %q", s, once)
			rest = rest[at+1:]
		}
		if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" && len(s) > 2 {
			require.Contains(t, []string{"0.0.0.0", "::"}, once, s)
		}
	})
}
