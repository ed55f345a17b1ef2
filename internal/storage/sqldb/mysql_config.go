package sqldb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"
)

// MySQLConfig is a store in a database of a MariaDB or MySQL server, which
// several collectors may write to.
type MySQLConfig struct {
	ServerConfig `mapstructure:",squash"`
	// AllowNonDurable takes a server that may lose commits it has acknowledged.
	AllowNonDurable bool `mapstructure:"allow_non_durable_commits"`
}

func newDefaultMySQLConfig() MySQLConfig {
	return MySQLConfig{ServerConfig: newDefaultServerConfig()}
}

func (c *MySQLConfig) problems() []error {
	errs := c.ServerConfig.problems(DriverMySQL)
	if c.DSN != "" {
		if _, err := c.connection(context.Background(), string(c.DSN)); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// identity is the server and the database; the user is left out.
func (c *MySQLConfig) identity() string {
	dsn, err := c.dsn()
	if err != nil {
		return "?"
	}
	cc, err := mysql.ParseDSN(dsn)
	if err != nil {
		return "?"
	}
	return cc.Addr + "/" + cc.DBName
}

func (c *MySQLConfig) dialect() dialect { return &mysqlDialect{logger: zap.NewNop()} }

func (c *MySQLConfig) open(ctx context.Context, opts *Options) (parts, error) {
	return mysqlParts(ctx, c, opts)
}

// connection turns a DSN into what the driver connects with. Neither its result
// nor its errors may be shown: the driver's own quote parts of the DSN.
func (c *MySQLConfig) connection(ctx context.Context, dsn string) (*mysql.Config, error) {
	cc, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("mysql::dsn: it cannot be read; write user:password@tcp(host:3306)/database")
	}
	if cc.DBName == "" {
		return nil, errors.New("mysql::dsn: it names no database; write user:password@tcp(host:3306)/database")
	}
	if err := c.secure(ctx, cc); err != nil {
		return nil, err
	}
	if cc.MultiStatements || cc.InterpolateParams || cc.AllowAllFiles || cc.AllowOldPasswords || cc.AllowFallbackToPlaintext {
		return nil, errors.New("mysql::dsn: multiStatements, interpolateParams, allowAllFiles, allowOldPasswords and allowFallbackToPlaintext are not taken")
	}
	cc.Timeout = c.ConnectTimeout
	cc.MaxAllowedPacket = 0 // ask the server
	cc.Logger = &mysql.NopLogger{}
	return cc, nil
}

// secure puts the tls block in the place of the driver's default, which is a
// connection without TLS.
func (c *MySQLConfig) secure(ctx context.Context, cc *mysql.Config) error {
	switch cc.TLSConfig {
	case "":
	case "false", "true":
		if t := &c.TLS; t.Insecure || t.InsecureSkipVerify || t.CAFile != "" || t.CAPem != "" || t.CertFile != "" || t.CertPem != "" {
			return errors.New("mysql::tls: the dsn has a tls parameter, too; write one of them")
		}
		return nil
	default:
		return fmt.Errorf("mysql::dsn: tls=%s does not verify the server; write tls=true, or leave it out and use the tls block", cc.TLSConfig)
	}
	if cc.Net == "unix" {
		return nil
	}
	settings, err := c.TLS.LoadTLSConfig(ctx)
	if err != nil {
		return fmt.Errorf("mysql::tls: %w", err)
	}
	cc.TLS = named(settings, cc.Addr)
	return nil
}

// named gives the settings with the name that the server's certificate has to
// have; nil without TLS.
func named(settings *tls.Config, address string) *tls.Config {
	if settings == nil || settings.ServerName != "" {
		return settings
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	own := settings.Clone()
	own.ServerName = strings.Trim(host, "[]")
	return own
}
