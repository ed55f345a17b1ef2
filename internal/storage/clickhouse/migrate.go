package clickhouse

import (
	"context"
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

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// migration is one numbered file. Its first line says which version it makes
// and the oldest version whose binary still works with the result:
//
//	-- version 2, works with 1: what it is for
//
// ClickHouse has no transactions over statements and no lock to take, so every
// statement must do no harm when it runs again or twice at once: IF NOT EXISTS.
type migration struct {
	version    int
	compatible int
	title      string
	statements []string
}

var migrationHeader = regexp.MustCompile(`^-- version (\d+), works with (\d+): (.+)\n`)

func readMigrations(files fs.FS, dir string) ([]migration, error) {
	names, err := fs.Glob(files, path.Join(dir, "*.sql"))
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	sort.Strings(names)
	out := make([]migration, 0, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read the migration: %w", err)
		}
		m, err := parseMigration(string(text))
		if err != nil || m.version != i+1 {
			return nil, fmt.Errorf("migration %s: version %d is out of order: %w", name, m.version, err)
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
	for _, s := range strings.Split(text[len(head[0]):], ";\n") {
		s = strings.TrimSpace(s)
		for strings.HasPrefix(s, "--") {
			_, s, _ = strings.Cut(s, "\n")
			s = strings.TrimSpace(s)
		}
		if s = strings.TrimSuffix(s, ";"); s != "" {
			m.statements = append(m.statements, s)
		}
	}
	return m, nil
}

const versionTable = `CREATE TABLE IF NOT EXISTS activity_schema (
    version    UInt32,
    compatible UInt32,
    title      String,
    at         DateTime DEFAULT now()
)
ENGINE = ReplacingMergeTree
ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`

// note is the statement that notes a migration, with values of our own.
func (m *migration) note() string {
	return fmt.Sprintf("INSERT INTO activity_schema (version, compatible, title) SELECT %d, %d, '%s'",
		m.version, m.compatible, strings.ReplaceAll(m.title, "'", "\\'"))
}

// Migrate implements storage.Admin. With create_schema false, and for a store
// that only reads, it checks and changes nothing.
func (s *store) Migrate(ctx context.Context) error {
	all, err := readMigrations(schemaFiles, "schema")
	if err != nil {
		return err
	}
	return s.use(ctx, func() error { return s.migrate(ctx, all) })
}

func (s *store) migrate(ctx context.Context, all []migration) error {
	have, err := s.checkVersion(ctx, len(all))
	if err != nil || have >= len(all) {
		return err
	}
	if s.writer == nil || !s.config.CreateSchema {
		return fmt.Errorf("%w: the schema of %s has version %d and this binary needs version %d: run auditctl migrate, or the statements of auditctl migrate --print",
			activity.ErrInvalid, s.config.Identity(), have, len(all))
	}
	if err := s.statement(ctx, versionTable); err != nil {
		return fmt.Errorf("make the table of the schema version: %w", err)
	}
	for i := range all[have:] {
		m := &all[have+i]
		for _, text := range append(m.statements, m.note()) {
			if err := s.statement(ctx, text); err != nil {
				line, _, _ := strings.Cut(text, "\n")
				return fmt.Errorf("bring the schema to version %d (%s): %s: %w", m.version, m.title, line, err)
			}
		}
	}
	return nil
}

func (s *store) statement(ctx context.Context, text string) error {
	b := &builder{}
	return s.exec(ctx, s.config.MutationTimeout, ch.Settings{"async_insert": 0}, b.add(text))
}

// checkVersion gives the version of the schema, 0 when there is none, and
// refuses one that this binary cannot work with.
func (s *store) checkVersion(ctx context.Context, mine int) (int, error) {
	var have, compatible uint32
	b := &builder{}
	b.add("SELECT version, compatible FROM activity_schema ORDER BY version DESC LIMIT 1")
	err := s.query(ctx, s.config.ReadTimeout, b, func(r driver.Rows) error { return r.Scan(&have, &compatible) })
	var server *serverError
	if errors.As(err, &server) && server.code == codeUnknownTable {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the schema version: %w", err)
	}
	if int(compatible) > mine {
		return int(have), fmt.Errorf("the schema has version %d, which needs a binary of version %d or later and this one has %d: install the newer binary: %w",
			have, compatible, mine, storage.ErrSchemaTooNew)
	}
	return int(have), nil
}

// Print writes the statements of every migration, for review before an
// administrator lets them run.
func Print(_ Config, w io.Writer) error {
	all, err := readMigrations(schemaFiles, "schema")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s;\n\n", versionTable); err != nil {
		return fmt.Errorf("print the schema: %w", err)
	}
	for i := range all {
		m := &all[i]
		if _, err := fmt.Fprintf(w, "-- version %d, works with %d: %s\n%s;\n\n%s;\n\n", m.version, m.compatible, m.title,
			strings.Join(m.statements, ";\n\n"), m.note()); err != nil {
			return fmt.Errorf("print the schema: %w", err)
		}
	}
	return nil
}
