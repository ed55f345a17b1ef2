package auditapiext

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/configkeys"
	"github.com/activitylog/otelcol-activitylog/internal/loopback"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

// Config of the extension. The server's own keys stand at the same level.
type Config struct {
	// Server is the HTTP server: endpoint, tls, cors, timeouts.
	Server confighttp.ServerConfig `mapstructure:",squash"`
	// AllowUnauthenticated lets the configuration guard pass listeners of other
	// receivers that other machines can reach without auth. The API itself
	// always asks for its token.
	AllowUnauthenticated bool `mapstructure:"allow_unauthenticated"`
	// Token is the bearer token. Empty: TokenFile is read, or made at first start.
	Token configopaque.String `mapstructure:"token"`
	// TokenFile holds the token; default <storage directory>/api-token, with a
	// database on a server ./data/api-token.
	TokenFile string `mapstructure:"token_file"`
	// Storage is the store that is read, with the keys of the exporter.
	Storage open.Config `mapstructure:"storage"`
	// ReadBudget bounds the time of a list; what it has is answered then.
	ReadBudget time.Duration `mapstructure:"read_budget"`
	// VerifyBudget bounds the time of one integrity report.
	VerifyBudget time.Duration `mapstructure:"verify_budget"`
	// MaxExports bounds the exports and integrity reports that run at once.
	MaxExports int `mapstructure:"max_exports"`
	// StallTimeout ends an export whose client takes nothing for so long.
	StallTimeout time.Duration `mapstructure:"stall_timeout"`

	_ struct{}
}

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = "127.0.0.1:8686"
	server.ReadTimeout = 10 * time.Second
	server.ReadHeaderTimeout = 10 * time.Second
	server.MaxRequestBodySize = 1 << 20
	return &Config{
		Server: server, Storage: open.NewDefaultConfig(),
		ReadBudget: 2 * time.Second, VerifyBudget: 20 * time.Second, MaxExports: 4, StallTimeout: 30 * time.Second,
	}
}

// Unmarshal reads the configuration and refuses keys that nothing reads.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(c); err != nil {
		return err
	}
	return configkeys.Check[Config](conf)
}

// Validate names every key that cannot work.
func (c *Config) Validate() error {
	var errs []error
	if c.Server.NetAddr.Transport != confignet.TransportTypeUnix {
		// The token is always asked for; what is refused here is a token that
		// travels to other machines in clear text.
		open := c.Server.TLS.HasValue() || c.AllowUnauthenticated
		if err := loopback.Check(c.Server.NetAddr.Endpoint, open, false); err != nil {
			errs = append(errs, fmt.Errorf("endpoint %q: other machines can reach it and the API token would travel in clear text; "+
				"set tls, or listen on 127.0.0.1, or set allow_unauthenticated: true when something else protects it", c.Server.NetAddr.Endpoint))
		}
	}
	if c.Token != "" && c.TokenFile != "" {
		errs = append(errs, errors.New("token, token_file: give one of them"))
	}
	if strings.ContainsFunc(string(c.Token), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		errs = append(errs, errors.New("token: white space, control and non-ASCII characters cannot be sent in a header"))
	}
	for _, bound := range []struct {
		key   string
		value time.Duration
	}{{"read_budget", c.ReadBudget}, {"verify_budget", c.VerifyBudget}, {"stall_timeout", c.StallTimeout}} {
		if bound.value <= 0 {
			errs = append(errs, fmt.Errorf("%s: want more than 0, got %s", bound.key, bound.value))
		}
	}
	if c.Server.WriteTimeout > 0 && c.Server.WriteTimeout <= 2*c.ReadBudget {
		errs = append(errs, fmt.Errorf("write_timeout: want 0 or more than twice the read_budget (a page and its count), got %s", c.Server.WriteTimeout))
	}
	if mongo := c.Storage.MongoDB.Get(); mongo != nil && mongo.TTL > 0 {
		errs = append(errs, errors.New("storage::mongodb::ttl: MongoDB would delete events that a hold keeps; leave it out and delete with auditctl cleanup"))
	}
	if c.MaxExports < 1 {
		errs = append(errs, fmt.Errorf("max_exports: want at least 1, got %d", c.MaxExports))
	}
	return errors.Join(errs...)
}

// tokenFile gives the file of a token that is not written in the configuration.
func (c *Config) tokenFile() string {
	if c.TokenFile != "" {
		return c.TokenFile
	}
	folder := c.Storage.Folder()
	if folder == "" {
		folder = "data"
	}
	return filepath.Join(folder, "api-token")
}
