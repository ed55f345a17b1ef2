package enrichprocessor

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

func names(english string, others ...string) mmdbtype.Map {
	m := mmdbtype.Map{"en": mmdbtype.String(english)}
	for i := 0; i < len(others); i += 2 {
		m[mmdbtype.String(others[i])] = mmdbtype.String(others[i+1])
	}
	return mmdbtype.Map{"names": m}
}

func coordinates(lat, lon float64) mmdbtype.Map {
	return mmdbtype.Map{"latitude": mmdbtype.Float64(lat), "longitude": mmdbtype.Float64(lon)}
}

func country(code, english string, others ...string) mmdbtype.Map {
	m := names(english, others...)
	m["iso_code"] = mmdbtype.String(code)
	return m
}

// mmdbEntry is what a database says of a network.
type mmdbEntry struct {
	cidr  string
	value mmdbtype.Map
}

// writeDatabase replaces the file at path by a database, as updaters do.
func writeDatabase(tb testing.TB, path, kind string, entries ...mmdbEntry) {
	tb.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24, IncludeReservedNetworks: true})
	require.NoError(tb, err)
	for _, n := range entries {
		_, network, err := net.ParseCIDR(n.cidr)
		require.NoError(tb, err)
		require.NoError(tb, w.Insert(network, n.value))
	}
	f, err := os.Create(path + ".new")
	require.NoError(tb, err)
	_, err = w.WriteTo(f)
	require.NoError(tb, err)
	require.NoError(tb, f.Close())
	require.NoError(tb, os.Rename(path+".new", path))
}

// everywhere is in every test database, private ranges included, so that only
// the processor can keep them out.
var everywhere = mmdbEntry{"::/0", mmdbtype.Map{"city": names("Nowhere"), "location": coordinates(1, 1), "autonomous_system_number": mmdbtype.Uint32(1)}}

// cityDatabase writes a City database of addresses that the registries have
// given out.
func cityDatabase(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "city.mmdb")
	writeDatabase(tb, path, "GeoLite2-City",
		everywhere,
		mmdbEntry{"81.2.69.0/24", mmdbtype.Map{
			"city": names("Munich", "de", "München", "ja", "ミュンヘン"), "country": country("DE", "Germany", "de", "Deutschland"),
			"location":     coordinates(48.1374, -11.57549321),
			"subdivisions": mmdbtype.Slice{mmdbtype.Map{"iso_code": mmdbtype.String("BY")}, mmdbtype.Map{"iso_code": mmdbtype.String("XX")}},
		}},
		mmdbEntry{"89.160.20.0/25", mmdbtype.Map{"city": names("Null Island"), "location": coordinates(0, 0)}},
		mmdbEntry{"89.160.20.128/25", mmdbtype.Map{"country": country("FR", "France")}},
		mmdbEntry{"2a02:cf40::/32", mmdbtype.Map{"city": names("Graz"), "country": country("AT", "Austria")}},
		mmdbEntry{"175.16.199.0/24", mmdbtype.Map{"country": country("IT", "Italy"), "location": coordinates(91, 181)}},
		mmdbEntry{"216.160.83.0/24", mmdbtype.Map{"city": names("Somewhere"), "location": mmdbtype.Map{"latitude": mmdbtype.Float64(1)}}},
	)
	return path
}

func asnDatabase(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "asn.mmdb")
	writeDatabase(tb, path, "GeoLite2-ASN",
		mmdbEntry{"81.2.69.0/24", mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(4_200_000_000), "autonomous_system_organization": mmdbtype.String(`Net "7" <GmbH>`)}},
		mmdbEntry{"89.160.20.0/24", mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(29518)}},
	)
	return path
}

func placeOf(ev *activity.Event) place {
	return place{ev.City, ev.Country, ev.CountryCode, ev.RegionCode, ev.Latitude, ev.Longitude}
}

func from(ip string) *activity.Event {
	ev := request1()
	ev.RemoteIP = ip
	return ev
}

func TestGeo(t *testing.T) {
	path := cityDatabase(t)
	e := started(t, func(c *Config) { c.GeoIP.Path = path })
	some := activity.Some
	munich := place{"Munich", "Germany", "DE", "BY", some(481374000), some(-115754932)}
	for _, tt := range []struct {
		name, ip string
		want     place
	}{
		{"city", "81.2.69.160", munich},
		{"as IPv4 in IPv6", "::ffff:81.2.69.160", munich},
		{"with a port", "81.2.69.160:4711", munich},
		{"zero is a coordinate", "89.160.20.9", place{city: "Null Island", latitude: some(0), longitude: some(0)}},
		{"country alone", "89.160.20.200", place{country: "France", countryCode: "FR"}},
		{"IPv6", "2a02:cf40::7", place{city: "Graz", country: "Austria", countryCode: "AT"}},
		{"IPv6 with zone", "2a02:cf40::7%eth0", place{city: "Graz", country: "Austria", countryCode: "AT"}},
		{"coordinates off the globe", "175.16.199.7", place{country: "Italy", countryCode: "IT"}},
		{"half a coordinate", "216.160.83.7", place{city: "Somewhere"}},
		{"172 is not private altogether", "172.217.16.46", place{city: "Nowhere", latitude: some(10000000), longitude: some(10000000)}},
		{"no address", "host-7", place{}},
		{"nothing", "", place{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // the second time from the cache
				got := one(t, e, logsOf(from(tt.ip), nil))
				assert.Equal(t, tt.want, placeOf(&got))
			}
		})
	}
}

// Addresses without a place of their own are never looked up: the first and the
// last of each range, and their neighbours are.
func TestRangesWithoutAPlace(t *testing.T) {
	path := cityDatabase(t)
	e := started(t, func(c *Config) { c.GeoIP.Path = path })
	city := func(a netip.Addr) string {
		got := one(t, e, logsOf(from(a.String()), nil))
		return got.City
	}
	for _, cidr := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
		"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
	} {
		p := netip.MustParsePrefix(cidr)
		assert.Empty(t, city(p.Addr()), cidr)
		assert.Empty(t, city(lastOf(p)), cidr)
	}
	for _, public := range []string{
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "172.15.255.255",
		"172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "203.0.114.0", "223.255.255.255",
		"64:ff9b::808:808", "2001:200::1", "2001:db7::1", "2001:db9::1", "4000::1", "fbff::1",
	} {
		assert.Equal(t, "Nowhere", city(netip.MustParseAddr(public)), public)
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < p.Addr().BitLen(); bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// What the client says stands alone: two sources make no place.
func TestGeoNeverMixesSources(t *testing.T) {
	path := cityDatabase(t)
	e := started(t, func(c *Config) { c.GeoIP.Path = path })
	for _, said := range []place{
		{city: "Bonn"},
		{country: "Japan"},
		{countryCode: "JP"},
		{regionCode: "13"},
		{latitude: activity.Some(0)},
		{longitude: activity.Some(0)},
		{latitude: activity.Some(-900000000), longitude: activity.Some(1800000000)},
	} {
		ev := from("81.2.69.160")
		ev.City, ev.Country, ev.CountryCode, ev.RegionCode, ev.Latitude, ev.Longitude = said.city, said.country, said.countryCode, said.regionCode, said.latitude, said.longitude
		got := one(t, e, logsOf(ev, nil))
		assert.Equal(t, said, placeOf(&got))
	}
}

// Names come in the language, else in English.
func TestGeoLanguage(t *testing.T) {
	path := cityDatabase(t)
	for language, want := range map[string][2]string{
		"en": {"Munich", "Germany"}, "de": {"München", "Deutschland"}, "ja": {"ミュンヘン", "Germany"}, "zh-CN": {"Munich", "Germany"},
	} {
		e := started(t, func(c *Config) { c.GeoIP.Path, c.GeoIP.Language = path, language })
		got := one(t, e, logsOf(from("81.2.69.160"), nil))
		assert.Equal(t, want, [2]string{got.City, got.Country}, language)
	}
}

func TestASN(t *testing.T) {
	asn := asnDatabase(t)
	e := started(t, func(c *Config) { c.GeoIP.ASNPath = asn })
	extra := func(ip string) string {
		got := one(t, e, logsOf(from(ip), nil))
		return got.ExtraData
	}
	const whole = `{"_attributes":{"client.as.number":4200000000,"client.as.organization.name":"Net \"7\" <GmbH>"}}`
	for range 2 {
		assert.Equal(t, whole, extra("81.2.69.160")) //nolint:testifylint // byte for byte
	}
	assert.Equal(t, `{"_attributes":{"client.as.number":29518}}`, extra("89.160.20.9")) //nolint:testifylint // byte for byte
	assert.Empty(t, extra("1.1.1.1"))
	assert.Empty(t, extra("10.0.0.1"))

	said := logsOf(from("81.2.69.160"), nil)
	said.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("client.as.organization.name", "mine")
	got := one(t, e, said)
	assert.JSONEq(t, `{"_attributes":{"client.as.organization.name":"mine"}}`, got.ExtraData, "two sources are not mixed")
}

// The values of a network are shared by the events of its addresses.
func TestSharedValuesAreOnlyRead(t *testing.T) {
	asn := asnDatabase(t)
	e := started(t, func(c *Config) {
		c.GeoIP.ASNPath, c.ClientAddress.Anonymize = asn, anonymizePrefix
		c.Redact.Keys = []string{"name"} // of the organisation
	})
	for range 3 {
		got := one(t, e, logsOf(from("81.2.69.160"), &activitylogs.Inputs{Headers: map[string][]string{"x": {"y"}}}))
		assert.JSONEq(t, `{"_attributes":{"client.as.number":4200000000,"client.as.organization.name":"***"}}`, got.ExtraData)
	}
	n, ok := e.geo.asn.lookup(netip.MustParseAddr("81.2.69.160"))
	require.True(t, ok)
	require.Len(t, n, 2)
	assert.Equal(t, pcommon.ValueTypeStr, n[1].value.Type())
	assert.Equal(t, `Net "7" <GmbH>`, n[1].value.Str())
}
