package mongodb

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// ttlIndex deletes documents by the native time that is written beside
// datetime_ns while a TTL is configured.
const ttlIndex = "ttl"

func ttlCommand(ttl time.Duration) bson.D {
	return bson.D{
		{Key: "createIndexes", Value: eventCollection},
		{Key: "indexes", Value: bson.A{bson.D{
			{Key: "name", Value: ttlIndex}, {Key: "key", Value: bson.D{{Key: dateField, Value: 1}}}, {Key: "expireAfterSeconds", Value: int64(ttl / time.Second)},
		}}},
		{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}},
	}
}

// settleTTL makes the TTL index what the configuration says. One that is left
// from an earlier configuration would go on deleting events that are to stay.
func (s *store) settleTTL(ctx context.Context) error {
	has, found, err := s.currentTTL(ctx)
	want := s.cfg.TTL.Truncate(time.Second)
	if err != nil || found == (want > 0) && has == want {
		return err
	}
	if !s.cfg.CreateSchema {
		return fmt.Errorf("%w: MongoDB deletes events after %s (0s = never) and ttl says %s: run auditctl migrate with a user that may change indexes, "+
			"or write create_schema: true", activity.ErrInvalid, has, want)
	}
	if found {
		if err := s.events.Indexes().DropOne(ctx, ttlIndex); err != nil {
			return fmt.Errorf("drop the TTL index: %w", err)
		}
	}
	if want > 0 {
		if err := s.db.RunCommand(ctx, ttlCommand(want)).Err(); err != nil {
			return fmt.Errorf("make the TTL index: %w", err)
		}
	}
	return nil
}

// maxIndexes is the most that MongoDB allows a collection.
const maxIndexes = 64

func (s *store) currentTTL(ctx context.Context) (ttl time.Duration, found bool, err error) {
	cursor, err := s.events.Indexes().List(ctx, options.ListIndexes().SetBatchSize(maxIndexes))
	if err != nil {
		return 0, false, fmt.Errorf("list the indexes: %w", err)
	}
	var indexes []struct {
		Name   string `bson:"name"`
		Expire int64  `bson:"expireAfterSeconds"`
	}
	if err := cursor.All(ctx, &indexes); err != nil {
		return 0, false, fmt.Errorf("list the indexes: %w", err)
	}
	for _, index := range indexes {
		if index.Name == ttlIndex {
			return time.Duration(index.Expire) * time.Second, true, nil
		}
	}
	return 0, false, nil
}
