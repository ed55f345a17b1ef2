package activitylogreceiver

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configauth"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension/extensionauth"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/test/hostile"
)

// tokens is an authenticator that knows one token.
type tokens struct {
	component.StartFunc
	component.ShutdownFunc
	extensionauth.ServerAuthenticateFunc
}

type identified struct{ client.AuthData }

func newTokens(token string) tokens {
	return tokens{ServerAuthenticateFunc: func(ctx context.Context, sources map[string][]string) (context.Context, error) {
		if got := sources["Authorization"]; len(got) != 1 || got[0] != "Bearer "+token {
			return ctx, errors.New("secret detail of the authenticator")
		}
		info := client.FromContext(ctx)
		info.Auth = identified{}
		return client.NewContext(ctx, info), nil
	}}
}

type hostWith map[component.ID]component.Component

func (h hostWith) GetExtensions() map[component.ID]component.Component { return h }

func TestAuthentication(t *testing.T) {
	id := component.MustNewID("tokens")
	seen := make(chan bool, 1)
	next, err := consumer.NewLogs(func(ctx context.Context, _ plog.Logs) error {
		_, ok := client.FromContext(ctx).Auth.(identified)
		seen <- ok
		return nil
	})
	require.NoError(t, err)
	r := startIn(t, hostWith{id: newTokens("right")}, next, func(c *Config) {
		c.Server.Auth = configoptional.Some(confighttp.AuthConfig{Config: configauth.Config{AuthenticatorID: id}})
	})
	for _, authorization := range []string{"", "Bearer wrong", "Basic cmlnaHQ6"} {
		c := post(hostile.Good)
		if c.Header = map[string]string{}; authorization != "" {
			c.Header["Authorization"] = authorization
		}
		got := r.post(t, c)
		require.Equal(t, 401, got.Status)
		require.Equal(t, codeUnauthenticated, got.Code)
		require.Equal(t, "application/problem+json", got.ContentType)
	}
	resp, err := r.client.Post(r.base+path, "application/json", strings.NewReader(hostile.Good))
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "Bearer", resp.Header.Get("WWW-Authenticate"))
	require.NotContains(t, string(text), "secret detail")

	c := post(hostile.Good)
	c.Header = map[string]string{"Authorization": "Bearer right"}
	require.Equal(t, 200, r.post(t, c).Status)
	require.True(t, <-seen, "the pipeline knows the sender")
}

func TestStartNamesAMissingAuthenticator(t *testing.T) {
	cfg := createDefaultConfig().(*Config)
	cfg.Server.NetAddr.Endpoint = "127.0.0.1:0"
	cfg.Server.Auth = configoptional.Some(confighttp.AuthConfig{Config: configauth.Config{AuthenticatorID: component.MustNewID("absent")}})
	r := startable(t, cfg)
	require.ErrorContains(t, r.Start(t.Context(), hostWith{}), "absent")
	require.NoError(t, r.Shutdown(t.Context()))
}

func TestStartNamesAnEndpointInUse(t *testing.T) {
	busy, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, busy.Close()) }()
	cfg := createDefaultConfig().(*Config)
	cfg.Server.NetAddr.Endpoint = busy.Addr().String()
	r := startable(t, cfg)
	require.ErrorContains(t, r.Start(t.Context(), hostWith{}), busy.Addr().String())
	require.NoError(t, r.Shutdown(t.Context()))
}

func TestTLS(t *testing.T) {
	certificate, key, roots := selfSigned(t)
	sink := new(consumertest.LogsSink)
	r := startReceiver(t, sink, func(c *Config) {
		c.Server.TLS = configoptional.Some(configtls.ServerConfig{Config: configtls.Config{
			CertPem: configopaque.String(certificate), KeyPem: configopaque.String(key),
		}})
	})
	plain, err := r.client.Post(r.base+path, "application/json", strings.NewReader(hostile.Good))
	require.NoError(t, err)
	require.NoError(t, plain.Body.Close())
	require.Equal(t, 400, plain.StatusCode, "HTTP on a TLS port")

	secure := strings.Replace(r.base, "http://", "https://", 1)
	for _, http2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: http2}
		resp, err := (&http.Client{Transport: transport}).Post(secure+path, "application/json", strings.NewReader(hostile.Good))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		transport.CloseIdleConnections()
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, http2, resp.ProtoMajor == 2)
	}
	require.Equal(t, 2, sink.LogRecordCount())
}

func selfSigned(t *testing.T) (certificate, key []byte, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	der, err = x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	roots = x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(certificate))
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), roots
}

func TestCORS(t *testing.T) {
	r := startReceiver(t, consumertest.NewNop(), func(c *Config) {
		c.Server.CORS = configoptional.Some(confighttp.CORSConfig{
			AllowedOrigins: []string{"https://shop.example"}, AllowedHeaders: []string{"Content-Type"},
		})
	})
	f := func(origin, want string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, r.base+path, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", http.MethodPost)
		req.Header.Set("Access-Control-Request-Headers", "content-type")
		resp, err := r.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.Header.Get("Access-Control-Allow-Origin"))
	}
	f("https://shop.example", "https://shop.example")
	f("https://evil.example", "")
}

func TestGzip(t *testing.T) {
	sink := new(consumertest.LogsSink)
	r := startReceiver(t, sink, nil)
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, `[`+hostile.Good+`,`+hostile.Good+`]`)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	c := hostile.Case{
		Header: map[string]string{"Content-Encoding": "gzip"},
		Body:   func() io.Reader { return bytes.NewReader(b.Bytes()) },
	}
	require.Equal(t, 2, r.post(t, c).Accepted)
	require.Equal(t, 2, sink.LogRecordCount())
}
