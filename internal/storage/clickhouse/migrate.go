package clickhouse

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/migration"
)

//go:embed schema/*.sql
var schemaFiles embed.FS

// roleFile has the least rights of who writes, keeps and reads, as the README does.
//
//go:embed schema/roles/roles.sql
var roleFile string

// migrations gives the embedded files. ClickHouse has no transactions over
// statements and no lock to take, so every statement must do no harm when it
// runs again or twice at once: IF NOT EXISTS.
func migrations() ([]migration.Migration, error) { return migration.Read(schemaFiles, "schema/*.sql") }

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
func note(m *migration.Migration) string {
	return fmt.Sprintf("INSERT INTO activity_schema (version, compatible, title) SELECT %d, %d, '%s'",
		m.Version, m.Compatible, strings.ReplaceAll(m.Title, "'", "\\'"))
}

// Migrate implements storage.Admin. With create_schema false, and for a store
// that only reads, it checks and changes nothing.
func (s *store) Migrate(ctx context.Context) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	return s.use(ctx, func() error { return s.migrate(ctx, all) })
}

func (s *store) migrate(ctx context.Context, all []migration.Migration) error {
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	have, err := s.checkVersion(ctx, len(all))
	if err != nil || have >= len(all) {
		return err
	}
	if s.writer == nil || !s.config.CreateSchema {
		return fmt.Errorf("%w: the schema of %s has version %d and this binary needs version %d: run auditctl migrate, or the statements of auditctl migrate --print",
			storage.ErrSchemaTooOld, s.config.Identity(), have, len(all))
	}
	if err := s.statement(ctx, versionTable); err != nil {
		return fmt.Errorf("make the table of the schema version: %w", err)
	}
	for i := range all[have:] {
		m := &all[have+i]
		for _, text := range append(m.Statements, note(m)) {
			if err := s.statement(ctx, text); err != nil {
				line, _, _ := strings.Cut(text, "\n")
				return fmt.Errorf("bring the schema to version %d (%s): %s: %w", m.Version, m.Title, line, err)
			}
		}
	}
	return nil
}

// oldestServer knows every setting of the table:
// min_free_disk_bytes_to_perform_insert came with it.
var oldestServer = proto.Version{Major: 24, Minor: 10}

// checkServer refuses a server that would refuse the schema with less of a reason.
func (s *store) checkServer(ctx context.Context) error {
	var text string
	b := &builder{}
	b.add("SELECT version()")
	if err := s.query(ctx, s.config.ReadTimeout, b, func(r driver.Rows) error { return r.Scan(&text) }); err != nil {
		return fmt.Errorf("read the version of the server: %w", err)
	}
	v := proto.ParseVersion(text)
	if v.Major == 0 || proto.CheckMinVersion(oldestServer, v) { // a build may have a version of its own
		return nil
	}
	return fmt.Errorf("%w: the server of %s is ClickHouse %s and the table needs %d.%d or later: upgrade the server",
		activity.ErrInvalid, s.config.Identity(), text, oldestServer.Major, oldestServer.Minor)
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
	return int(have), migration.CheckCompatible(int(have), int(compatible), mine)
}

// Print writes the statements of every migration, for review before an
// administrator lets them run, and the least rights as comments: whose they are
// is the administrator's to say.
func Print(cfg Config, w io.Writer) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s;\n\n", versionTable)
	for i := range all {
		m := &all[i]
		fmt.Fprintf(&b, "%s\n%s;\n\n%s;\n\n", m.Header(), strings.Join(m.Statements, ";\n\n"), note(m))
	}
	for line := range strings.Lines(roles(cfg)) {
		b.WriteString("-- " + strings.TrimPrefix(line, "-- "))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print the schema: %w", err)
	}
	return nil
}

// plainName needs no quotes in a statement.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// roles names the database in the statements, "audit" where it is not known.
func roles(cfg Config) string {
	database := "audit"
	if t, err := cfg.target(); err == nil && plainName.MatchString(t.database) {
		database = t.database
	}
	return strings.ReplaceAll(roleFile, "{database}", database)
}
