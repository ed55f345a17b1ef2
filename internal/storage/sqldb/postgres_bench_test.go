package sqldb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// BenchmarkPostgresWrite measures batches of 1000 through the store.
func BenchmarkPostgresWrite(b *testing.B) {
	st := openTest(b, postgresConfig(b)(b), Options{})
	write(b, st, benchEvents(0, benchBatch))
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		events := benchEvents((i+1)*benchBatch, benchBatch)
		b.StartTimer()
		write(b, st, events)
	}
	report(b)
}

// BenchmarkPostgresBareLoop is what BenchmarkPostgresWrite is compared with: the
// same rows into the same table, by pgx's COPY into a temporary table and an
// insert from it that leaves out what is there, in one transaction.
func BenchmarkPostgresBareLoop(b *testing.B) {
	ctx := context.Background()
	cfg := postgresConfig(b)(b)
	st := openTest(b, cfg, Options{})
	write(b, st, benchEvents(0, benchBatch)) // makes the month
	cc, err := pgx.ParseConfig(string(cfg.Postgres.DSN))
	require.NoError(b, err)
	cc.RuntimeParams["search_path"] = cfg.Postgres.Schema
	conn, err := pgx.ConnectConfig(ctx, cc)
	require.NoError(b, err)
	defer func() { require.NoError(b, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, makeStaging)
	require.NoError(b, err)
	names := make([]string, 0, len(activity.Fields()))
	for _, f := range activity.Fields() {
		names = append(names, f.String())
	}
	insert := "INSERT INTO " + postgresTable + " (" + selectList + ") SELECT " + selectList + " FROM " + stagingTable +
		" ON CONFLICT (id, datetime_ns, tenant_id) DO NOTHING"
	stored := int64(1)
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		events := benchEvents((i+1)*benchBatch, benchBatch)
		b.StartTimer()
		tx, err := conn.Begin(ctx)
		require.NoError(b, err)
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"pg_temp", "activity_staging"}, names, pgx.CopyFromSlice(len(events), func(j int) ([]any, error) {
			stored++
			row := make([]any, len(names))
			for at, a := range fullArgs(make([]driver.NamedValue, 0, len(names)), &events[j], stored) {
				row[at] = a.Value
			}
			return row, nil
		}))
		require.NoError(b, err)
		tag, err := tx.Exec(ctx, insert)
		require.NoError(b, err)
		require.EqualValues(b, benchBatch, tag.RowsAffected())
		require.NoError(b, tx.Commit(ctx))
	}
	report(b)
}

// BenchmarkPostgresPage measures pages of 100 over events of one month and of a
// hundred.
func BenchmarkPostgresPage(b *testing.B) {
	const stored, chunk = 400_000, 10_000
	for _, months := range []int64{1, 100} {
		b.Run(fmt.Sprintf("months=%d", months), func(b *testing.B) {
			cfg := postgresConfig(b)(b)
			st := openTest(b, cfg, Options{})
			span := months * 30 * 24 * int64(time.Hour)
			start := time.Now().UnixNano() - span
			for at := 0; at < stored; at += chunk {
				events := benchEvents(at, chunk)
				for i := range events {
					events[i].Datetime = start + int64(at+i)*(span/stored)
				}
				write(b, st, events)
			}
			_, err := postgresAdmin(b, cfg).ExecContext(context.Background(), "ANALYZE activity_events")
			require.NoError(b, err)
			benchPages(b, st, start+span/2)
		})
	}
}
