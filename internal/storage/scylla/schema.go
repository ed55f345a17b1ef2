package scylla

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

//go:embed schema/*.cql
var schemaFiles embed.FS

// keyspaceMark stands for the keyspace in a statement.
const keyspaceMark = "{keyspace}"

// migration is one numbered file. Its first line says which version it makes
// and the oldest version whose binary still works with the result. Statements
// can be run twice: CQL has no transaction over them.
type migration struct {
	version, compatible int
	title               string
	statements          []string
}

var migrationHeader = regexp.MustCompile(`^-- version (\d+), works with (\d+): (.+)\n`)

// migrations gives the embedded files, oldest first.
func migrations() ([]migration, error) {
	names, err := fs.Glob(schemaFiles, "schema/*.cql")
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	sort.Strings(names)
	out := make([]migration, 0, len(names))
	for i, name := range names {
		text, err := schemaFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the migration: %w", err)
		}
		m, err := parseMigration(string(text))
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		if m.version != i+1 || !strings.HasPrefix(path.Base(name), fmt.Sprintf("%04d_", m.version)) {
			return nil, fmt.Errorf("migration %s: version %d is out of order", name, m.version)
		}
		out = append(out, m)
	}
	return out, nil
}

func parseMigration(text string) (m migration, err error) {
	head := migrationHeader.FindStringSubmatch(text)
	if head == nil {
		return m, errors.New(`the first line must be "-- version N, works with M: title"`)
	}
	if m.version, err = strconv.Atoi(head[1]); err != nil {
		return m, fmt.Errorf("version: %w", err)
	}
	if m.compatible, err = strconv.Atoi(head[2]); err != nil {
		return m, fmt.Errorf("works with: %w", err)
	}
	m.title = head[3]
	for statement := range strings.SplitSeq(text[len(head[0]):], ";\n") {
		var lines []string
		for line := range strings.SplitSeq(statement, "\n") {
			if !strings.HasPrefix(line, "--") && strings.TrimSpace(line) != "" {
				lines = append(lines, line)
			}
		}
		if len(lines) > 0 {
			m.statements = append(m.statements, strings.Join(lines, "\n"))
		}
	}
	return m, nil
}

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
		fmt.Fprintf(text, "-- version %d, works with %d: %s\n%s;\n\n", m.version, m.compatible, m.title, strings.Join(m.statements, ";\n\n"))
		if m.version == 1 {
			fmt.Fprintf(text, "INSERT INTO {keyspace}.settings (name, value) VALUES ('shards', %d);\n\n", cfg.shardsToSettle())
		}
		fmt.Fprintf(text, "INSERT INTO {keyspace}.schema_version (one, version, compatible, title) VALUES (0, %d, %d, '%s');\n\n",
			m.version, m.compatible, m.title)
	}
	if _, err := io.WriteString(w, strings.ReplaceAll(text.String(), keyspaceMark, t.keyspace)); err != nil {
		return fmt.Errorf("print the schema: %w", err)
	}
	return nil
}
