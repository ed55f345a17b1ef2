package sqldb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/zap"
)

// PostgresConfig is a store in one schema of a PostgreSQL database, which
// several collectors may write to.
type PostgresConfig struct {
	ServerConfig `mapstructure:",squash"`
	// Schema holds the tables and nothing else.
	Schema string `mapstructure:"schema"`
	// JSONB keeps parsed copies of the JSON columns beside the text, for people
	// who query them; null where PostgreSQL does not take the value.
	JSONB bool `mapstructure:"jsonb"`
}

func newDefaultPostgresConfig() PostgresConfig {
	return PostgresConfig{ServerConfig: newDefaultServerConfig(), Schema: "activitylog"}
}

// A name that needs no quotes.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func (c *PostgresConfig) problems() []error {
	errs := c.ServerConfig.problems(DriverPostgres)
	if !schemaName.MatchString(c.Schema) {
		errs = append(errs, fmt.Errorf("postgres::schema: %q is no name of lower case letters, digits and underscores, 63 at most", c.Schema))
	}
	if c.DSN != "" {
		if _, err := c.connection(context.Background(), string(c.DSN)); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// identity is the server, the database and the schema; the user is left out.
func (c *PostgresConfig) identity() string {
	dsn, err := c.dsn()
	if err != nil {
		return "?"
	}
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "?"
	}
	return net.JoinHostPort(cc.Host, strconv.Itoa(int(cc.Port))) + "/" + cc.Database + "/" + c.Schema
}

func (c *PostgresConfig) dialect() dialect { return &postgresDialect{config: c, logger: zap.NewNop()} }

func (c *PostgresConfig) open(ctx context.Context, opts *Options) (parts, error) {
	return postgresParts(ctx, c, opts)
}

// sslMode finds the word in both forms of a DSN.
var sslMode = regexp.MustCompile(`(?:^|[?&\s])sslmode\s*=\s*'?([a-z-]*)`)

// connection turns a DSN into what pgx connects with. Neither its result nor
// its errors may be shown: pgx's own quote parts of the DSN.
func (c *PostgresConfig) connection(ctx context.Context, dsn string) (*pgx.ConnConfig, error) {
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("postgres::dsn: it cannot be read; write postgres://user:password@host:5432/database or host=... user=... password=... dbname=... (key and value)")
	}
	cc.ConnectTimeout = c.ConnectTimeout
	if mode := sslMode.FindStringSubmatch(dsn); mode != nil {
		return cc, c.checkMode(mode[1])
	}
	return cc, c.secure(ctx, cc)
}

func (c *PostgresConfig) checkMode(mode string) error {
	switch mode {
	case "disable", "verify-ca", "verify-full":
	default:
		return fmt.Errorf("postgres::dsn: sslmode=%s does not verify the server; write verify-full, or leave it out and use the tls block", mode)
	}
	if c.TLS.Insecure || c.TLS.InsecureSkipVerify || c.TLS.CAFile != "" || c.TLS.CAPem != "" || c.TLS.CertFile != "" || c.TLS.CertPem != "" {
		return errors.New("postgres::tls: the dsn has an sslmode, too; write one of them")
	}
	return nil
}

// secure puts the tls block in the place of pgx's default, which takes a
// connection without TLS when the server has none.
func (c *PostgresConfig) secure(ctx context.Context, cc *pgx.ConnConfig) error {
	settings, err := c.TLS.LoadTLSConfig(ctx)
	if err != nil {
		return fmt.Errorf("postgres::tls: %w", err)
	}
	var others []*pgconn.FallbackConfig
	seen := map[string]bool{net.JoinHostPort(cc.Host, strconv.Itoa(int(cc.Port))): true}
	for _, f := range cc.Fallbacks {
		if at := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port))); !seen[at] {
			seen[at] = true
			f.TLSConfig = tlsFor(settings, f.Host)
			others = append(others, f)
		}
	}
	cc.TLSConfig, cc.Fallbacks = tlsFor(settings, cc.Host), others
	return nil
}

// tlsFor gives the settings for a host; nil for a Unix socket and without TLS.
func tlsFor(settings *tls.Config, host string) *tls.Config {
	if settings == nil || strings.HasPrefix(host, "/") {
		return nil
	}
	own := settings.Clone()
	if own.ServerName == "" {
		own.ServerName = host
	}
	return own
}
