package scylla

import (
	"embed"
	"fmt"
	"io"
	"strings"

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

func (c *Config) createKeyspace(t *target) string {
	where := "replication_factor"
	if t.datacenter != "" {
		where = t.datacenter
	}
	return fmt.Sprintf("CREATE KEYSPACE IF NOT EXISTS %s WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %d}",
		t.keyspace, where, c.ReplicationFactor)
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
	text.WriteString(cfg.createKeyspace(t) + ";\n\n" + strings.Join(versionTables, ";\n\n") + ";\n\n")
	for _, m := range all {
		fmt.Fprintf(text, "%s\n%s;\n\n", m.Header(), strings.Join(m.Statements, ";\n\n"))
		if m.Version == 1 {
			fmt.Fprintf(text, "INSERT INTO {keyspace}.settings (name, value) VALUES ('shards', %d);\n\n", cfg.shardsToSettle())
		}
		fmt.Fprintf(text, "INSERT INTO {keyspace}.schema_version (one, version, compatible, title) VALUES (0, %d, %d, '%s');\n\n",
			m.Version, m.Compatible, m.Title)
	}
	if _, err := io.WriteString(w, strings.ReplaceAll(text.String(), keyspaceMark, t.keyspace)); err != nil {
		return fmt.Errorf("print the schema: %w", err)
	}
	return nil
}
