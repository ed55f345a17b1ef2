package enrichprocessor

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"

	"github.com/oschwald/geoip2-golang/v2"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// GeoIPConfig names the City database.
type GeoIPConfig struct {
	Path    string `mapstructure:"path"`
	DataDir string `mapstructure:"data_dir"`
}

func defaultGeoIP() GeoIPConfig { return GeoIPConfig{DataDir: "./data"} }

const geoFile = "GeoLite2-City.mmdb"

// geoReader looks addresses up in a City database; a nil one does nothing.
type geoReader struct{ db *geoip2.Reader }

// openGeo opens the database. That it is absent is no error.
func openGeo(cfg *GeoIPConfig, logger *zap.Logger) (*geoReader, error) {
	path := cfg.Path
	if path == "" {
		path = filepath.Join(cfg.DataDir, geoFile)
	}
	db, err := geoip2.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		logger.Info("No geo database; events keep the location their sender gives.", zap.String("path", path))
		return nil, nil //nolint:nilnil // absent is a valid state, and a nil reader is usable
	}
	if err != nil {
		return nil, fmt.Errorf("enrich: open geo database %q (geoip::path): %w", path, err)
	}
	return &geoReader{db: db}, nil
}

func (g *geoReader) close() error {
	if g == nil {
		return nil
	}
	return g.db.Close()
}

// fill adds the location of remote_ip where the client said none.
func (g *geoReader) fill(ev *activity.Event) {
	if g == nil || ev.RemoteIP == "" || located(ev) {
		return
	}
	addr, err := netip.ParseAddr(ev.RemoteIP)
	if err != nil || !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return
	}
	city, err := g.db.City(addr)
	if err != nil || city == nil {
		return
	}
	ev.City = city.City.Names.English
	ev.Country = city.Country.Names.English
	ev.CountryCode = city.Country.ISOCode
	if len(city.Subdivisions) > 0 {
		ev.RegionCode = city.Subdivisions[0].ISOCode
	}
	if lat, lon := city.Location.Latitude, city.Location.Longitude; lat != nil && lon != nil {
		ev.Latitude = activitylogs.Degrees(*lat, activitylogs.MaxLatitude)
		ev.Longitude = activitylogs.Degrees(*lon, activitylogs.MaxLongitude)
	}
}

// located reports whether the client gave a location: two sources are not mixed.
func located(ev *activity.Event) bool {
	return ev.Latitude.Valid || ev.Longitude.Valid || ev.City != "" || ev.Country != "" || ev.CountryCode != "" || ev.RegionCode != ""
}
