package enrichprocessor

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/geoip2-golang/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadata"
)

// startGeo starts a processor for its databases alone.
func startGeo(t *testing.T, change func(*GeoIPConfig)) (*enricher, *observer.ObservedLogs, error) {
	t.Helper()
	cfg := createDefaultConfig().(*Config)
	cfg.GeoIP.DataDir = t.TempDir()
	cfg.GeoIP.ReloadInterval = time.Millisecond
	change(&cfg.GeoIP)
	require.NoError(t, cfg.Validate())
	core, logs := observer.New(zapcore.InfoLevel)
	set := processortest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	e, err := newEnricher(cfg, set, func() time.Time { return testNow })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.shutdown(context.Background())) })
	err = e.start(t.Context(), componenttest.NewNopHost())
	return e, logs, err
}

func cityNamed(tb testing.TB, path, city string) {
	tb.Helper()
	writeDatabase(tb, path, "GeoLite2-City", mmdbEntry{"81.2.69.0/24", mmdbtype.Map{"city": names(city)}})
}

func (e *enricher) cityOf(t *testing.T) string {
	t.Helper()
	got := one(t, e, logsOf(from("81.2.69.160"), nil))
	return got.City
}

func warnings(logs *observer.ObservedLogs) int { return logs.FilterLevelExact(zap.WarnLevel).Len() }

func (e *enricher) eventually(t *testing.T, city string) {
	t.Helper()
	require.Eventually(t, func() bool { return e.cityOf(t) == city }, 10*time.Second, time.Millisecond, city)
}

// A database that is absent is warned of once, and is used once it is there;
// a newer one takes its place, a broken one does not, and one that goes stays
// in use.
func TestGeoDatabaseComesAndChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city.mmdb")
	e, logs, err := startGeo(t, func(c *GeoIPConfig) { c.Path = path })
	require.NoError(t, err)
	require.Equal(t, 1, warnings(logs))
	assert.Empty(t, e.cityOf(t))
	assert.Equal(t, path, logs.All()[0].ContextMap()["path"])

	cityNamed(t, path, "Berlin")
	e.eventually(t, "Berlin")
	cityNamed(t, path, "Paris")
	e.eventually(t, "Paris") // the cache went with the file

	require.NoError(t, os.WriteFile(path+".new", []byte("no database"), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
	require.Eventually(t, func() bool { return logs.FilterLevelExact(zap.ErrorLevel).Len() > 0 }, 10*time.Second, time.Millisecond)
	assert.Equal(t, "Paris", e.cityOf(t))
	writeDatabase(t, path, "GeoLite2-ASN")
	require.Eventually(t, func() bool { return logs.FilterLevelExact(zap.ErrorLevel).Len() > 1 }, 10*time.Second, time.Millisecond)
	assert.Equal(t, "Paris", e.cityOf(t), "another type of database")

	require.NoError(t, os.Remove(path))
	require.Eventually(t, func() bool { return warnings(logs) == 2 }, 10*time.Second, time.Millisecond)
	assert.Equal(t, "Paris", e.cityOf(t))
	cityNamed(t, path, "Rome")
	e.eventually(t, "Rome")
	assert.Equal(t, 2, warnings(logs), "each absence is told once")
	assert.Equal(t, 2, logs.FilterLevelExact(zap.ErrorLevel).Len(), "and so is each broken file")
}

func TestGeoDatabaseAtTheStart(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.mmdb")
	require.NoError(t, os.WriteFile(broken, []byte("no database"), 0o600))
	city := cityDatabase(t)
	for name, tt := range map[string]struct {
		change func(*GeoIPConfig)
		key    string
	}{
		"broken":           {func(c *GeoIPConfig) { c.Path = broken }, "geoip::path"},
		"broken ASN":       {func(c *GeoIPConfig) { c.ASNPath = broken }, "geoip::asn_path"},
		"a folder":         {func(c *GeoIPConfig) { c.Path = dir }, "geoip::path"},
		"City for ASN":     {func(c *GeoIPConfig) { c.ASNPath = city }, "geoip::asn_path"},
		"ASN for City":     {func(c *GeoIPConfig) { c.Path = asnDatabase(t) }, "geoip::path"},
		"below a file":     {func(c *GeoIPConfig) { c.Path = filepath.Join(broken, "x") }, "geoip::path"},
		"one of two works": {func(c *GeoIPConfig) { c.Path, c.ASNPath = city, broken }, "geoip::asn_path"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := startGeo(t, tt.change)
			require.ErrorContains(t, err, tt.key)
		})
	}
	e, logs, err := startGeo(t, func(c *GeoIPConfig) {
		cityNamed(t, filepath.Join(c.DataDir, "GeoLite2-City.mmdb"), "Berlin")
		c.ASNPath = filepath.Join(dir, "none.mmdb")
	})
	require.NoError(t, err)
	assert.Equal(t, "Berlin", e.cityOf(t), "the default name in the data folder")
	assert.Equal(t, 1, warnings(logs), "the other database has its own warning")
}

func TestGeoNumbersAreValidated(t *testing.T) {
	for key, change := range map[string]func(*GeoIPConfig){
		"geoip::language":        func(c *GeoIPConfig) { c.Language = "tlh" },
		"geoip::cache_size":      func(c *GeoIPConfig) { c.CacheSize = 0 },
		"geoip::reload_interval": func(c *GeoIPConfig) { c.ReloadInterval = -1 },
		"geoip::path":            func(c *GeoIPConfig) { c.DataDir = "" },
	} {
		cfg := createDefaultConfig().(*Config)
		change(&cfg.GeoIP)
		require.ErrorContains(t, cfg.Validate(), key+":")
	}
}

// Readers see whole versions while the file changes under them, every older
// version is closed, and none before its last reader has done.
func TestGeoReloadUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city.mmdb")
	cityNamed(t, path, "0")
	db := newDatabase("geoip::path", path, 16, zap.NewNop(), cityIn("en"))
	require.NoError(t, db.reload(true))
	var stop atomic.Bool
	var done sync.WaitGroup
	var newest, reads atomic.Int64
	for i := range 4 {
		done.Go(func() {
			for n := i; !stop.Load(); n++ {
				oldest := newest.Load()
				// Most miss the cache of 16, so that the file is read.
				p, ok := db.lookup(netip.AddrFrom4([4]byte{81, 2, 69, byte(n)}))
				reads.Add(1)
				version, err := strconv.Atoi(p.city)
				if !ok || err != nil || int64(version) < oldest {
					t.Errorf("version %q after %d, %t, %v", p.city, oldest, ok, err)
					return
				}
			}
		})
	}
	var versions []*opened[place]
	for i := range 50 {
		versions = append(versions, db.current.Load())
		cityNamed(t, path, strconv.Itoa(i+1))
		require.NoError(t, db.reload(false))
		newest.Store(int64(i + 1))
		for seen := reads.Load(); reads.Load() < seen+100; {
			time.Sleep(time.Millisecond)
		}
	}
	stop.Store(true)
	done.Wait()
	for i, v := range versions {
		assert.Zero(t, v.users.Load(), i)
		_, err := v.reader.City(netip.MustParseAddr("81.2.69.160"))
		require.Error(t, err, "version %d is closed", i)
	}
	assert.Equal(t, int64(1), db.current.Load().users.Load())
	db.use(nil)
	_, ok := db.lookup(netip.MustParseAddr("81.2.69.160"))
	assert.False(t, ok)
}

// The file is mapped: when somebody writes over it in place, its pages go. The
// event has no place then, and the collector goes on.
func TestGeoDatabaseCutInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city.mmdb")
	entries := []mmdbEntry{}
	for i := range 256 { // over several pages
		entries = append(entries, mmdbEntry{"81.2." + strconv.Itoa(i) + ".0/24", mmdbtype.Map{"city": names("City " + strconv.Itoa(i))}})
	}
	writeDatabase(t, path, "GeoLite2-City", entries...)
	e, logs, err := startGeo(t, func(c *GeoIPConfig) { c.Path, c.ReloadInterval = path, time.Hour })
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 0))
	assert.Empty(t, e.cityOf(t))
	assert.Equal(t, 1, logs.FilterLevelExact(zap.ErrorLevel).Len())
	assert.Empty(t, e.cityOf(t))
	cityNamed(t, path, "Berlin")
	require.NoError(t, e.geo.city.reload(false))
	assert.Equal(t, "Berlin", e.cityOf(t))
}

// The real City database, where scripts/services/geoip.sh could get it: make
// test-unit says when it could not.
func TestRealCityDatabase(t *testing.T) {
	path := os.Getenv("ACTIVITYLOG_TEST_GEOIP_CITY")
	if path == "" {
		t.Skip("no real City database: run scripts/services/geoip.sh install and set ACTIVITYLOG_TEST_GEOIP_CITY")
	}
	e := started(t, func(c *Config) { c.GeoIP.Path, c.GeoIP.Language = path, "de" })
	for ip, want := range map[string][2]string{
		"8.8.8.8": {"US", "USA"}, "81.2.69.142": {"GB", "UK"}, "2001:218::": {"JP", "Japan"}, "89.160.20.128": {"SE", "Schweden"},
		"192.168.1.1": {}, "198.51.100.7": {},
	} {
		got := one(t, e, logsOf(from(ip), nil))
		assert.Equal(t, want, [2]string{got.CountryCode, got.Country}, ip)
		assert.Equal(t, want[0] != "", got.Latitude.Valid && got.Longitude.Valid, ip)
	}
	r := rand.New(rand.NewPCG(9, 10))
	located := 0
	for range 50_000 {
		p, ok := e.geo.city.lookup(randomAddress(r))
		if !ok {
			continue
		}
		if p.countryCode != "" {
			located++
			require.Len(t, p.countryCode, 2)
		}
		require.Equal(t, p.latitude.Valid, p.longitude.Valid)
	}
	assert.Greater(t, located, 20_000, "most of the addresses given out have a country")
}

// What made a file unreadable may go without a change of the file, so that it is
// tried at each look; what is wrong is told once.
func TestBrokenGeoDatabaseIsTriedAtEachLook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "broken.mmdb")
	require.NoError(t, os.WriteFile(path, []byte("no database"), 0o600))
	core, logs := observer.New(zapcore.InfoLevel)
	d := newDatabase("geoip::path", path, 1, zap.New(core), func(*geoip2.Reader, netip.Addr) (int, error) { return 0, nil })
	for range 3 {
		require.Error(t, d.reload(false))
	}
	assert.Equal(t, 1, logs.Len())
	cityNamed(t, path, "Berlin")
	require.NoError(t, d.reload(false))
	d.use(nil)
}
