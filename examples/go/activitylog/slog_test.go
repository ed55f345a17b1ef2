package activitylog

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOtherRecordsPass holds what is passed on to slog's own rules for handlers.
func TestOtherRecordsPass(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t)
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return s.Handler(slog.NewJSONHandler(&out, nil))
	}, func(t *testing.T) map[string]any {
		t.Helper()
		var m map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &m))
		return m
	})
	require.NoError(t, s.Flush(t.Context()))
	assert.Empty(t, c.all())
}

type secretive struct{}

func (secretive) LogValue() slog.Value { return slog.StringValue("resolved") }

func TestAuditRecords(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t)
	var out bytes.Buffer
	log := slog.New(s.Handler(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelError})))
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

	log.With("region", "eu").Warn("disk nearly full", "free", 17, slog.Group(AuditGroup, "kind", "system", "event_name", "disk", "category", "server"))
	log.Info("order exported", slog.Group(AuditGroup, "kind", "crud", "event_type", "export", "object_id", 17, "datetime", at,
		"extra_data", map[string]any{"rows": 3}))
	log.WithGroup(AuditGroup).With("kind", "login").Info("", "login_type", "login_failed", "username", "eve", "reason", errors.New("wrong password"))
	log.With(slog.Group(AuditGroup, "kind", "system")).Error("all of it", slog.Group(AuditGroup, "event_name", secretive{}), slog.Group("", "took", time.Second))
	got := c.wait(t, 4)

	assert.Equal(t, "disk nearly full", got[0]["message"])
	assert.EqualValues(t, 13, got[0]["severity_number"])
	assert.Equal(t, map[string]any{"region": "eu", "free": 17.}, got[0]["extra_data"])
	assert.Equal(t, "server", got[0]["category"])

	assert.EqualValues(t, 17, got[1]["object_id"])
	assert.Equal(t, "2026-01-02T03:04:05.000000006Z", got[1]["datetime"])
	assert.Equal(t, map[string]any{"rows": 3., "message": "order exported"}, got[1]["extra_data"])
	assert.NotContains(t, got[1], "message")
	assert.EqualValues(t, 2, got[1]["producer_seq"])

	assert.Equal(t, "login_failed", got[2]["login_type"])
	assert.Equal(t, "wrong password", got[2]["reason"])
	assert.Equal(t, "eve", got[2]["username"])

	assert.Equal(t, "resolved", got[3]["event_name"])
	assert.Equal(t, "system", got[3]["kind"])
	assert.Equal(t, map[string]any{"took": "1s"}, got[3]["extra_data"])
	assert.Empty(t, out.String(), "audit records are not passed on")

	log.Debug("no", slog.Group(AuditGroup, "kind", "system"))
	log.Error("no audit", slog.Group(AuditGroup, "note", "without a kind"), slog.Group("deeper", slog.Group(AuditGroup, "kind", "system")))
	require.NoError(t, s.Flush(t.Context()))
	assert.Len(t, c.all(), 4)
	assert.Contains(t, out.String(), "without a kind")
}
