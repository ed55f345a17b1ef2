package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// changeBatch is how many documents one delete or update names.
const changeBatch = 1000

// DeleteBefore implements storage.Retainer. It deletes by key, a thousand
// documents at a time, each of them whole or not at all: one transaction around
// them all would pin MongoDB's cache. After an error the call can be made again.
// A dry run works on a store opened for reading, too.
func (s *store) DeleteBefore(ctx context.Context, scope activity.Scope, r storage.Retention) (storage.RetentionResult, error) {
	var res storage.RetentionResult
	q, err := r.Query()
	if err != nil || scope.Empty() {
		return res, err
	}
	if s.readOnly && !r.DryRun {
		return res, fmt.Errorf("delete old events: %w", storage.ErrReadOnly)
	}
	err = s.call(ctx, func(ctx context.Context) error {
		x, err := s.newSearch(ctx, scope, &q)
		if err != nil {
			return err
		}
		x.keysOnly = r.Hold == nil
		res.More, err = x.each(ctx, x.start(r.After), r.Limit, func(hits []head) error {
			gone, err := x.release(ctx, hits, &r)
			res.Deleted += gone
			res.Held += int64(len(hits)) - gone
			res.Next = hits[len(hits)-1].position()
			return err
		})
		return err
	})
	if err != nil {
		return storage.RetentionResult{}, fmt.Errorf("delete old events: %w", err)
	}
	return res, nil
}

// each gives the hits behind from, a batch at a time and at most limit of them.
// more says that there may be others.
func (x *search) each(ctx context.Context, from *place, limit int, fn func([]head) error) (more bool, err error) {
	for looked := 0; looked < limit; {
		n := min(limit-looked, changeBatch)
		hits, _, err := x.run(ctx, from, n)
		if err != nil {
			return false, err
		}
		if len(hits) > 0 {
			if err := fn(hits); err != nil {
				return false, err
			}
			from = &hits[len(hits)-1].place
			looked += len(hits)
		}
		if len(hits) < n {
			return false, nil
		}
	}
	return true, nil
}

// release deletes the hits that are not held and gives how many those are. One
// that somebody else deleted in the meantime counts.
func (x *search) release(ctx context.Context, hits []head, r *storage.Retention) (int64, error) {
	ids := bson.A{}
	for i := range hits {
		if r.Hold == nil || !r.Hold(&hits[i].record.Event) {
			ids = append(ids, binaryKey(hits[i].key))
		}
	}
	if r.DryRun || len(ids) == 0 {
		return int64(len(ids)), nil
	}
	if _, err := x.store.events.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}); err != nil {
		return 0, fmt.Errorf("delete %d documents: %w", len(ids), err)
	}
	return int64(len(ids)), nil
}
