package clickhouse

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// feedWindow is the first window of a feed; the next ones are growth times as
// long, until the answer is full.
const feedWindow = 10 * time.Second

// Feed implements storage.Reader. It gives what was accepted before the settle
// window: by then every insert with an earlier stored_ns has ended, stored or
// not, on every collector whose clock is within a write timeout of ours. Nothing
// can appear behind a position that was given.
func (s *store) Feed(ctx context.Context, scope activity.Scope, after activity.FeedPosition, limit int) ([]activity.Event, error) {
	if err := storage.CheckFeed(limit); err != nil {
		return nil, err
	}
	var found []storage.Record
	err := s.use(ctx, func() error {
		if scope.Empty() {
			return nil
		}
		horizon := s.now().Add(-s.config.settle()).UnixNano()
		from, err := s.feedStart(ctx, after.StoredNS)
		if err != nil {
			return err
		}
		for width := int64(feedWindow); from <= horizon && len(found) < limit; {
			to := horizon
			if width < horizon-from {
				to = from + width
			}
			more, err := s.records(ctx, s.config.ReadTimeout, feedStatement(scope, after, span{from, to}, limit-len(found)), limit)
			if err != nil {
				return err
			}
			found = append(found, more...)
			from = to + 1
			width = min(width*growth, math.MaxInt64/growth)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the feed: %w", err)
	}
	return events(found), nil
}

// feedStart is where the first window begins: a feed from the beginning of time
// begins with the first event there is.
func (s *store) feedStart(ctx context.Context, after int64) (from int64, err error) {
	if after > 0 {
		return after, nil
	}
	b := &builder{}
	b.add("SELECT min(stored_ns) FROM activity_events")
	err = s.query(ctx, s.config.ReadTimeout, b, func(r driver.Rows) error { return r.Scan(&from) })
	return from, err
}

// feedStatement reads by (stored_ns, id): keys first, then whole rows.
func feedStatement(scope activity.Scope, after activity.FeedPosition, s span, limit int) *builder {
	b := &builder{}
	within := func() {
		b.add(" AND stored_ns >= ", b.int(s.lo), " AND stored_ns <= ", b.int(s.hi))
	}
	b.add("SELECT ", selectList, " FROM activity_events FINAL WHERE (tenant_id, kind, datetime_ns, id) IN (",
		"SELECT tenant_id, kind, datetime_ns, id FROM activity_events FINAL").where(scope, &activity.Query{})
	within()
	b.add(" AND (stored_ns > ", b.int(after.StoredNS), " OR stored_ns = ", b.int(after.StoredNS), " AND id > ", b.id(after.ID), ")")
	b.add(" ORDER BY stored_ns, id LIMIT ", b.bind("UInt64", limit), ")")
	within()
	return b.add(" ORDER BY stored_ns, id")
}
