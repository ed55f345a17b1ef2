package scylla

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Bounds of a search.
const (
	// maxTested bounds the events on which one page tests conditions that no key
	// answers. The page says then where to go on.
	maxTested = 20_000
	// fetchAhead is how many events a search through lookups reads together.
	fetchAhead = 64
	// maxDrivingValues bounds the values of a lookup in one query.
	maxDrivingValues = 20
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{activity.ErrInvalid}, args...)...)
}

// supported refuses what CQL cannot answer from a key.
func supported(q *activity.Query) error {
	if q.Order.ByResponseTime() {
		return fmt.Errorf("%w: no table is ordered by response time; order by datetime", activity.ErrUnsupported)
	}
	for i := range q.Filters {
		if q.Filters[i].Op == activity.OpContains {
			return fmt.Errorf("%w: %s contains: there is no substring search; ask for whole values, or narrow by user, address, object, kind and time", activity.ErrUnsupported, q.Filters[i].Fields[0])
		}
	}
	return nil
}

// search finds the events of a query.
type search struct {
	store  *store
	query  *activity.Query
	walk   *walk    // nil when the events are found by id
	byID   []*entry // in the order of the search
	tested int
	limit  int // of tested; 0 = none
	last   *entry
	ahead  []*entry // read, not yet tested
}

// newSearch plans a query: by id, by a looked-up field, or by time.
func (s *store) newSearch(ctx context.Context, scope activity.Scope, q *activity.Query) (*search, error) {
	x := &search{store: s, query: q}
	descending := q.Order.Ascending() == q.Backward
	if ids, ok := drivingValues(q, activity.FieldID, activity.MaxIn); ok {
		if err := x.findIDs(ctx, scope, ids, descending); err != nil {
			return nil, err
		}
		return x, nil
	}
	x.walk = &walk{store: s, descending: descending, span: spanOf(q, descending), page: max(q.Limit, 100), entries: &entries{store: s}}
	if q.Budget > 0 {
		x.walk.deadline = time.Now().Add(q.Budget)
	}
	if err := x.plan(ctx, scope); err != nil {
		return nil, err
	}
	return x, x.walk.open(ctx)
}

// plan gives the walk its sources.
func (x *search) plan(ctx context.Context, scope activity.Scope) error {
	pairs, err := x.store.tenantsAndKinds(ctx, scope, x.query.Kinds)
	if err != nil {
		return err
	}
	for _, f := range lookedUp {
		values, ok := drivingValues(x.query, f, maxDrivingValues)
		if !ok {
			continue
		}
		x.walk.entries.lookups = true
		tenants := map[string]bool{}
		for _, p := range pairs {
			if tenants[p.tenant] {
				continue
			}
			tenants[p.tenant] = true
			for _, v := range values {
				x.walk.sources = append(x.walk.sources, &source{tenant: p.tenant, name: f.String(), value: digest(f, v)})
			}
		}
		return nil
	}
	for _, p := range pairs {
		x.walk.sources = append(x.walk.sources, &source{tenant: p.tenant, name: p.kind})
	}
	return nil
}

// drivingValues gives the values that a filter names for a field alone.
func drivingValues(q *activity.Query, field activity.Field, most int) (values []string, ok bool) {
	for i := range q.Filters {
		f := &q.Filters[i]
		if len(f.Fields) != 1 || f.Fields[0] != field || f.Op != activity.OpEqual && f.Op != activity.OpIn {
			continue
		}
		values = slices.Clone(f.Text)
		slices.Sort(values)
		values = slices.Compact(values)
		if len(values) <= most && values[0] != "" { // "" asks for events without a value
			return values, true
		}
	}
	return nil, false
}

type pair struct{ tenant, kind string }

// tenantsAndKinds gives those in the scope that may have events.
func (s *store) tenantsAndKinds(ctx context.Context, scope activity.Scope, kinds []activity.Kind) (out []pair, err error) {
	if !scope.All() {
		for _, t := range scope.List() {
			for _, k := range activity.Kinds() {
				if wantsKind(kinds, k.String()) {
					out = append(out, pair{t, k.String()})
				}
			}
		}
		return out, nil
	}
	iter := s.session.Query(s.cql.tenants).PageSize(bucketPage).IterContext(ctx)
	for p := (pair{}); iter.Scan(&p.tenant, &p.kind); {
		if !wantsKind(kinds, p.kind) {
			continue
		}
		if out = append(out, p); len(out) > maxSources {
			break // walk.open refuses it
		}
	}
	return out, iter.Close()
}

func wantsKind(kinds []activity.Kind, kind string) bool {
	return len(kinds) == 0 || slices.ContainsFunc(kinds, func(k activity.Kind) bool { return k.String() == kind })
}

// maxOfID bounds the events of one id that are looked at.
const maxOfID = 10_000

// findIDs finds the keys of the events with the ids. Few events share an id, so
// they are sorted here.
func (x *search) findIDs(ctx context.Context, scope activity.Scope, texts []string, descending bool) error {
	sp := spanOf(x.query, descending)
	for _, text := range texts {
		id, err := activity.ParseID(text)
		if err != nil {
			continue // no event has it
		}
		found, err := x.store.keysOf(ctx, scope, id)
		if err != nil {
			return err
		}
		x.byID = append(x.byID, found...)
	}
	x.byID = slices.DeleteFunc(x.byID, func(e *entry) bool {
		at := spot{datetime: e.datetime, id: string(e.id)}
		return at.compare(sp.low) < 0 || at.compare(sp.high) >= 0 || !wantsKind(x.query.Kinds, e.kind)
	})
	slices.SortFunc(x.byID, func(a, b *entry) int {
		if descending {
			return b.compare(a)
		}
		return a.compare(b)
	})
	return nil
}

// keysOf gives the keys of the events with an id, newest first.
func (s *store) keysOf(ctx context.Context, scope activity.Scope, id activity.ID) (out []*entry, err error) {
	iter := s.session.Query(s.cql.ids, id[:]).PageSize(bucketPage).IterContext(ctx)
	for n := 0; ; n++ {
		e := &entry{id: id[:]}
		if !iter.Scan(&e.datetime, &e.tenant, &e.kind) {
			return out, iter.Close()
		}
		if n == maxOfID {
			return nil, invalid("more than %d events have the id %s", maxOfID, id)
		}
		if scope.Matches(e.tenant) {
			out = append(out, e)
		}
	}
}

// next gives the next event that matches. It is nil at the end, and with stop
// where the search ended before it: everything up to there has been searched.
func (x *search) next(ctx context.Context) (found *entry, stop *activity.Position, err error) {
	for {
		e, err := x.nextEntry(ctx)
		if err != nil {
			return nil, nil, err
		}
		if e == nil {
			if x.walk != nil {
				stop = x.walk.stop
			}
			return nil, stop, nil
		}
		if x.tested++; e.record != nil && matches(x.query.Filters, &e.record.Event) {
			return e, nil, nil
		}
		if x.exhausted() {
			at := e.position()
			return nil, &at, nil
		}
	}
}

// exhausted reports whether a page may not test more events.
func (x *search) exhausted() bool {
	return x.limit > 0 && x.tested >= x.limit || x.walk != nil && x.walk.spent()
}

// nextEntry gives the next event, or the key of one that is gone, each once.
func (x *search) nextEntry(ctx context.Context) (*entry, error) {
	for {
		if len(x.ahead) == 0 {
			if err := x.lookAhead(ctx); err != nil || len(x.ahead) == 0 {
				return nil, err
			}
		}
		e := x.ahead[0]
		x.ahead = x.ahead[1:]
		// An event can be in the lookups of two values, of two acceptances.
		if x.last == nil || !x.last.sameKey(e) {
			x.last = e
			return e, nil
		}
	}
}

func (x *search) lookAhead(ctx context.Context) error {
	if x.walk == nil {
		n := min(len(x.byID), fetchAhead)
		x.ahead, x.byID = x.byID[:n], x.byID[n:]
		return x.store.fetch(ctx, x.ahead)
	}
	most := 1
	if x.walk.entries.lookups {
		most = fetchAhead
	}
	x.ahead = make([]*entry, 0, most)
	for len(x.ahead) < most {
		e, err := x.walk.next(ctx)
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		x.ahead = append(x.ahead, e)
	}
	if !x.walk.entries.lookups {
		return nil
	}
	// One of another kind is not read; it counts as an event that does not match.
	wanted := slices.DeleteFunc(slices.Clone(x.ahead), func(e *entry) bool { return !wantsKind(x.query.Kinds, e.kind) })
	return x.store.fetch(ctx, wanted)
}
