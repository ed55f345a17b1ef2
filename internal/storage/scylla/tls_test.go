package scylla

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// certificate makes a key pair for 127.0.0.1, and a file with its authority,
// which is itself.
func certificate(t *testing.T) (pair tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600))
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, file
}

// TLS is on and the server is verified, unless the configuration says otherwise.
func TestTLS(t *testing.T) {
	cfg := emptyKeyspace(t)
	target, err := cfg.target()
	require.NoError(t, err)
	pair, authority := certificate(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	require.NoError(t, err)
	p := startProxy(t, l, target.hosts[0])
	cfg.DSN = throughProxy(cfg.DSN, target.hosts[0], p)
	cfg.ConnectTimeout = 2 * time.Second
	cfg.TLS = NewDefaultConfig().TLS

	refused := func(why string) {
		t.Helper()
		_, err := Open(context.Background(), cfg, Options{})
		require.ErrorIs(t, err, storage.ErrRetryable, why)
		require.ErrorContains(t, err, why)
	}
	refused("certificate")
	cfg.TLS.CAFile = authority
	write(t, openTest(t, cfg, Options{}), newEvents(0, 3)...)
	cfg.TLS.ServerName = "another.example.com"
	refused("certificate")
	cfg.TLS.InsecureSkipVerify = true
	write(t, openTest(t, cfg, Options{}), newEvents(3, 6)...)
}
