package e2e

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/test/hostile"
)

// maxResident bounds the collector's resident memory under the corpus, in MiB.
// It is far below what the bodies of the corpus would unpack to.
const maxResident = 700

// TestHostileRequests sends the whole corpus to the built binary: every request
// gets a status that is right for it, never a 5xx, every good neighbour is
// stored, and what was spoofed is not believed.
func TestHostileRequests(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	cases := hostile.Cases()
	require.GreaterOrEqual(t, len(cases), 100)
	accepted := 0
	for i := range cases {
		hc := &cases[i]
		t.Run(hc.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			result, err := hc.Send(ctx, http.DefaultClient, "http://"+c.Events)
			require.NoError(t, err)
			require.Contains(t, hc.Want, result.Status)
			require.Less(t, result.Status, 500)
			require.Equal(t, hc.Accepted, result.Accepted)
			require.Len(t, result.Rejected, hc.Rejected)
			if hc.Code != "" {
				code := result.Code
				if len(result.Rejected) > 0 {
					code = result.Rejected[0].Code
				}
				require.Equal(t, hc.Code, code)
			}
			accepted += result.Accepted
		})
	}
	stored := 0
	for _, kind := range []string{"crud", "login", "request", "cors", "system"} {
		r := c.Verify(kind)
		assert.Equal(t, r.Total, r.Verified, kind)
		stored += r.Total
	}
	assert.Equal(t, accepted, stored, "every accepted event is stored")
	assert.Less(t, residentMiB(t, c), maxResident)
	assert.NotContains(t, c.logs.String(), "panic")
	c.Stop()
}

// TestSpoofedFieldsAreNotBelieved: what only the collector may say is removed.
func TestSpoofedFieldsAreNotBelieved(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	code, a := c.Post("application/json", `{"kind":"request","method":"GET","url":"/x","response_status":200,
		"received_at":"2001-01-01T00:00:00Z","auth_verified":"verified","auth_issuer":"https://idp","integrity_hash":"00","flags":7,
		"truncated_fields":["url"],"schema_version":9,
		"headers":{"x-forwarded-for":"198.51.100.7","authorization":"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."}}`)
	require.Equal(t, http.StatusOK, code, "%+v", a)
	require.Equal(t, 1, a.Accepted, "%+v", a)
	row := only(t, c, "request")
	assert.NotContains(t, row["received_at"], "2001")
	assert.Equal(t, "failed", row["auth_verified"], "alg none is refused")
	assert.Nil(t, row["user_id"], "a refused token names nobody")
	assert.Nil(t, row["auth_issuer"])
	assert.Nil(t, row["remote_ip"], "headers without a trusted peer say nothing")
	assert.EqualValues(t, 0, row["flags"])
	assert.EqualValues(t, 1, row["schema_version"])
	assert.True(t, c.Verify("request").OK)
}

// residentMiB reads VmHWM, the peak of the resident set.
func residentMiB(t *testing.T, c *collector) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/status")
	require.NoError(t, err)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(raw)
	require.NotNil(t, m)
	kb, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return kb / 1024
}
