package auditexport

import (
	"bytes"
	"context"
	"sync/atomic"

	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// withAttempts notes in the context whether an attempt of the same request
// failed: what it may have stored all the same is no duplicate to the client.
type withAttempts struct{ exporter.Logs }

type attemptsKey struct{}

// attempts is what the retries of one request share.
type attempts struct{ failed atomic.Bool }

// ConsumeLogs implements consumer.Logs.
func (w withAttempts) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	return w.Logs.ConsumeLogs(context.WithValue(ctx, attemptsKey{}, &attempts{}), ld)
}

func noteFailure(ctx context.Context) {
	if a, ok := ctx.Value(attemptsKey{}).(*attempts); ok {
		a.failed.Store(true)
	}
}

func failedBefore(ctx context.Context) bool {
	a, ok := ctx.Value(attemptsKey{}).(*attempts)
	return ok && a.failed.Load()
}

// separateOwn parts the duplicates of a retry: those which an earlier attempt of
// this very request stored count as written. A sender's own retry has another
// seal (fresh salts), so an equal one was made by this request.
func separateOwn(ctx context.Context, store storage.Reader, events []activity.Event, duplicates []int) (own, others []int) {
	for i, index := range duplicates {
		e := &events[index]
		page, err := store.Page(ctx, activity.Tenants(e.TenantID), keyQuery(e))
		if ctx.Err() != nil {
			return own, append(others, duplicates[i:]...)
		}
		if err == nil && len(page.Events) == 1 && sameArrival(&page.Events[0], e) {
			own = append(own, index)
		} else {
			others = append(others, index)
		}
	}
	return own, others
}

// keyQuery finds the one event with the key of e: by its id alone Get would give
// a later event with the same id.
func keyQuery(e *activity.Event) activity.Query {
	return activity.Query{
		From: e.Datetime, To: e.Datetime, Limit: 1,
		Filters: []activity.Filter{{Fields: []activity.Field{activity.FieldID}, Op: activity.OpEqual, Text: []string{e.ID.String()}}},
	}
}

func sameArrival(stored, sent *activity.Event) bool {
	return stored.ReceivedAt == sent.ReceivedAt && bytes.Equal(stored.IntegritySalts, sent.IntegritySalts)
}
