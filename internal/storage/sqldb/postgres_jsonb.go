package sqldb

import (
	"context"
	"fmt"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// parsedColumns are the columns with a parsed copy, made by PostgreSQL itself
// from the text.
func parsedColumns() []activity.Field {
	return []activity.Field{activity.FieldObjectJSONRepr, activity.FieldChangedFields, activity.FieldExtraData}
}

// parseFunction gives null for what PostgreSQL's jsonb does not hold, such as
// \u0000 and numbers beyond its range: a copy must not refuse an event.
const parseFunction = `CREATE OR REPLACE FUNCTION activity_jsonb(value TEXT) RETURNS JSONB
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN value::JSONB;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$`

// addParsed adds the copies when they are asked for and not there. On a table
// with events that rewrites it.
func (d *postgresDialect) addParsed(ctx context.Context, tx execer) error {
	if !d.config.JSONB {
		return nil
	}
	// To ask costs nothing; to add, also what is there, waits for everybody who
	// uses the table.
	var there int
	err := tx.QueryRowContext(ctx, "SELECT count(*) FROM pg_attribute WHERE attrelid = '"+postgresTable+"'::regclass AND attname LIKE '%\\_parsed' AND NOT attisdropped").Scan(&there)
	if err != nil || there == len(parsedColumns()) {
		return d.classify(err)
	}
	for _, s := range d.parsedStatements() {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("add the parsed columns: %w", d.classify(err))
		}
	}
	return nil
}

func (d *postgresDialect) parsedStatements() []string {
	if !d.config.JSONB {
		return nil
	}
	out := []string{parseFunction}
	for _, f := range parsedColumns() {
		out = append(out, fmt.Sprintf("ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s_parsed JSONB GENERATED ALWAYS AS (activity_jsonb(%s)) STORED",
			postgresTable, f, f))
	}
	return out
}
