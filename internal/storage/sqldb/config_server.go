package sqldb

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configtls"
)

// ServerConfig is what the drivers of a database server have in common.
type ServerConfig struct {
	// CreateSchema lets the store make and change its tables. Without it an
	// older schema is refused, with the command that shows the statements.
	CreateSchema bool `mapstructure:"create_schema"`
	// DSN says where the server is and who connects, in the driver's own form.
	DSN configopaque.String `mapstructure:"dsn"`
	// DSNFile holds the DSN instead; it is read at every new connection, so
	// that a password can be changed while the collector runs.
	DSNFile string `mapstructure:"dsn_file"`
	// TLS verifies the server unless it says insecure or insecure_skip_verify.
	TLS configtls.ClientConfig `mapstructure:"tls"`
	// Readers is how many reads run at the same time, each on a connection of
	// its own; others wait. Writing takes two connections more.
	Readers int `mapstructure:"readers"`
	// ConnectTimeout bounds connecting, with the handshake and the login.
	ConnectTimeout time.Duration `mapstructure:"connect_timeout"`
	// WriteTimeout bounds the commit of a batch. What a commit of unknown
	// outcome has stored is a duplicate of the retry.
	WriteTimeout time.Duration `mapstructure:"write_timeout"`
	// StatementTimeout bounds a statement of a read, of retention or of erasure;
	// the server ends it.
	StatementTimeout time.Duration `mapstructure:"statement_timeout"`
}

// statementMargin is how much longer than the server's own limit the client
// waits for an answer.
const statementMargin = 10 * time.Second

func newDefaultServerConfig() ServerConfig {
	return ServerConfig{
		CreateSchema:     true,
		Readers:          8,
		ConnectTimeout:   5 * time.Second,
		WriteTimeout:     10 * time.Second,
		StatementTimeout: 30 * time.Second,
	}
}

// problems of the keys of the block.
func (c *ServerConfig) problems(block string) (errs []error) {
	if (c.DSN == "") == (c.DSNFile == "") {
		errs = append(errs, fmt.Errorf("%s: write dsn or dsn_file, and not both", block))
	}
	if err := c.TLS.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("%s::tls: %w", block, err))
	}
	if c.Readers < 1 || c.Readers > maxReaders {
		errs = append(errs, fmt.Errorf("%s::readers: must be between 1 and %d", block, maxReaders))
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"connect_timeout", c.ConnectTimeout}, {"write_timeout", c.WriteTimeout}, {"statement_timeout", c.StatementTimeout}} {
		if d.value < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s::%s: must be above 0, for example 5s", block, d.key))
		}
	}
	return errs
}

// dsn gives the DSN, from its file when there is one.
func (c *ServerConfig) dsn() (string, error) {
	if c.DSNFile == "" {
		return string(c.DSN), nil
	}
	text, err := os.ReadFile(c.DSNFile)
	if err != nil {
		return "", fmt.Errorf("read dsn_file: %w", err)
	}
	if s := strings.TrimSpace(string(text)); s != "" {
		return s, nil
	}
	return "", errors.New("dsn_file is empty")
}
