package clickhouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Get implements storage.Reader.
func (s *store) Get(ctx context.Context, scope activity.Scope, id activity.ID) (activity.Event, error) {
	var found []storage.Record
	err := s.use(ctx, func() (err error) {
		if scope.Empty() {
			return activity.ErrNotFound
		}
		b := &builder{}
		b.add("SELECT ", selectList, " FROM activity_events FINAL").where(scope, &activity.Query{})
		b.add(" AND id = ", b.id(id), " ORDER BY datetime_ns DESC, tenant_id, kind LIMIT 1")
		found, err = s.records(ctx, s.config.ReadTimeout, b, 1)
		if err == nil && len(found) == 0 {
			return activity.ErrNotFound
		}
		return err
	})
	if err != nil {
		return activity.Event{}, fmt.Errorf("get event %s: %w", id, err)
	}
	return found[0].Event, nil
}

// records gives the rows of a query of selectList.
func (s *store) records(ctx context.Context, limit time.Duration, b *builder, capacity int) ([]storage.Record, error) {
	out := make([]storage.Record, 0, capacity)
	r := newRow()
	err := s.query(ctx, limit, b, func(rows driver.Rows) error {
		rec, err := r.read(rows)
		out = append(out, rec)
		return err
	})
	return out, err
}

// Page implements storage.Reader.
func (s *store) Page(ctx context.Context, scope activity.Scope, q activity.Query) (activity.Page, error) {
	if err := storage.CheckPage(&q); err != nil {
		return activity.Page{}, err
	}
	page := activity.Page{Complete: true}
	err := s.use(ctx, func() error {
		if scope.Empty() {
			return nil
		}
		records, stop, err := s.newSearch(scope, &q).page(ctx, q.Limit+1)
		if err != nil {
			return err
		}
		more := len(records) > q.Limit
		page = storage.MakePage(&q, events(records[:min(q.Limit, len(records))]), more, stop)
		return nil
	})
	if err != nil {
		return activity.Page{}, fmt.Errorf("read a page: %w", err)
	}
	return page, nil
}

func events(records []storage.Record) []activity.Event {
	out := make([]activity.Event, len(records))
	for i := range records {
		out[i] = records[i].Event
	}
	return out
}
