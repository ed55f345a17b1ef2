package activitylogreceiver

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/confignet"

	"github.com/activitylog/otelcol-activitylog/internal/loopback"
)

// Config of the receiver. The server's own keys stand at the same level.
type Config struct {
	// Server is the HTTP server: endpoint, tls, auth, cors, max_request_body_size, timeouts.
	Server confighttp.ServerConfig `mapstructure:",squash"`
	// AllowUnauthenticated lets the endpoint be reachable from other machines without auth.
	AllowUnauthenticated bool `mapstructure:"allow_unauthenticated"`
	// SuccessStatus is 200, or 202 for a pipeline that stores later.
	SuccessStatus int `mapstructure:"success_status"`
	// MaxConcurrentRequests bounds the requests whose body has come and is being
	// handled; one more is answered 429 at once. Times max_request_body_size it
	// is the memory that requests may hold.
	MaxConcurrentRequests int `mapstructure:"max_concurrent_requests"`
	// MaxFuture bounds how far ahead of our clock a datetime may be.
	MaxFuture time.Duration `mapstructure:"max_future"`
	// MaxAge bounds how far back a datetime may be.
	MaxAge time.Duration `mapstructure:"max_age"`

	_ struct{}
}

// Defaults. The answer comes within 10 s of a whole body, so that writing it
// has room after a body that took the whole read timeout.
const (
	defaultEndpoint    = "127.0.0.1:4319"
	defaultBodySize    = 20 << 20
	defaultReadTimeout = 30 * time.Second
	defaultHeaderRead  = 10 * time.Second
	defaultWrite       = 45 * time.Second
	defaultConcurrency = 64
	defaultMaxFuture   = 5 * time.Minute
	defaultMaxAge      = 10 * 365 * 24 * time.Hour
)

// maxMemory bounds the product of body size and requests: 1 TiB.
const maxMemory = 1 << 40

// decompressors need little memory, whatever they are given. "" is none.
var decompressors = []string{"", "gzip", "zlib", "deflate"}

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = defaultEndpoint
	server.MaxRequestBodySize = defaultBodySize
	server.ReadTimeout = defaultReadTimeout
	server.ReadHeaderTimeout = defaultHeaderRead
	server.WriteTimeout = defaultWrite
	server.CompressionAlgorithms = []string{"", "gzip"}
	return &Config{
		Server:                server,
		SuccessStatus:         http.StatusOK,
		MaxConcurrentRequests: defaultConcurrency,
		MaxFuture:             defaultMaxFuture,
		MaxAge:                defaultMaxAge,
	}
}

// Validate names every key that cannot work.
func (c *Config) Validate() error {
	var errs []error
	if c.Server.NetAddr.Transport != confignet.TransportTypeUnix {
		tls := c.Server.TLS.Get()
		hasAuth := c.Server.Auth.HasValue() || (tls != nil && tls.ClientCAFile != "")
		if err := loopback.Check(c.Server.NetAddr.Endpoint, hasAuth, c.AllowUnauthenticated); err != nil {
			errs = append(errs, err)
		}
	}
	if c.SuccessStatus != http.StatusOK && c.SuccessStatus != http.StatusAccepted {
		errs = append(errs, fmt.Errorf("success_status: want 200 or 202, got %d", c.SuccessStatus))
	}
	if c.MaxConcurrentRequests < 1 {
		errs = append(errs, fmt.Errorf("max_concurrent_requests: want at least 1, got %d", c.MaxConcurrentRequests))
	}
	if c.Server.MaxRequestBodySize < 1 {
		errs = append(errs, fmt.Errorf("max_request_body_size: want at least 1 byte, got %d", c.Server.MaxRequestBodySize))
	}
	if c.MaxConcurrentRequests > 0 && c.Server.MaxRequestBodySize > maxMemory/int64(c.MaxConcurrentRequests) {
		errs = append(errs, fmt.Errorf("max_request_body_size x max_concurrent_requests: want at most %d bytes, which requests may then hold", int64(maxMemory)))
	}
	for _, name := range c.Server.CompressionAlgorithms {
		if !slices.Contains(decompressors, name) {
			errs = append(errs, fmt.Errorf("compression_algorithms: want some of %q, got %q; "+
				"the memory of another decompressor follows what clients send", decompressors, name))
		}
	}
	if c.Server.ReadTimeout <= 0 {
		errs = append(errs, fmt.Errorf("read_timeout: want more than 0, or slow clients hold every slot, got %s", c.Server.ReadTimeout))
	}
	if c.MaxFuture < 0 {
		errs = append(errs, fmt.Errorf("max_future: want 0 or more, got %s", c.MaxFuture))
	}
	if c.MaxAge <= 0 {
		errs = append(errs, fmt.Errorf("max_age: want more than 0, got %s", c.MaxAge))
	}
	return errors.Join(errs...)
}
