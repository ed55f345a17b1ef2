package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/churl"
	"go.opentelemetry.io/collector/config/configtls"

	"github.com/activitylog/otelcol-activitylog/internal/loopback"
)

// compressions of the wire by the word of the configuration.
var compressions = map[string]ch.CompressionMethod{
	"lz4":  ch.CompressionLZ4,
	"zstd": ch.CompressionZSTD,
	"none": ch.CompressionNone,
}

// protocol is what a scheme stands for.
type protocol struct {
	ch.Protocol
	secure bool
	port   string
}

var protocols = map[string]protocol{
	"http":        {ch.HTTP, false, "8123"},
	"https":       {ch.HTTP, true, "8443"},
	"clickhouse":  {ch.Native, false, "9000"},
	"tcp":         {ch.Native, false, "9000"},
	"clickhouses": {ch.Native, true, "9440"},
}

// target is a DSN taken apart.
type target struct {
	protocol
	addresses []string
	database  string
	path      string // of the HTTP interface
	username  string
	password  string
}

// target reads the DSN and the files of secrets. An error never holds the DSN.
func (c *Config) target() (*target, error) {
	text := string(c.DSN)
	switch {
	case c.DSN != "" && c.DSNFile != "":
		return nil, errors.New("dsn: set either dsn or dsn_file")
	case c.DSNFile != "":
		var err error
		if text, err = readSecret(c.DSNFile); err != nil {
			return nil, fmt.Errorf("dsn_file: %w", err)
		}
	case text == "":
		return nil, errors.New("dsn: must name the server, for example http://clickhouse:8123/audit")
	}
	t, err := parseDSN(text)
	if err != nil {
		return nil, fmt.Errorf("dsn: %w", err)
	}
	if c.Password != "" {
		t.password = string(c.Password)
	}
	if c.PasswordFile != "" {
		if t.password, err = readSecret(c.PasswordFile); err != nil {
			return nil, fmt.Errorf("password_file: %w", err)
		}
	}
	return t, nil
}

func readSecret(path string) (string, error) {
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func parseDSN(text string) (*target, error) {
	u, err := churl.Parse(text) // which takes several hosts with ports
	if err != nil {             // the error repeats the text, password and all
		return nil, errors.New("is not a URL: a special character of the password must be percent-encoded, or use password_file")
	}
	p, ok := protocols[u.Scheme]
	if !ok {
		return nil, errors.New("the scheme must be http, https, clickhouse or clickhouses")
	}
	t := &target{protocol: p, database: strings.Trim(u.Path, "/")}
	if t.database == "" || strings.Contains(t.database, "/") {
		return nil, errors.New("must end with the name of the database, for example /audit")
	}
	if u.User != nil {
		t.username = u.User.Username()
		t.password, _ = u.User.Password()
	}
	for _, address := range strings.Split(u.Host, ",") {
		if address == "" || strings.HasPrefix(address, ":") {
			return nil, errors.New("must name the host")
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), t.port)
		}
		t.addresses = append(t.addresses, address)
	}
	query := u.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch name {
		case "http_path":
			t.path = query.Get(name)
		case "async_insert", "wait_for_async_insert":
			return nil, fmt.Errorf("%s cannot be set here: use the key async_insert, which always waits until the events are stored", name)
		default:
			return nil, fmt.Errorf("the parameter %q is not known: settings of the server belong to its user's profile", name)
		}
	}
	return t, nil
}

// checkTLS refuses a scheme without TLS beside a tls block that would not be used,
// and to another machine unless the operator says that it is meant.
func (c *Config) checkTLS(t *target) error {
	if t.secure {
		return nil
	}
	rest := c.TLS
	rest.Insecure = false
	if !reflect.DeepEqual(rest, configtls.NewDefaultClientConfig()) {
		return errors.New("tls: the scheme of the dsn is without TLS, so this would not be used; write https:// or clickhouses://")
	}
	for _, address := range t.addresses {
		host, _, err := net.SplitHostPort(address)
		if local := err == nil && loopback.Host(host); !local && !c.TLS.Insecure {
			return errors.New("dsn: the scheme is without TLS and the server on another machine; write https:// or clickhouses://, " +
				"or tls: {insecure: true} on a trusted network alone")
		}
	}
	return nil
}

// Identity is equal for two configurations of the same database, for example
// "clickhouse:db1:8123/audit".
func (c *Config) Identity() string {
	t, err := c.target()
	if err != nil {
		return "clickhouse:"
	}
	hosts := slices.Sorted(slices.Values(t.addresses))
	return "clickhouse:" + strings.Join(hosts, ",") + "/" + t.database
}

// options of the driver.
func (c *Config) options(ctx context.Context) (*ch.Options, error) {
	t, err := c.target()
	if err != nil {
		return nil, err
	}
	o := &ch.Options{
		Protocol: t.Protocol, Addr: t.addresses,
		Auth:         ch.Auth{Database: t.database, Username: t.username, Password: t.password},
		HttpUrlPath:  t.path,
		Compression:  &ch.Compression{Method: compressions[c.Compression], Level: 1},
		DialTimeout:  min(c.WriteTimeout, 5*time.Second),
		ReadTimeout:  max(c.ReadTimeout, c.MutationTimeout),
		MaxOpenConns: c.MaxOpenConns, MaxIdleConns: c.MaxOpenConns, ConnMaxLifetime: time.Hour,
		ConnOpenStrategy: ch.ConnOpenInOrder,
	}
	if t.secure {
		if o.TLS, err = c.TLS.LoadTLSConfig(ctx); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		if o.TLS == nil { // insecure is the scheme's to say
			o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	}
	return o, nil
}
