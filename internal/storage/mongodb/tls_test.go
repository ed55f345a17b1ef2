package mongodb

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
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

// selfSigned makes a certificate for 127.0.0.1, its own authority, and writes
// it and its key as PEM files.
func selfSigned(t *testing.T) (pair tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "activity test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(certFile, certPEM, 0o600))
	require.NoError(t, os.WriteFile(keyFile, keyPEM, 0o600))
	pair, err = tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
	return pair, certFile, keyFile
}

func TestTLSIsOnAndVerified(t *testing.T) {
	pair, certFile, keyFile := selfSigned(t)
	known := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	require.NoError(t, err)
	known.AddCert(leaf)
	_, cfg := newProxyBehind(t, func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: known, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12})
	})
	cfg.ConnectTimeout = time.Second
	ping := func(change func(*Config)) error {
		t.Helper()
		c := cfg
		c.TLS = NewDefaultConfig().TLS
		change(&c)
		require.NoError(t, c.Validate())
		st, err := Open(t.Context(), c, Options{})
		require.NoError(t, err)
		defer func() { require.NoError(t, st.Close()) }()
		return st.Ping(t.Context())
	}
	err = ping(func(c *Config) { c.TLS.CertFile, c.TLS.KeyFile = certFile, keyFile })
	require.ErrorIs(t, err, storage.ErrRetryable)
	require.ErrorContains(t, err, "certificate", "an unknown authority")
	err = ping(func(c *Config) { c.TLS.CAFile = certFile })
	require.ErrorIs(t, err, storage.ErrRetryable, "no certificate of ours")
	err = ping(func(c *Config) { c.TLS.Insecure = true })
	require.ErrorIs(t, err, storage.ErrRetryable, "a server that wants TLS")
	require.NoError(t, ping(func(c *Config) { c.TLS.CAFile, c.TLS.CertFile, c.TLS.KeyFile = certFile, certFile, keyFile }))
}
