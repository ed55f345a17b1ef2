package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver of the peer

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
)

// peerRows are made and sealed before the clock starts, which favours the peer.
const peerRows = 60_000

// peer is the bare loop: one connection, one prepared statement, the tables and
// indexes of the store, synchronous=FULL, batch rows a transaction.
func peer(ctx context.Context, dir string, batch int, d time.Duration) (perSecond float64, err error) {
	dsn := "file:" + filepath.Join(dir, "peer.db") +
		"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=wal_autocheckpoint(16384)&_pragma=cache_size(-131072)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	var ddl bytes.Buffer
	if err := sqldb.Print(sqldb.NewDefaultConfig(), &ddl); err != nil {
		return 0, err
	}
	if _, err := db.ExecContext(ctx, strings.ReplaceAll(ddl.String(), "{segment}", "peer")); err != nil {
		return 0, fmt.Errorf("make the peer's tables: %w", err)
	}
	rows, err := sealed(peerRows)
	if err != nil {
		return 0, err
	}
	fields := activity.Fields()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.String()
	}
	insert, err := db.PrepareContext(ctx, "INSERT INTO peer ("+strings.Join(names, ",")+
		") VALUES (?"+strings.Repeat(",?", len(names)-1)+") ON CONFLICT DO NOTHING")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	begin, n := time.Now(), 0
	for time.Since(begin) < d && n+batch <= len(rows) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return 0, err
		}
		bound := tx.StmtContext(ctx, insert) //nolint:sqlclosecheck // the transaction closes it
		for i := range batch {
			if _, err := bound.ExecContext(ctx, values(&rows[n+i], fields)...); err != nil {
				return 0, errors.Join(err, tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return 0, err
		}
		n += batch
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

func sealed(n int) ([]activity.Event, error) {
	g, err := loadgen.New(loadgen.Config{Seed: 1, Run: "peer"})
	if err != nil {
		return nil, err
	}
	events := g.Stream(0).Batch(n)
	seal(events, time.Now().UnixNano())
	return events, nil
}

func seal(events []activity.Event, now int64) {
	var enc canonical.Encoder
	var salts [32]byte
	for i := range events {
		e := &events[i]
		e.ReceivedAt, e.StoredNS = now, now+int64(i)
		salts[0], salts[16] = byte(i)|1, byte(i)|1
		enc.Seal(e, &salts)
	}
}

func values(e *activity.Event, fields []activity.Field) []any {
	out := make([]any, len(fields))
	for i, f := range fields {
		switch f.Info().Type {
		case activity.TypeText, activity.TypeJSON:
			if s := *e.Text(f); s != "" || f == activity.FieldTenantID {
				out[i] = s
			}
		case activity.TypeInt, activity.TypeTime:
			if n := *e.Int(f); n != 0 {
				out[i] = n
			}
		case activity.TypeOpt:
			if o := e.Opt(f); o.Valid {
				out[i] = o.Value
			}
		case activity.TypeBytes:
			if b := e.Bytes(f); len(b) > 0 {
				out[i] = b
			}
		case activity.TypeKind:
			out[i] = e.Kind.String()
		}
	}
	return out
}
