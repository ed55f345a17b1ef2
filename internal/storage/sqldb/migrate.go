package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/migration"
)

// segmentMark stands for the name of a segment in a statement.
const segmentMark = "{segment}"

// versionTables is the table of the schema's own life.
func versionTables() []string {
	return []string{`CREATE TABLE IF NOT EXISTS schema_version (
    version    INTEGER PRIMARY KEY,
    compatible INTEGER NOT NULL,
    title      TEXT NOT NULL
)`}
}

// segmentTable is the recipe of a segment: an older binary makes new segments
// with the columns a newer one added.
const segmentTable = `CREATE TABLE IF NOT EXISTS segment_ddl (
    position  INTEGER PRIMARY KEY,
    statement TEXT NOT NULL
)`

// migrate brings the schema to the last of the migrations in one transaction.
func migrate(ctx context.Context, tx *sql.Tx, d dialect, sc *schema) error {
	all, err := sc.migrations()
	if err != nil {
		return err
	}
	for _, s := range sc.versionTables {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("make the tables of the schema version: %w", d.classify(err))
		}
	}
	have, err := checkVersion(ctx, tx, d, len(all))
	if err != nil {
		return err
	}
	var segs []string
	if sc.segmented && have > 0 && have < len(all) {
		if segs, err = texts(ctx, tx, "SELECT name FROM segments ORDER BY lo_ns"); err != nil {
			return d.classify(err)
		}
	}
	for _, m := range all[min(have, len(all)):] {
		if err := apply(ctx, tx, d, &m, segs); err != nil {
			return fmt.Errorf("bring the schema to version %d (%s): %w", m.Version, m.Title, d.classify(err))
		}
	}
	if sc.finish == nil || sc.segmented && have >= len(all) {
		return nil
	}
	return sc.finish(ctx, tx, segs)
}

// errNoTable: the schema has not been made, or is in another place.
var errNoTable = errors.New("there is no such table")

// versions gives the version of the schema, 0 when there is none, and the one
// of this binary.
func versions(ctx context.Context, db execer, d dialect, sc *schema) (have, mine int, err error) {
	all, err := sc.migrations()
	if err != nil {
		return 0, 0, err
	}
	have, err = checkVersion(ctx, db, d, len(all))
	if errors.Is(err, errNoTable) {
		return 0, len(all), nil
	}
	return have, len(all), err
}

// checkSchema refuses a schema that this binary may not bring up to date.
func checkSchema(ctx context.Context, db execer, d dialect, sc *schema) error {
	have, mine, err := versions(ctx, db, d, sc)
	if err == nil && have < mine {
		return fmt.Errorf("%w: the schema has version %d, this binary needs version %d and create_schema is false: "+
			"run what auditctl migrate --print shows, or auditctl migrate, as the owner of the schema", storage.ErrSchemaTooOld, have, mine)
	}
	return err
}

// checkVersion gives the version of the schema, 0 when there is none, and
// refuses one that this binary cannot work with.
func checkVersion(ctx context.Context, db execer, d dialect, mine int) (int, error) {
	var have, compatible int
	err := db.QueryRowContext(ctx, "SELECT version, compatible FROM schema_version ORDER BY version DESC LIMIT 1").Scan(&have, &compatible)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the schema version: %w", d.classify(err))
	}
	return have, migration.CheckCompatible(have, compatible, mine)
}

// texts gives the rows of a query of one text column.
func texts(ctx context.Context, tx execer, query string) (out []string, err error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func apply(ctx context.Context, tx *sql.Tx, d dialect, m *migration.Migration, segments []string) error {
	for _, s := range m.Statements {
		if !strings.Contains(s, segmentMark) {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", firstLine(s), err)
			}
			continue
		}
		b := &builder{dialect: d}
		b.add("INSERT INTO segment_ddl (statement) VALUES (", b.arg(s), ")")
		if err := b.exec(ctx, tx); err != nil {
			return fmt.Errorf("keep the recipe of a segment: %w", err)
		}
		for _, name := range segments {
			if _, err := tx.ExecContext(ctx, strings.ReplaceAll(s, segmentMark, name)); err != nil {
				return fmt.Errorf("%s: %w", firstLine(s), err)
			}
		}
	}
	b := &builder{dialect: d}
	b.add("INSERT INTO schema_version (version, compatible, title) VALUES (", b.arg(m.Version), ", ", b.arg(m.Compatible), ", ", b.arg(m.Title), ")")
	return b.exec(ctx, tx)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// makeSegment creates a segment from the recipe in the database.
func makeSegment(ctx context.Context, tx execer, d dialect, s *segment) error {
	recipe, err := texts(ctx, tx, "SELECT statement FROM segment_ddl ORDER BY position")
	if err != nil {
		return fmt.Errorf("read the recipe of a segment: %w", err)
	}
	for _, statement := range recipe {
		if _, err := tx.ExecContext(ctx, strings.ReplaceAll(statement, segmentMark, s.name)); err != nil {
			return fmt.Errorf("make segment %s: %w", s.name, err)
		}
	}
	b := &builder{dialect: d}
	b.add("INSERT INTO segments (name, lo_ns, hi_ns) VALUES (", b.arg(s.name), ", ", b.arg(s.lo), ", ", b.arg(s.hi), ")")
	if err := b.exec(ctx, tx); err != nil {
		return fmt.Errorf("list segment %s: %w", s.name, err)
	}
	return nil
}

// Print writes the statements of every migration, for review before an
// administrator lets them run. {segment} is the name of each segment.
func Print(cfg Config, w io.Writer) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	db, err := cfg.database()
	if err != nil {
		return err
	}
	sc, err := db.dialect().schema()
	if err != nil {
		return err
	}
	all, err := sc.migrations()
	if err != nil {
		return err
	}
	for _, s := range append(slices.Clone(sc.preamble), sc.versionTables...) {
		if _, err := fmt.Fprintf(w, "%s;\n\n", s); err != nil {
			return fmt.Errorf("print the schema: %w", err)
		}
	}
	for _, m := range all {
		statements := m.Statements
		if !sc.segmented { // else the binary alone can fill in the segments
			statements = append(slices.Clone(statements), fmt.Sprintf("INSERT INTO schema_version (version, compatible, title) VALUES (%d, %d, '%s')",
				m.Version, m.Compatible, strings.ReplaceAll(m.Title, "'", "''")))
		}
		if _, err := fmt.Fprintf(w, "%s\n%s;\n\n", m.Header(), strings.Join(statements, ";\n\n")); err != nil {
			return fmt.Errorf("print the schema: %w", err)
		}
	}
	for _, s := range sc.epilogue {
		if _, err := fmt.Fprintf(w, "%s;\n\n", s); err != nil {
			return fmt.Errorf("print the schema: %w", err)
		}
	}
	return nil
}
