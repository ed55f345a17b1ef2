package mongodb

import (
	"context"
	"fmt"
	"reflect"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Erase implements storage.Eraser. Each document changes whole or not at all;
// after an error the call can be made again.
func (s *store) Erase(ctx context.Context, scope activity.Scope, e storage.Erasure) (storage.ErasureResult, error) {
	var res storage.ErasureResult
	q, err := e.Query()
	if err != nil || scope.Empty() {
		return res, err
	}
	if s.readOnly {
		return res, fmt.Errorf("erase: %w", storage.ErrReadOnly)
	}
	err = s.call(ctx, func(ctx context.Context) error {
		x, err := s.newSearch(ctx, scope, &q)
		if err != nil {
			return err
		}
		res.More, err = x.each(ctx, x.start(e.After), e.Limit, func(hits []head) error {
			erased, err := x.forget(ctx, hits, e.Group)
			res.Erased += erased
			res.Next = hits[len(hits)-1].position()
			return err
		})
		return err
	})
	if err != nil {
		return storage.ErasureResult{}, fmt.Errorf("erase: %w", err)
	}
	return res, nil
}

// forget empties the group in the documents of the hits and gives how many of
// them had something to forget. The salts are replaced only if they are still
// those that were read: an erasure of the other group at the same time must not
// bring a zeroed salt back.
func (x *search) forget(ctx context.Context, hits []head, g activity.Group) (int64, error) {
	emptied := bson.D{}
	for _, f := range activity.Fields() {
		if f.Info().Group == g {
			emptied = append(emptied, bson.E{Key: f.String(), Value: ""})
		}
	}
	salts := activity.FieldIntegritySalts.String()
	var updates []mongo.WriteModel
	for i := range hits {
		e := &hits[i].record.Event
		before := *e
		e.Erase(g)
		if reflect.DeepEqual(before, *e) {
			continue
		}
		update := bson.D{{Key: "$unset", Value: emptied}}
		if len(e.IntegritySalts) > 0 {
			update = append(update, bson.E{Key: "$set", Value: bson.D{{Key: salts, Value: binaryOrNull(e.IntegritySalts)}}})
		}
		updates = append(updates, mongo.NewUpdateOneModel().SetUpdate(update).SetFilter(bson.D{
			{Key: "_id", Value: binaryKey(hits[i].key)}, {Key: salts, Value: binaryOrNull(before.IntegritySalts)},
		}))
	}
	if len(updates) == 0 {
		return 0, nil
	}
	done, err := x.store.events.BulkWrite(ctx, updates, options.BulkWrite().SetOrdered(false))
	if err != nil {
		return 0, fmt.Errorf("empty %d documents: %w", len(updates), err)
	}
	if done.MatchedCount < int64(len(updates)) {
		return 0, fmt.Errorf("%w: %d of %d documents were changed by somebody else in the meantime; erase again",
			storage.ErrRetryable, int64(len(updates))-done.MatchedCount, len(updates))
	}
	return int64(len(updates)), nil
}

// binaryOrNull is a plain binary value; null, which an absent field equals, when
// it is empty.
func binaryOrNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return bson.Binary{Data: b}
}
