package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// scanBatch bounds the events that one query of a scan gives. They are handed on
// as they come: the client holds a few blocks of them, never the answer.
const scanBatch = 50_000

// errEnough ends a query whose reader wants no more.
var errEnough = errors.New("enough")

// place is a position that also tells twins in two tenants apart.
type place struct {
	activity.Position
	tenant string
	kind   activity.Kind
}

// Scan implements storage.Reader. Nothing on the server is locked meanwhile: a
// query reads the parts that were there when it began.
func (s *store) Scan(ctx context.Context, scope activity.Scope, q activity.Query) iter.Seq2[storage.Record, error] {
	return func(yield func(storage.Record, error) bool) {
		if err := storage.CheckQuery(&q); err != nil {
			yield(storage.Record{}, err)
			return
		}
		if q.Order != activity.NewestFirst {
			q.Order = activity.OldestFirst
		}
		q.Limit, q.Offset, q.Budget, q.Backward = 0, 0, 0, false
		stopped := false
		err := s.use(ctx, func() error {
			if scope.Empty() {
				return nil
			}
			return s.newSearch(scope, &q).scan(ctx, func(r *storage.Record) bool {
				stopped = !yield(*r, nil)
				return !stopped
			})
		})
		if err == nil && !stopped {
			err = ctx.Err()
		}
		if err != nil && !stopped {
			yield(storage.Record{}, fmt.Errorf("scan: %w", err))
		}
	}
}

// scan gives every match until fn says enough.
func (x *search) scan(ctx context.Context, fn func(*storage.Record) bool) error {
	all := spanOf(&x.query)
	var from *place
	if after := x.query.After; !after.IsZero() {
		if x.descending {
			all.hi = min(all.hi, after.Datetime)
		} else {
			all.lo = max(all.lo, after.Datetime)
		}
	}
	w, err := x.store.windowsOver(ctx, x.store.config.ReadTimeout, all, x.descending)
	if err != nil {
		return err
	}
	w.growth = 1 // every window is wanted: no reason to grow
	for {
		s, ok := w.next()
		if !ok {
			return nil
		}
		for n := scanBatch; n == scanBatch; {
			var enough bool
			if n, from, enough, err = x.scanWindow(ctx, s, from, fn); err != nil || enough {
				return err
			}
		}
	}
}

// scanWindow gives the next events of a window, at most scanBatch, and where it
// stopped.
func (x *search) scanWindow(ctx context.Context, s span, from *place, fn func(*storage.Record) bool) (n int, last *place, enough bool, err error) {
	q := x.query
	q.From, q.To = 0, 0
	if from != nil && x.descending {
		s.hi = min(s.hi, from.Datetime)
	} else if from != nil {
		s.lo = max(s.lo, from.Datetime)
	}
	b := &builder{}
	b.add("SELECT ", selectList, " FROM activity_events FINAL").where(x.scope, &q)
	b.within(s)
	if !q.After.IsZero() {
		b.after(q.Order, &q.After, x.descending)
	}
	if from != nil {
		b.beyond(from, x.descending)
	}
	b.order(q.Order, x.descending).add(" LIMIT ", b.bind("UInt64", scanBatch))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := newRow()
	last = from
	err = x.store.query(ctx, unlimited, b, func(rows driver.Rows) error {
		rec, err := r.read(rows)
		if err != nil {
			return err
		}
		n++
		last = &place{Position: activity.PositionOf(q.Order, &rec.Event), tenant: rec.TenantID, kind: rec.Kind}
		if !fn(&rec) {
			enough = true
			return errEnough
		}
		return nil
	})
	if enough {
		err = nil
	}
	return n, last, enough, err
}

// beyond is after for a place.
func (b *builder) beyond(p *place, descending bool) {
	op := " > "
	if descending {
		op = " < "
	}
	b.add(" AND (datetime_ns, id, tenant_id, CAST(kind, 'Int64'))", op,
		"(", b.int(p.Datetime), ", ", b.id(p.ID), ", ", b.text(p.tenant), ", ", b.int(int64(p.kind)), ")")
}
