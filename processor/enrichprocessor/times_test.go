package enrichprocessor

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func TestTimeBounds(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name      string
		ahead     time.Duration
		corrected bool
		skewed    bool
	}{
		{name: "now"},
		{name: "as early as can be", ahead: -30 * day},
		{name: "too early", ahead: -30*day - 1, corrected: true},
		{name: "a little ahead", ahead: 5 * time.Second},
		{name: "visibly ahead", ahead: 5*time.Second + 1, skewed: true},
		{name: "as late as can be", ahead: 5 * time.Minute, skewed: true},
		{name: "too late", ahead: 5*time.Minute + 1, corrected: true},
		{name: "a century ahead", ahead: 100 * 365 * day, corrected: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) { c.Time.MaxAge = 30 * day })
			ev := request1()
			ev.Datetime = testNow.Add(tt.ahead).UnixNano()
			got := one(t, e, logsOf(ev, nil))
			assert.Equal(t, tt.corrected, got.Flags&activity.FlagDatetimeCorrected != 0)
			assert.Equal(t, tt.skewed, got.Flags&activity.FlagClockSkew != 0)
			assert.Equal(t, testNow.UnixNano(), got.ReceivedAt)
			if !tt.corrected {
				assert.Equal(t, ev.Datetime, got.Datetime)
				assert.Empty(t, got.ExtraData)
				return
			}
			assert.Equal(t, got.ReceivedAt, got.Datetime)
			assert.JSONEq(t, `{"_datetime":"`+testNow.Add(tt.ahead).Format(time.RFC3339Nano)+`"}`, got.ExtraData)
		})
	}
}

func TestExtremeTimes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		stamp pcommon.Timestamp
		note  string
	}{
		{"the first nanosecond", 1, "1970-01-01T00:00:00.000000001Z"},
		{"the last", math.MaxInt64, "2262-04-11T23:47:16.854775807Z"},
		{"beyond the last", math.MaxInt64 + 1, "1677-09-21T00:12:43.145224192Z"},
		{"all bits", math.MaxUint64, "1969-12-31T23:59:59.999999999Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ld := otlp(1)
			record(ld).SetTimestamp(tt.stamp)
			got := eventsOf(t, started(t, nil), ld)[0]
			assert.Equal(t, testNow.UnixNano(), got.Datetime)
			assert.Equal(t, activity.FlagDatetimeCorrected, got.Flags)
			assert.Contains(t, got.ExtraData, `"_datetime":"`+tt.note+`"`)
		})
	}
}

func TestNoFuture(t *testing.T) {
	e := started(t, func(c *Config) { c.Time.MaxFuture = 0 })
	for ahead, corrected := range map[time.Duration]bool{0: false, 1: true} {
		ev := request1()
		ev.Datetime = testNow.Add(ahead).UnixNano()
		assert.Equal(t, corrected, one(t, e, logsOf(ev, nil)).Flags&activity.FlagDatetimeCorrected != 0)
	}
}

// received_at is our clock; what an SDK observed stays readable.
func TestObservedTime(t *testing.T) {
	seen := testNow.Add(-time.Hour)
	for _, tt := range []struct {
		name     string
		trust    bool
		observed time.Time
		received time.Time
		note     bool
	}{
		{"ours", false, seen, testNow, true},
		{"kept", true, seen, seen, false},
		{"kept, but there is none", true, time.Time{}, testNow, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := started(t, func(c *Config) { c.TrustUpstream = tt.trust })
			ld := otlp(1)
			lr := record(ld)
			lr.SetTimestamp(0)
			if !tt.observed.IsZero() {
				lr.SetObservedTimestamp(pcommon.NewTimestampFromTime(tt.observed))
			}
			got := eventsOf(t, e, ld)[0]
			assert.Equal(t, tt.received.UnixNano(), got.ReceivedAt)
			if tt.observed.IsZero() {
				assert.Equal(t, testNow.UnixNano(), got.Datetime)
			} else {
				assert.Equal(t, seen.UnixNano(), got.Datetime, "an event without a time happened when its SDK saw it")
			}
			if tt.note {
				assert.Contains(t, got.ExtraData, `"_observed_at_source":"2026-03-04T04:06:07Z"`)
			} else {
				assert.NotContains(t, got.ExtraData, "_observed_at_source")
			}
		})
	}
}
