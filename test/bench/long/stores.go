package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	_ "github.com/jackc/pgx/v5/stdlib" // to make the schema anew
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
	"github.com/activitylog/otelcol-activitylog/test/bench/chserver"
)

// The schema or database that is made anew for a run.
const scratch = "activitylog_bench_long"

// openStore gives an empty store of a driver: a file in dir, or the scratch
// schema of the server that the tests use.
func openStore(ctx context.Context, name, dir string) (storage.Store, error) {
	cfg := open.NewDefaultConfig()
	cfg.Driver = name
	cfg.SQLite.Directory = filepath.Join(dir, name)
	var dsn string
	var err error
	switch name {
	case "sqlite":
	case "postgres":
		cfg.Postgres.Schema = scratch
		dsn, err = freshPostgres(ctx)
	case "clickhouse":
		dsn, err = freshClickHouse(ctx)
	default:
		err = errors.New("-backends: it is one of sqlite, postgres, clickhouse")
	}
	if err != nil {
		return nil, err
	}
	if dsn != "" {
		if err := cfg.SetDSN(configopaque.String(dsn), ""); err != nil {
			return nil, err
		}
	}
	st, err := open.Store(ctx, cfg, open.Options{})
	if err != nil {
		return nil, err
	}
	if err := st.Migrate(ctx); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

func variable(name string) (string, error) {
	dsn := os.Getenv(name)
	if dsn == "" {
		return "", fmt.Errorf("%s names no server: run make bench-long", name)
	}
	return dsn, nil
}

func freshPostgres(ctx context.Context) (string, error) {
	dsn, err := variable("ACTIVITYLOG_TEST_POSTGRES_DSN")
	if err != nil {
		return "", err
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return "", errors.New("ACTIVITYLOG_TEST_POSTGRES_DSN cannot be read") // its text may hold a password
	}
	_, err = db.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+scratch+" CASCADE")
	return dsn, errors.Join(err, db.Close())
}

func freshClickHouse(ctx context.Context) (string, error) {
	dsn, err := variable("ACTIVITYLOG_TEST_CLICKHOUSE_DSN")
	if err != nil {
		return "", err
	}
	server, err := chserver.New(dsn)
	if err != nil {
		return "", err
	}
	return server.DSN(scratch), server.Fresh(ctx, scratch)
}
