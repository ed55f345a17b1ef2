package enrichprocessor

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
)

var testSalts = [32]byte(bytes.Repeat([]byte{7}, 32))

// upstreamEvent has every field that only this project writes.
func upstreamEvent() *activity.Event {
	ev := request1()
	ev.ReceivedAt = ev.Datetime + 5
	ev.TenantID, ev.UserID, ev.SessionKey = "acme", "7", strings.Repeat("ab", 32)
	ev.AuthMethod, ev.AuthVerified, ev.AuthIssuer, ev.AuthKeyID = "jwt", "verified", "https://id", "k1"
	ev.Flags, ev.TruncatedFields = activity.FlagTruncated|activity.FlagActorConflict, "extra_data,url"
	ev.SchemaVersion = 1
	ev.IntegrityHash, ev.IntegritySalts = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	ev.IntegrityCommitments = bytes.Repeat([]byte{3}, 64)
	return ev
}

func TestSpoofedFieldsAreRemoved(t *testing.T) {
	e := started(t, nil)
	ld := logsOf(upstreamEvent(), nil)
	record(ld).Attributes().PutStr("activity.integrity.anything", "x")
	got := one(t, e, ld)
	assert.Equal(t, testNow.UnixNano(), got.ReceivedAt)
	assert.Equal(t, activity.AuthNotChecked, got.AuthVerified)
	assert.Empty(t, got.AuthIssuer+got.AuthKeyID)
	assert.Zero(t, got.Flags)
	assert.Empty(t, got.TruncatedFields)
	assert.Zero(t, got.SchemaVersion)
	assert.False(t, got.Sealed())
	assert.Empty(t, got.IntegritySalts)
	assert.Empty(t, got.IntegrityCommitments)
	assert.JSONEq(t, `{"_observed_at_source":"2026-03-04T05:06:06.000000005Z"}`, got.ExtraData, "a spoofed field is nowhere")
}

// However an attribute of ours is typed, it is not taken and not kept.
func TestSpoofedFieldsOfOtherTypes(t *testing.T) {
	e := started(t, nil)
	ld := logsOf(request1(), nil)
	attrs := record(ld).Attributes()
	attrs.PutStr(activitylogs.KeyFlags, "15")
	attrs.PutStr(activitylogs.KeyTruncatedFields, "url")
	attrs.PutStr(activitylogs.KeyIntegrityHash, "00")
	attrs.PutInt(activitylogs.KeyAuthVerification, 1)
	attrs.PutEmptyMap(activitylogs.KeyAuthIssuer).PutStr("a", "b")
	got := one(t, e, ld)
	assert.Zero(t, got.Flags)
	assert.Empty(t, got.TruncatedFields)
	assert.Equal(t, activity.AuthNotChecked, got.AuthVerified)
	assert.Empty(t, got.ExtraData)
}

func TestUpstreamFieldsAreKept(t *testing.T) {
	e := started(t, func(c *Config) { c.TrustUpstream = true; c.Tenant.FromEvent = false })
	ev := upstreamEvent()
	ev.SchemaVersion, ev.IntegrityHash, ev.IntegritySalts, ev.IntegrityCommitments = 0, nil, nil, nil
	got := one(t, e, logsOf(ev, nil))
	assert.Equal(t, ev.ReceivedAt, got.ReceivedAt)
	assert.Equal(t, "acme", got.TenantID)
	assert.Equal(t, ev.SessionKey, got.SessionKey, "a hash is not hashed again")
	assert.Equal(t, []string{"verified", "https://id", "k1"}, []string{got.AuthVerified, got.AuthIssuer, got.AuthKeyID})
	assert.Equal(t, ev.Flags, got.Flags)
	assert.Equal(t, "extra_data,url", got.TruncatedFields)
	assert.Equal(t, "Chrome", got.Browser, "what is missing is still filled")
}

// A sealed event was finished by our own collector: whatever this one could
// add, mask or cut would look like tampering.
func TestSealedEventsStayAsSealed(t *testing.T) {
	path := cityDatabase(t)
	e := started(t, func(c *Config) {
		c.TrustUpstream = true
		c.GeoIP.Path = path
		c.Redact.Keys = []string{"color"}
		c.Limits.Message = 10
		c.ClientAddress.TrustedProxies = []string{"10.0.0.0/8"}
	})
	ev := request1()
	ev.Datetime = testNow.AddDate(-20, 0, 0).UnixNano()
	ev.ReceivedAt = ev.Datetime
	ev.RemoteIP, ev.UserAgent, ev.Message = "198.51.100.7", "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0.0.0", "longer than ten bytes"
	ev.URL, ev.QueryString = "/a?b", "color=red"
	ev.ExtraData, ev.ChangedFields = `{"color": "red"}`, `{"color":[1,2]}`
	var enc canonical.Encoder
	enc.Seal(ev, &testSalts)
	in := &activitylogs.Inputs{PeerAddress: "10.0.0.1", Headers: map[string][]string{"authorization": {"Bearer hush"}}}
	ld := logsOf(ev, in)
	got := one(t, e, ld)
	assert.Equal(t, *ev, got)
	assert.Equal(t, canonical.Verified, enc.Verify(&got))
	raw, err := (&plog.JSONMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	assert.NotContains(t, string(raw), "hush", "inputs never pass")
	assert.NotContains(t, string(raw), "10.0.0.1")
}

// Nothing can be cut from a sealed event, so one that is too large is refused.
func TestSealedEventsAreBounded(t *testing.T) {
	e := started(t, func(c *Config) { c.TrustUpstream = true })
	ev := request1()
	for room, passes := range map[int]bool{0: true, 1: false} {
		ev.Message = ""
		ev.Message = strings.Repeat("m", activity.MaxEventBytes-ev.Size()+room)
		var enc canonical.Encoder
		enc.Seal(ev, &testSalts)
		ctx, rec := receipt.NewContext(t.Context())
		_, err := e.process(ctx, logsOf(ev, nil))
		rejected, _ := rec.Processed()
		if passes {
			require.NoError(t, err)
			assert.Empty(t, rejected)
			continue
		}
		require.Error(t, err, "nothing is left to pass on")
		require.Len(t, rejected, 1)
		assert.Equal(t, ev.ID, rejected[0].ID)
		assert.Equal(t, "event_too_large", rejected[0].Code)
		assert.NotEmpty(t, rejected[0].Reason)
	}
}

func TestSealedEventsAreFiltered(t *testing.T) {
	e := started(t, func(c *Config) { c.TrustUpstream = true })
	ev := request1()
	ev.URL = "/static/a.css"
	var enc canonical.Encoder
	enc.Seal(ev, &testSalts)
	_, err := e.process(t.Context(), logsOf(ev, nil))
	require.Error(t, err)
}

func TestKeptHeaders(t *testing.T) {
	e := started(t, func(c *Config) {
		c.KeepHeaders = []string{"X-Request-Id", "accept", "Authorization", "X-Api-Key", "absent"}
	})
	ld := logsOf(request1(), &activitylogs.Inputs{Headers: map[string][]string{
		"x-request-id": {"r-1"}, "accept": {"a", "b"}, "authorization": {"Bearer hush"}, "x-api-key": {"hush"},
		"cookie": {"hush"}, "x-other": {"hush"},
	}})
	record(ld).Attributes().PutStr("http.request.header.Referer", "hush") // any case is a header
	got := one(t, e, ld)
	assert.JSONEq(t, `{"_attributes":{
		"http.request.header.accept":["a","b"], "http.request.header.authorization":"***",
		"http.request.header.x-api-key":"***", "http.request.header.x-request-id":["r-1"]}, "_request_id": "r-1"}`, got.ExtraData)
	record(ld).Attributes().Range(func(key string, v pcommon.Value) bool {
		assert.False(t, strings.HasPrefix(key, activitylogs.KeyHeaderPrefix), key)
		assert.NotContains(t, v.AsString(), "hush", key)
		return true
	})
}

func TestNoHeaderIsKeptByDefault(t *testing.T) {
	e := started(t, nil)
	got := one(t, e, logsOf(request1(), &activitylogs.Inputs{Headers: map[string][]string{"x-request": {"r-1"}}}))
	assert.Empty(t, got.ExtraData)
}

// A gateway also hears services that no agent of ours stands before.
func TestSessionOfADirectSenderIsHashed(t *testing.T) {
	e := started(t, func(c *Config) { c.TrustUpstream = true })
	ev := request1()
	ev.SessionKey = "abc123"
	assert.Equal(t, hashSession("abc123"), one(t, e, logsOf(ev, nil)).SessionKey)
}
