package scylla

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/activitylog/otelcol-activitylog/internal/storage/migration"
)

//go:embed schema/*.cql
var schemaFiles embed.FS

// keyspaceMark stands for the keyspace in a statement.
const keyspaceMark = "{keyspace}"

// migrations gives the embedded files. Their statements can be run twice: CQL
// has no transaction over them.
func migrations() ([]migration.Migration, error) { return migration.Read(schemaFiles, "schema/*.cql") }

// The tables of the schema's own life.
var versionTables = []string{
	`CREATE TABLE IF NOT EXISTS {keyspace}.schema_lock (
    name text PRIMARY KEY,
    owner bigint
)`,
	`CREATE TABLE IF NOT EXISTS {keyspace}.schema_version (
    one int,
    version int,
    compatible int,
    title text,
    PRIMARY KEY ((one), version)
) WITH CLUSTERING ORDER BY (version DESC)`,
	`CREATE TABLE IF NOT EXISTS {keyspace}.settings (
    name text PRIMARY KEY,
    value bigint
)`,
}

// settleShards keeps the number that is there: rows made with another one would
// not be found.
const settleShards = "INSERT INTO {keyspace}.settings (name, value) VALUES ('shards', %d) IF NOT EXISTS"

// noTablets of ScyllaDB: its releases up to 2025.3 have no lightweight
// transactions over tablets, and keyspaces have them by default from 6.0.
const noTablets = " AND tablets = {'enabled': false}"

// createKeyspace gives the statement for a server that has tablets or not.
func (c *Config) createKeyspace(t *target, tablets bool) string {
	where := "replication_factor"
	if t.datacenter != "" {
		where = t.datacenter
	}
	text := fmt.Sprintf("CREATE KEYSPACE IF NOT EXISTS %s WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %d}",
		t.keyspace, where, c.ReplicationFactor)
	if tablets {
		text += noTablets
	}
	return text
}

// makeKeyspace makes the keyspace when it is not there.
func (s *store) makeKeyspace(ctx context.Context) error {
	there, err := s.finds(ctx, "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?", s.target.keyspace)
	if there || err != nil {
		return err
	}
	// A table of ScyllaDB's, with a column since there are tablets.
	tablets, err := s.finds(ctx, "SELECT column_name FROM system_schema.columns WHERE keyspace_name = 'system_schema' AND "+
		"table_name = 'scylla_keyspaces' AND column_name = 'initial_tablets'")
	if err != nil {
		return err
	}
	return s.define(ctx, s.cfg.createKeyspace(s.target, tablets))
}

// finds reports whether a query of one text gives a row.
func (s *store) finds(ctx context.Context, text string, args ...any) (bool, error) {
	var name string
	err := s.session.Query(text, args...).ScanContext(ctx, &name)
	if errors.Is(err, gocql.ErrNotFound) {
		return false, nil
	}
	return err == nil, failure(ctx, err)
}

func (c *Config) shardsToSettle() int {
	if c.Shards == 0 {
		return defaultShards
	}
	return c.Shards
}

// Print writes the statements that make the schema, for review before an
// administrator runs them with cqlsh.
func Print(cfg Config, w io.Writer) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	t, err := cfg.target()
	if err != nil {
		return err
	}
	all, err := migrations()
	if err != nil {
		return err
	}
	text := &strings.Builder{}
	text.WriteString("-- ScyllaDB 6.0 and later: add" + noTablets + "\n" + cfg.createKeyspace(t, false) + ";\n\n" + strings.Join(versionTables, ";\n\n") + ";\n\n")
	for _, m := range all {
		fmt.Fprintf(text, "%s\n%s;\n\n", m.Header(), strings.Join(m.Statements, ";\n\n"))
		if m.Version == 1 {
			fmt.Fprintf(text, settleShards+";\n\n", cfg.shardsToSettle())
		}
		fmt.Fprintf(text, "INSERT INTO {keyspace}.schema_version (one, version, compatible, title) VALUES (0, %d, %d, '%s');\n\n",
			m.Version, m.Compatible, m.Title)
	}
	if _, err := io.WriteString(w, strings.ReplaceAll(text.String(), keyspaceMark, t.keyspace)); err != nil {
		return fmt.Errorf("print the schema: %w", err)
	}
	return nil
}
