// Package loopback holds the one rule about who may listen without
// authentication: an endpoint that other machines can reach needs
// authentication, or the operator's word that it is meant to be open.
package loopback

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Check refuses an endpoint (host:port) that is reachable from other machines
// unless callers must prove who they are (hasAuth) or the operator allowed it
// (allow, the key allow_unauthenticated). A host that is not an address and not
// "localhost" counts as reachable, because it may resolve to anything.
func Check(endpoint string, hasAuth, allow bool) error {
	if hasAuth || allow {
		return nil
	}
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return fmt.Errorf("endpoint %q: want host:port: %w", endpoint, err)
	}
	if Host(host) {
		return nil
	}
	return fmt.Errorf("endpoint %q: other machines can reach it and nothing asks who they are; "+
		"set auth, or a TLS client_ca_file, or listen on 127.0.0.1, or set allow_unauthenticated: true", endpoint)
}

// Host reports whether a host is this machine: a loopback address or localhost.
func Host(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
