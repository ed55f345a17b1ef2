package mongodb

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

//go:embed schema/*.json
var schemaFiles embed.FS

// migration is one numbered file: commands of MongoDB that bring the schema to
// its version. Compatible is the oldest version whose binary still works with
// the result. Every command can be run again and by several collectors at a
// time, and none needs a lock: what is there already is not made again.
type migration struct {
	Version    int      `bson:"version"`
	Compatible int      `bson:"compatible"`
	Title      string   `bson:"title"`
	Commands   []bson.D `bson:"commands"`
}

// readMigrations reads every file of the schema folder, oldest first.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "schema/*.json")
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	slices.Sort(names)
	out := make([]migration, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read the migration: %w", err)
		}
		if err := bson.UnmarshalExtJSON(text, false, &out[i]); err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		if out[i].Version != i+1 {
			return nil, fmt.Errorf("migration %s: version %d is out of order", name, out[i].Version)
		}
	}
	return out, nil
}

// schemaVersion is the one document of the schema collection.
type schemaVersion struct {
	ID         string `bson:"_id"`
	Version    int    `bson:"version"`
	Compatible int    `bson:"compatible"`
	Title      string `bson:"title"`
}

// checkVersion gives the version of the schema, 0 when there is none, and
// refuses one that this binary cannot work with.
func (s *store) checkVersion(ctx context.Context, known int) (int, error) {
	var v schemaVersion
	err := s.command(ctx, bson.D{
		{Key: "find", Value: schemaCollection}, {Key: "filter", Value: bson.D{{Key: "_id", Value: eventCollection}}}, {Key: "singleBatch", Value: true},
	}, func(doc bson.Raw) error { return bson.Unmarshal(doc, &v) })
	if err != nil {
		return 0, fmt.Errorf("read the version of the schema: %w", err)
	}
	if v.Compatible > known {
		return 0, fmt.Errorf("%w: it has version %d, which works with binaries of version %d and later, and this one is of version %d: upgrade it",
			storage.ErrSchemaTooNew, v.Version, v.Compatible, known)
	}
	return v.Version, nil
}

// errOldSchema names what to do about a schema that may not be changed here.
func errOldSchema(has, needs int) error {
	return fmt.Errorf("%w: the schema has version %d and this binary needs version %d: run auditctl migrate with a user that may change it, "+
		"or write create_schema: true", activity.ErrInvalid, has, needs)
}

func (s *store) checkReadable(ctx context.Context) error {
	all, err := readMigrations(schemaFiles)
	if err != nil {
		return err
	}
	return s.call(ctx, func(ctx context.Context) error {
		version, err := s.checkVersion(ctx, len(all))
		if err == nil && version < len(all) {
			return errOldSchema(version, len(all))
		}
		return err
	})
}

func (s *store) migrate(ctx context.Context) error {
	all, err := readMigrations(schemaFiles)
	if err != nil {
		return err
	}
	return s.bringTo(ctx, all)
}

// bringTo brings the schema to the last of the migrations.
func (s *store) bringTo(ctx context.Context, all []migration) error {
	version, err := s.checkVersion(ctx, len(all))
	if err != nil {
		return err
	}
	if version < len(all) && !s.cfg.CreateSchema {
		return errOldSchema(version, len(all))
	}
	for i := version; i < len(all); i++ {
		if err := s.apply(ctx, &all[i]); err != nil {
			return fmt.Errorf("migrate to version %d (%s): %w", all[i].Version, all[i].Title, err)
		}
	}
	return s.settleTTL(ctx)
}

func (s *store) apply(ctx context.Context, m *migration) error {
	for _, cmd := range m.Commands {
		err := s.db.RunCommand(ctx, cmd).Err()
		if err != nil && !hasCode(err, codeNamespaceExists) {
			return fmt.Errorf("%s: %w", cmd[0].Key, err)
		}
	}
	_, err := s.db.Collection(schemaCollection).UpdateOne(ctx,
		bson.D{{Key: "_id", Value: eventCollection}, {Key: "version", Value: bson.D{{Key: "$lt", Value: m.Version}}}},
		bson.D{{Key: "$set", Value: versionFields(m)}}, options.UpdateOne().SetUpsert(true))
	if mongo.IsDuplicateKeyError(err) {
		return nil // another collector was here first
	}
	return err
}

func versionFields(m *migration) bson.D {
	return bson.D{{Key: "version", Value: m.Version}, {Key: "compatible", Value: m.Compatible}, {Key: "title", Value: m.Title}}
}

func hasCode(err error, code int) bool {
	var server mongo.ServerError
	return errors.As(err, &server) && server.HasErrorCode(code)
}
