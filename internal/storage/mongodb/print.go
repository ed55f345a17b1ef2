package mongodb

import (
	"bytes"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Print writes what Migrate does as a script for mongosh, for a person whose
// collectors may not change the schema.
func Print(cfg Config, w io.Writer) error {
	name := cfg.Database
	if name == "" {
		if text, err := cfg.readDSN(); err == nil {
			d, _ := parseDSN(text) // a DSN that cannot be read names no database
			name = d.database
		}
	}
	if !databaseName.MatchString(name) {
		return fmt.Errorf("%w: print the schema: name the database", activity.ErrInvalid)
	}
	all, err := readMigrations(schemaFiles)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Run it with mongosh, as a user with the role dbAdmin of the database and readWrite of %s. It can be run again.\n", schemaCollection)
	fmt.Fprintf(&b, "const store = db.getSiblingDB(%q);\nfunction run(command) {\n  try { store.runCommand(command); }\n"+
		"  catch (e) { if (e.code !== %d) { throw e; } } // there already\n}\n", name, codeNamespaceExists)
	for i := range all {
		if err := printMigration(&b, &all[i]); err != nil {
			return err
		}
	}
	if cfg.TTL > 0 {
		fmt.Fprintf(&b, "\n// ttl: %s\n", cfg.TTL)
		if err := printCommand(&b, ttlCommand(cfg.TTL)); err != nil {
			return err
		}
	}
	_, err = w.Write(b.Bytes())
	return err
}

func printMigration(b *bytes.Buffer, m *migration) error {
	fmt.Fprintf(b, "\n// version %d, works with %d: %s\n", m.Version, m.Compatible, m.Title)
	for _, cmd := range m.Commands {
		if err := printCommand(b, cmd); err != nil {
			return err
		}
	}
	return printCommand(b, bson.D{
		{Key: "update", Value: schemaCollection},
		{Key: "updates", Value: bson.A{bson.D{
			{Key: "q", Value: bson.D{{Key: "_id", Value: eventCollection}}},
			{Key: "u", Value: bson.D{{Key: "$max", Value: versionFields(m)[:2]}, {Key: "$set", Value: versionFields(m)[2:]}}},
			{Key: "upsert", Value: true},
		}}},
		{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}},
	})
}

func printCommand(b *bytes.Buffer, cmd bson.D) error {
	text, err := bson.MarshalExtJSONIndent(cmd, false, false, "", "  ")
	if err != nil {
		return fmt.Errorf("print a command: %w", err)
	}
	fmt.Fprintf(b, "run(%s);\n", text)
	return nil
}
