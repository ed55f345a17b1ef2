package sqldb

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// BenchmarkMySQLWrite measures batches of 1000 through the store.
func BenchmarkMySQLWrite(b *testing.B) {
	st := openTest(b, mysqlConfig(b)(b), Options{})
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

// BenchmarkMySQLBareLoop is what BenchmarkMySQLWrite is compared with: the same
// rows into the same table by database/sql and one prepared statement of 125
// rows, which names the columns that these events have, in one transaction.
func BenchmarkMySQLBareLoop(b *testing.B) {
	const rows = 125
	ctx := context.Background()
	cfg := mysqlConfig(b)(b)
	st := openTest(b, cfg, Options{})
	write(b, st, benchEvents(0, benchBatch)) // makes the month
	var names []string
	var fields []activity.Field
	for i, f := range activity.Fields() {
		if st.writer.keeper.(*mysqlKeeper).columns&(1<<i) != 0 {
			fields, names = append(fields, f), append(names, f.String())
		}
	}
	row := "(" + strings.Repeat("?, ", len(names)-1) + "?)"
	db, err := sql.Open("mysql", string(cfg.MySQL.DSN))
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	db.SetMaxOpenConns(1)
	insert, err := db.PrepareContext(ctx, "INSERT INTO "+mysqlTable+" ("+strings.Join(names, ", ")+") VALUES "+strings.Repeat(row+", ", rows-1)+row)
	require.NoError(b, err)
	defer func() { require.NoError(b, insert.Close()) }()
	stored := int64(1)
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		events := benchEvents((i+1)*benchBatch, benchBatch)
		b.StartTimer()
		_, err := db.ExecContext(ctx, "START TRANSACTION") // there is one connection
		require.NoError(b, err)
		for at := 0; at < len(events); at += rows {
			args := make([]any, 0, rows*len(fields))
			for j := range events[at : at+rows] {
				stored++
				for _, f := range fields {
					v := value(&events[at+j], f)
					if f == activity.FieldStoredNS {
						v = stored
					}
					args = append(args, v)
				}
			}
			_, err := insert.ExecContext(ctx, args...)
			require.NoError(b, err)
		}
		_, err = db.ExecContext(ctx, "COMMIT")
		require.NoError(b, err)
	}
	report(b)
}
