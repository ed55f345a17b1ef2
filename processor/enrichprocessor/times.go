package enrichprocessor

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// visibleSkew is how far ahead of ours a clock is before it is flagged.
const visibleSkew = 5 * time.Second

// times sets received_at to our clock and brings datetime into range. A record
// without a time takes the one in its id, else the time at which its SDK saw
// it, else ours.
func (e *enricher) times(r *request, in *intake, inID int64) {
	ev := &in.event
	observed := ev.ReceivedAt
	if !e.cfg.TrustUpstream || observed <= 0 {
		ev.ReceivedAt = r.nowNS
		if observed != 0 {
			in.note("_observed_at_source", quotedTime(observed))
		}
	}
	switch {
	case ev.Datetime != 0:
	case inID > 0:
		ev.Datetime = inID
	case observed > 0:
		ev.Datetime = observed
	default:
		ev.Datetime = ev.ReceivedAt
	}
	ahead := ev.Datetime - ev.ReceivedAt
	if ev.Datetime < 0 || ahead > int64(e.cfg.Time.MaxFuture) || -ahead > int64(e.cfg.Time.MaxAge) {
		in.note("_datetime", quotedTime(ev.Datetime))
		ev.Datetime = ev.ReceivedAt
		ev.Flags |= activity.FlagDatetimeCorrected
		e.metrics.EnrichDatetimeCorrected.Add(r.ctx, 1)
		return
	}
	if ahead > int64(visibleSkew) {
		ev.Flags |= activity.FlagClockSkew
	}
}

func quotedTime(ns int64) string {
	return `"` + pcommon.Timestamp(ns).AsTime().Format(time.RFC3339Nano) + `"` //nolint:gosec // the same 64 bits
}
