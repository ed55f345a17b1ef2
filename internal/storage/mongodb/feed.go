package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Feed implements storage.Reader. A writer gives stored_ns before it inserts,
// and gives up an insert after its write timeout, on the server too: what is
// older than twice that time can no longer appear. The clocks of collectors and
// readers may differ by the write timeout.
func (s *store) Feed(ctx context.Context, scope activity.Scope, after activity.FeedPosition, limit int) ([]activity.Event, error) {
	if err := storage.CheckFeed(limit); err != nil {
		return nil, err
	}
	if scope.Empty() {
		return nil, nil
	}
	settled := s.now().Add(-2 * s.cfg.WriteTimeout).UnixNano()
	stored := activity.FieldStoredNS.String()
	filter := bson.D{
		{Key: stored, Value: bson.D{{Key: "$gte", Value: after.StoredNS}, {Key: "$lte", Value: settled}}},
		// Two writers can give one time. The condition above is what bounds the index.
		{Key: "$or", Value: bson.A{
			bson.D{{Key: stored, Value: bson.D{{Key: "$gt", Value: after.StoredNS}}}},
			bson.D{{Key: "id", Value: bson.D{{Key: "$gt", Value: bson.Binary{Subtype: subtypeUUID, Data: after.ID[:]}}}}},
		}},
	}
	if !scope.All() {
		filter = append(filter, oneOf("tenant_id", scope.List()))
	}
	var out []activity.Event
	err := s.call(ctx, func(ctx context.Context) error {
		return s.command(ctx, bson.D{
			{Key: "find", Value: eventCollection},
			{Key: "filter", Value: filter},
			{Key: "hint", Value: storedIndex},
			{Key: "sort", Value: bson.D{{Key: stored, Value: 1}, {Key: "id", Value: 1}}},
			{Key: "limit", Value: int64(limit)},
			{Key: "batchSize", Value: int64(limit) + 1},
			{Key: "allowDiskUse", Value: false},
		}, func(doc bson.Raw) error {
			var r storage.Record
			_, err := readDocument(doc, &r)
			out = append(out, r.Event)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the feed: %w", err)
	}
	return out, nil
}
