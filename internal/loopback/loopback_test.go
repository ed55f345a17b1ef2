package loopback

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckTakesLocal(t *testing.T) {
	for _, endpoint := range []string{
		"127.0.0.1:4319", "127.9.9.9:1", "localhost:4319", "LocalHost:4319", "[::1]:4319", "[::ffff:127.0.0.1]:4319",
	} {
		require.NoError(t, Check(endpoint, false, false), endpoint)
	}
}

func TestCheckRefusesReachable(t *testing.T) {
	for _, endpoint := range []string{
		":4319", "0.0.0.0:4319", "[::]:4319", "192.0.2.1:4319", "[2001:db8::1]:4319", "example.org:4319",
		"localhost.example.org:4319", "[fe80::1%eth0]:4319",
	} {
		require.ErrorContains(t, Check(endpoint, false, false), "allow_unauthenticated", endpoint)
		require.NoError(t, Check(endpoint, true, false), endpoint)
		require.NoError(t, Check(endpoint, false, true), endpoint)
	}
}

func TestCheckNamesWhatIsNoEndpoint(t *testing.T) {
	require.ErrorContains(t, Check("127.0.0.1", false, false), "host:port")
}
