package auditapiext

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
)

// TestAnExportOutlivesTheWriteTimeoutOverHTTP2: there a deadline that passes
// ends the stream even while nothing is written.
func TestAnExportOutlivesTheWriteTimeoutOverHTTP2(t *testing.T) {
	peer := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	peer.Close()
	certificate := peer.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	server := configtls.NewDefaultServerConfig()
	server.CertFile, server.KeyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(server.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(server.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	s := start(t, func(c *Config) {
		c.Server.TLS, c.ReadBudget, c.Server.WriteTimeout = configoptional.Some(server), 50*time.Millisecond, 200*time.Millisecond
	})
	s.write(t, 100, largeEvent)
	roots := x509.NewCertPool()
	roots.AddCert(peer.Certificate())
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.base(t)+"/api/activity/system-events/export_ndjson", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+s.token(t))
	res, err := client.Do(r)
	require.NoError(t, err)
	defer func() { assert.NoError(t, res.Body.Close()) }()
	require.Equal(t, 2, res.ProtoMajor)
	time.Sleep(3 * s.cfg.Server.WriteTimeout)
	lines := bufio.NewReaderSize(res.Body, largeEvent*2)
	n := 0
	for ; ; n++ {
		if _, err = lines.ReadString('\n'); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, io.EOF)
	assert.Equal(t, 100, n)
}
