package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAttribution steers actor and address by environment alone, as the README
// says: a verified token names the actor, a forged one nobody; a trusted
// proxy's word about the address counts, another's does not.
func TestAttribution(t *testing.T) {
	c := newCollector(t, "otelcol-config.yaml")
	c.env["ACTIVITYLOG_JWT_SECRET"] = "a secret of at least thirty-two bytes"
	c.env["ACTIVITYLOG_TRUSTED_PROXIES"] = "10.0.0.0/8,192.0.2.1"
	c.Start()
	sign := func(secret string) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"user_id": 42, "exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString([]byte(secret))
		require.NoError(t, err)
		return token
	}
	post := func(token, peer, forwarded string) map[string]any {
		code, a := c.Post("application/json", fmt.Sprintf(`{"kind":"request","method":"GET","url":"/me","response_status":200,"peer_address":%q,
			"headers":{"authorization":"Bearer %s","x-forwarded-for":%q}}`, peer, token, forwarded))
		require.Equal(t, http.StatusOK, code)
		require.Len(t, a.IDs, 1)
		var row map[string]any
		require.Equal(t, http.StatusOK, c.Get("/api/activity/request-events/"+a.IDs[0]+"/", &row))
		return row
	}
	good := post(sign(c.env["ACTIVITYLOG_JWT_SECRET"]), "10.1.2.3:443", "203.0.113.5, 10.9.9.9")
	assert.Equal(t, "42", good["user_id"])
	assert.Equal(t, "verified", good["auth_verified"])
	assert.Equal(t, "jwt", good["auth_method"])
	assert.Equal(t, "203.0.113.5", good["remote_ip"])

	forged := post(sign("another secret of thirty-two bytes!!"), "198.51.100.1", "203.0.113.5")
	assert.Nil(t, forged["user_id"])
	assert.Equal(t, "failed", forged["auth_verified"])
	assert.Equal(t, "198.51.100.1", forged["remote_ip"], "the peer is no trusted proxy")
	assert.NotContains(t, c.logs.String(), "eyJ", "no token in the log")
}

// TestOpenListenersAreRefused: an endpoint that others can reach does not start
// without authentication, and says what to write.
func TestOpenListenersAreRefused(t *testing.T) {
	for variable, named := range map[string]string{
		"ACTIVITYLOG_EVENTS_ENDPOINT": "allow_unauthenticated", "ACTIVITYLOG_OTLP_GRPC_ENDPOINT": "receivers::otlp::protocols::grpc::endpoint",
		"ACTIVITYLOG_API_ENDPOINT": "clear text",
	} {
		c := newCollector(t, "otelcol-config.yaml")
		c.env[variable] = "0.0.0.0:0"
		c.Launch()
		require.NotEqual(t, 0, c.Wait(20*time.Second), variable)
		require.Contains(t, c.logs.String(), named, variable)
	}
}
