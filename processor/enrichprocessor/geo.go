package enrichprocessor

import (
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/oschwald/geoip2-golang/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// GeoIPConfig names the databases that locate addresses.
type GeoIPConfig struct {
	Path           string        `mapstructure:"path"`     // of a City database
	DataDir        string        `mapstructure:"data_dir"` // folder of the default path
	ASNPath        string        `mapstructure:"asn_path"` // of an ASN or ISP database; "" is none
	Language       string        `mapstructure:"language"`
	CacheSize      int           `mapstructure:"cache_size"`      // addresses, in each database
	ReloadInterval time.Duration `mapstructure:"reload_interval"` // 0 is never
}

func defaultGeoIP() GeoIPConfig {
	return GeoIPConfig{DataDir: "./data", Language: "en", CacheSize: 8192, ReloadInterval: time.Minute}
}

func (c *GeoIPConfig) validate(p *problems) {
	p.oneOf("geoip::language", c.Language, "de", "en", "es", "fr", "ja", "pt-BR", "ru", "zh-CN")
	p.atLeast("geoip::cache_size", int64(c.CacheSize), 1)
	p.atLeast("geoip::reload_interval", int64(c.ReloadInterval), 0)
	if c.Path == "" && c.DataDir == "" {
		p.add("geoip::path", errors.New("give it or data_dir"))
	}
}

const geoFile = "GeoLite2-City.mmdb"

// Attributes of the network that an address belongs to. Semantic conventions
// have none; these are the names of the Elastic Common Schema.
const (
	keyASNumber       = "client.as.number"
	keyASOrganization = "client.as.organization.name"
)

// geoReader locates addresses; a nil one does nothing.
type geoReader struct {
	city *database[place]
	asn  *database[network] // nil without a path
	stop chan struct{}
	done sync.WaitGroup
}

// place is what a City database says of an address. The zero value is nowhere.
type place struct {
	city, country, countryCode, regionCode string
	latitude, longitude                    activity.OptInt64
}

// network is what an ASN database says of an address.
type network []member

// openGeo opens the databases and watches their files. That one is absent is no
// error.
func openGeo(cfg *GeoIPConfig, logger *zap.Logger) (*geoReader, error) {
	path := cfg.Path
	if path == "" {
		path = filepath.Join(cfg.DataDir, geoFile)
	}
	g := &geoReader{stop: make(chan struct{}), city: newDatabase("geoip::path", path, cfg.CacheSize, logger, cityIn(cfg.Language))}
	err := g.city.reload(true)
	if cfg.ASNPath != "" {
		g.asn = newDatabase("geoip::asn_path", cfg.ASNPath, cfg.CacheSize, logger, networkOf)
		err = errors.Join(err, g.asn.reload(true))
	}
	if err != nil {
		g.close()
		return nil, err
	}
	if cfg.ReloadInterval > 0 {
		g.done.Go(func() { g.watch(cfg.ReloadInterval) })
	}
	return g, nil
}

// watch reopens what has changed until close.
func (g *geoReader) watch(interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-g.stop:
			return
		case <-ticker.C:
			_ = g.city.reload(false) // it has told its log
			if g.asn != nil {
				_ = g.asn.reload(false)
			}
		}
	}
}

func (g *geoReader) close() {
	if g == nil {
		return
	}
	close(g.stop)
	g.done.Wait()
	g.city.use(nil)
	if g.asn != nil {
		g.asn.use(nil)
	}
}

// fill adds where the client's address is, where the client said nothing of it,
// and whose network it belongs to.
func (g *geoReader) fill(in *intake) {
	if g == nil || !in.client.IsValid() {
		return
	}
	addr := in.client.WithZone("")
	if ev := &in.event; !located(ev) {
		if p, ok := g.city.lookup(addr); ok {
			ev.City, ev.Country, ev.CountryCode, ev.RegionCode = p.city, p.country, p.countryCode, p.regionCode
			ev.Latitude, ev.Longitude = p.latitude, p.longitude
		}
	}
	if g.asn == nil {
		return
	}
	if n, ok := g.asn.lookup(addr); ok && !in.has(keyASNumber) && !in.has(keyASOrganization) {
		in.rest = append(in.rest, n...)
	}
}

// located reports whether the client gave a location: two sources are not mixed.
func located(ev *activity.Event) bool {
	return ev.Latitude.Valid || ev.Longitude.Valid || ev.City != "" || ev.Country != "" || ev.CountryCode != "" || ev.RegionCode != ""
}

// has reports whether the record has an attribute of that name which is no field.
func (in *intake) has(key string) bool {
	return slices.ContainsFunc(in.rest, func(m member) bool { return m.key == key })
}

// cityIn reads places, named in the language where the database knows it, else
// in English.
func cityIn(language string) func(*geoip2.Reader, netip.Addr) (place, error) {
	named := func(n *geoip2.Names) string {
		name := ""
		switch language {
		case "de":
			name = n.German
		case "es":
			name = n.Spanish
		case "fr":
			name = n.French
		case "ja":
			name = n.Japanese
		case "pt-BR":
			name = n.BrazilianPortuguese
		case "ru":
			name = n.Russian
		case "zh-CN":
			name = n.SimplifiedChinese
		}
		if name == "" {
			return n.English
		}
		return name
	}
	return func(db *geoip2.Reader, addr netip.Addr) (place, error) {
		city, err := db.City(addr)
		if err != nil {
			return place{}, err
		}
		p := place{city: named(&city.City.Names), country: named(&city.Country.Names), countryCode: city.Country.ISOCode}
		if len(city.Subdivisions) > 0 {
			p.regionCode = city.Subdivisions[0].ISOCode
		}
		if lat, lon := city.Location.Latitude, city.Location.Longitude; lat != nil && lon != nil {
			p.latitude = activitylogs.Degrees(*lat, activitylogs.MaxLatitude)
			p.longitude = activitylogs.Degrees(*lon, activitylogs.MaxLongitude)
		}
		return p, nil
	}
}

// networkOf reads an autonomous system. Its values are shared by the events of
// an address, which only read them.
func networkOf(db *geoip2.Reader, addr netip.Addr) (network, error) {
	asn, err := db.ASN(addr)
	if err != nil {
		return nil, err
	}
	var n network
	if asn.AutonomousSystemNumber != 0 {
		n = append(n, member{keyASNumber, pcommon.NewValueInt(int64(asn.AutonomousSystemNumber))}) //nolint:gosec // 32 bits
	}
	if asn.AutonomousSystemOrganization != "" {
		n = append(n, member{keyASOrganization, pcommon.NewValueStr(asn.AutonomousSystemOrganization)})
	}
	return n, nil
}

// nowhere are the ranges without a place of their own that netip does not name:
// the special-purpose registries of IANA (RFC 6890) and CGNAT (RFC 6598).
var nowhere = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays, withdrawn
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, broadcast
	netip.MustParsePrefix("64:ff9b:1::/48"),  // NAT64 of one network
	netip.MustParsePrefix("100::/64"),        // discarded
	netip.MustParsePrefix("100:0:0:1::/64"),  // dummy
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo, benchmarks
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("3fff::/20"),       // documentation
	netip.MustParsePrefix("5f00::/16"),       // segment routing
	netip.MustParsePrefix("fec0::/10"),       // site-local, withdrawn
}

// locatable reports whether an address can have a place in the world.
func locatable(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() &&
		!slices.ContainsFunc(nowhere, func(p netip.Prefix) bool { return p.Contains(a) })
}
