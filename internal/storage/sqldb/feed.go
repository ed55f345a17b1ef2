package sqldb

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Feed implements storage.Reader. The row id is the commit order: one writer
// assigns it, ever larger, and a read transaction sees whole commits only, so
// nothing can appear behind a position that was given.
func (s *store) Feed(ctx context.Context, scope activity.Scope, after activity.FeedPosition, limit int) ([]activity.Event, error) {
	if limit < 1 || limit > activity.MaxLimit {
		return nil, invalid("a feed gives 1 to %d events, not %d", activity.MaxLimit, limit)
	}
	if scope.Empty() {
		return nil, nil
	}
	var out []activity.Event
	err := s.read(ctx, func(c *session) error {
		segs, err := s.dialect.catalogue(ctx, c)
		if err != nil {
			return err
		}
		segs = s.dialect.byStored(segs)
		var hits []hit
		slices.SortFunc(segs, func(a, b segment) int { return cmp.Compare(a.firstStored, b.firstStored) })
		for i := range segs {
			if segs[i].lastStored <= after.StoredNS {
				continue
			}
			// What this segment and the later ones hold comes after these.
			if len(hits) == limit && segs[i].firstStored > hits[limit-1].stored {
				break
			}
			more, err := s.feedKeys(ctx, c, &segs[i], scope, after, limit)
			if err != nil {
				return err
			}
			hits = append(hits, more...)
			slices.SortFunc(hits, func(a, b hit) int { return cmp.Compare(a.stored, b.stored) })
			hits = hits[:min(limit, len(hits))]
		}
		records, err := c.fetch(ctx, s.dialect, hits)
		if err != nil {
			return err
		}
		out = eventsOf(records)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the feed: %w", err)
	}
	return out, nil
}

func eventsOf(records []storage.Record) []activity.Event {
	out := make([]activity.Event, len(records))
	for i := range records {
		out[i] = records[i].Event
	}
	return out
}

func (s *store) feedKeys(ctx context.Context, c *session, seg *segment, scope activity.Scope, after activity.FeedPosition, limit int) ([]hit, error) {
	b := &builder{dialect: s.dialect}
	b.add("SELECT stored_ns, datetime_ns FROM ", s.dialect.source(seg.name, ""), " WHERE stored_ns > ", b.arg(after.StoredNS), seg.within(b))
	addScope(b, "tenant_id", scope)
	b.add(" ORDER BY stored_ns LIMIT ", b.arg(limit))
	var out []hit
	err := c.query(ctx, b, func(row []driver.Value) error {
		h := hit{segment: seg.name}
		h.stored, _ = row[0].(int64) // the row id
		h.datetime, _ = row[1].(int64)
		out = append(out, h)
		return nil
	})
	return out, err
}
