package enrichprocessor

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadata"
)

func names(english string) mmdbtype.Map {
	return mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(english), "de": mmdbtype.String("x")}}
}

func coordinates(lat, lon float64) mmdbtype.Map {
	return mmdbtype.Map{"latitude": mmdbtype.Float64(lat), "longitude": mmdbtype.Float64(lon)}
}

// cityDatabase writes a City database: everywhere is in it, private ranges
// included, so that only the processor can keep them out.
func cityDatabase(tb testing.TB) string {
	tb.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-City", RecordSize: 24, IncludeReservedNetworks: true})
	require.NoError(tb, err)
	country := func(code, name string) mmdbtype.Map {
		m := names(name)
		m["iso_code"] = mmdbtype.String(code)
		return m
	}
	for _, n := range []struct {
		cidr  string
		value mmdbtype.Map
	}{
		{"::/0", mmdbtype.Map{"city": names("Nowhere"), "location": coordinates(1, 1)}},
		{"198.51.100.0/24", mmdbtype.Map{
			"city": names("Berlin"), "country": country("DE", "Germany"), "location": coordinates(52.5244, -13.41054321),
			"subdivisions": mmdbtype.Slice{mmdbtype.Map{"iso_code": mmdbtype.String("BE")}, mmdbtype.Map{"iso_code": mmdbtype.String("XX")}},
		}},
		{"203.0.113.0/25", mmdbtype.Map{"city": names("Null Island"), "location": coordinates(0, 0)}},
		{"203.0.113.128/25", mmdbtype.Map{"country": country("FR", "France")}},
		{"2001:db8::/32", mmdbtype.Map{"city": names("Graz"), "country": country("AT", "Austria")}},
		{"192.0.2.0/24", mmdbtype.Map{"country": country("IT", "Italy"), "location": coordinates(91, 181)}},
	} {
		_, network, err := net.ParseCIDR(n.cidr)
		require.NoError(tb, err)
		require.NoError(tb, w.Insert(network, n.value))
	}
	path := filepath.Join(tb.TempDir(), "city.mmdb")
	f, err := os.Create(path)
	require.NoError(tb, err)
	_, err = w.WriteTo(f)
	require.NoError(tb, err)
	require.NoError(tb, f.Close())
	return path
}

type place struct {
	city, country, code, region string
	lat, lon                    activity.OptInt64
}

func placeOf(ev *activity.Event) place {
	return place{ev.City, ev.Country, ev.CountryCode, ev.RegionCode, ev.Latitude, ev.Longitude}
}

func TestGeo(t *testing.T) {
	path := cityDatabase(t)
	e := started(t, func(c *Config) { c.GeoIP.Path = path })
	some := activity.Some
	for _, tt := range []struct {
		name, ip string
		want     place
	}{
		{"city", "198.51.100.7", place{"Berlin", "Germany", "DE", "BE", some(525244000), some(-134105432)}},
		{"as IPv4 in IPv6", "::ffff:198.51.100.7", place{"Berlin", "Germany", "DE", "BE", some(525244000), some(-134105432)}},
		{"zero is a coordinate", "203.0.113.9", place{city: "Null Island", lat: some(0), lon: some(0)}},
		{"country alone", "203.0.113.200", place{country: "France", code: "FR"}},
		{"IPv6", "2001:db8::7", place{city: "Graz", country: "Austria", code: "AT"}},
		{"coordinates off the globe", "192.0.2.7", place{country: "Italy", code: "IT"}},
		{"private", "10.0.0.1", place{}},
		{"private, 172", "172.16.0.1", place{}},
		{"private, 192", "192.168.0.1", place{}},
		{"private IPv6", "fd00::1", place{}},
		{"loopback", "127.0.0.1", place{}},
		{"loopback IPv6", "::1", place{}},
		{"link-local", "169.254.0.1", place{}},
		{"link-local with zone", "fe80::1%eth0", place{}},
		{"multicast", "224.0.0.1", place{}},
		{"unspecified", "0.0.0.0", place{}},
		{"broadcast", "255.255.255.255", place{}},
		{"no address", "host-7", place{}},
		{"nothing", "", place{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := request1()
			ev.RemoteIP = tt.ip
			got := one(t, e, logsOf(ev, nil))
			assert.Equal(t, tt.want, placeOf(&got))
		})
	}
}

// What the client says stands alone: two sources make no place.
func TestGeoNeverMixesSources(t *testing.T) {
	path := cityDatabase(t)
	e := started(t, func(c *Config) { c.GeoIP.Path = path })
	for _, said := range []place{
		{city: "Bonn"},
		{country: "Japan"},
		{code: "JP"},
		{region: "13"},
		{lat: activity.Some(0)},
		{lon: activity.Some(0)},
		{lat: activity.Some(-900000000), lon: activity.Some(1800000000)},
	} {
		ev := request1()
		ev.RemoteIP = "198.51.100.7"
		ev.City, ev.Country, ev.CountryCode, ev.RegionCode, ev.Latitude, ev.Longitude = said.city, said.country, said.code, said.region, said.lat, said.lon
		got := one(t, e, logsOf(ev, nil))
		assert.Equal(t, said, placeOf(&got))
	}
}

func TestGeoDatabaseFile(t *testing.T) {
	start := func(t *testing.T, g GeoIPConfig) error {
		t.Helper()
		cfg := createDefaultConfig().(*Config)
		cfg.GeoIP = g
		e, err := newEnricher(cfg, processortest.NewNopSettings(metadata.Type), time.Now)
		require.NoError(t, err)
		err = e.start(context.Background(), componenttest.NewNopHost())
		require.NoError(t, e.shutdown(context.Background()))
		return err
	}
	dir := t.TempDir()
	require.NoError(t, start(t, GeoIPConfig{DataDir: dir}), "absent is no error")
	require.NoError(t, start(t, GeoIPConfig{Path: filepath.Join(dir, "none.mmdb")}))

	broken := filepath.Join(dir, "broken.mmdb")
	require.NoError(t, os.WriteFile(broken, []byte("no database"), 0o600))
	err := start(t, GeoIPConfig{Path: broken})
	require.ErrorContains(t, err, "geoip::path")
	require.ErrorContains(t, err, broken)

	require.NoError(t, os.Rename(cityDatabase(t), filepath.Join(dir, "GeoLite2-City.mmdb")))
	e := started(t, func(c *Config) { c.GeoIP.DataDir = dir })
	ev := request1()
	ev.RemoteIP = "198.51.100.7"
	assert.Equal(t, "Berlin", one(t, e, logsOf(ev, nil)).City, "the default name in the data folder")
}
