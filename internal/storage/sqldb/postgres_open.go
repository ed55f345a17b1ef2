package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// upkeepTimeout bounds a transaction of retention or erasure, of up to 100,000
// rows.
const upkeepTimeout = 5 * time.Minute

// postgresBatch bounds a commit: on a slow server, too, it has to be done within
// write_timeout, and a larger one is not faster.
const postgresBatch = 5000

// lockTimeout is how long retention waits for a lock while others would wait
// behind it.
const lockTimeout = 2 * time.Second

// postgresParts opens the pools and asks the server once, so that a problem is
// seen here and not with the first event.
func postgresParts(ctx context.Context, cfg *PostgresConfig, opts *Options) (p parts, err error) {
	d := &postgresDialect{config: cfg, logger: opts.Logger}
	p.dialect, p.createSchema, p.readersMax = d, cfg.CreateSchema, cfg.Readers
	p.readTimeout = cfg.StatementTimeout + statementMargin
	readOnly := map[string]string{"default_transaction_read_only": "on"}
	if p.readers, err = cfg.pool(ctx, cfg.Readers, cfg.StatementTimeout, readOnly); err != nil {
		return p, fmt.Errorf("%w: %w", activity.ErrInvalid, err)
	}
	if opts.ReadOnly {
		return p, nil
	}
	if p.writer, err = cfg.pool(ctx, 1, cfg.WriteTimeout, nil); err == nil {
		locks := map[string]string{"lock_timeout": strconv.FormatInt(lockTimeout.Milliseconds(), 10)}
		p.upkeep, err = cfg.pool(ctx, 1, cfg.StatementTimeout, locks)
	}
	if err != nil {
		return p, errors.Join(fmt.Errorf("%w: %w", activity.ErrInvalid, err), p.close())
	}
	p.keeper = &postgresKeeper{dialect: d, now: opts.Now, logger: opts.Logger}
	p.dropper = &postgresDropper{dialect: d, countTime: countTime}
	p.timeout = cfg.WriteTimeout
	p.group.MaxBatchEvents = postgresBatch
	if err := checkServer(ctx, p.writer, opts.Logger); err != nil {
		return p, errors.Join(d.classify(err), p.close())
	}
	return p, nil
}

// pool gives connections with the settings of the store. Those over whole tables
// and bitmaps are off: a page has to follow an index in its order, whatever the
// statistics of a new month say. A plan is made for the values of its statement,
// so that only the months they name are opened. Just-in-time compilation costs
// more than it gives to short statements.
func (c *PostgresConfig) pool(ctx context.Context, size int, timeout time.Duration, more map[string]string) (*sql.DB, error) {
	dsn, err := c.dsn()
	if err != nil {
		return nil, err
	}
	cc, err := c.connection(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if cc.RuntimeParams["application_name"] == "" {
		cc.RuntimeParams["application_name"] = "otelcol-activitylog"
	}
	settings := map[string]string{
		"search_path":                         c.Schema + ", pg_temp",
		"statement_timeout":                   strconv.FormatInt(timeout.Milliseconds(), 10),
		"idle_in_transaction_session_timeout": strconv.FormatInt((2 * timeout).Milliseconds(), 10),
		"enable_seqscan":                      "off",
		"enable_bitmapscan":                   "off",
		"jit":                                 "off",
		"plan_cache_mode":                     "force_custom_plan",
	}
	for k, v := range settings {
		cc.RuntimeParams[k] = v
	}
	for k, v := range more {
		cc.RuntimeParams[k] = v
	}
	if more["default_transaction_read_only"] == "" && cc.ValidateConnect == nil {
		cc.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	db := stdlib.OpenDB(*cc, stdlib.OptionBeforeConnect(c.renew))
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// renew takes the login of a connection to be made from the file of the DSN,
// where a rotated password is.
func (c *PostgresConfig) renew(ctx context.Context, cc *pgx.ConnConfig) error {
	if c.DSNFile == "" {
		return nil
	}
	dsn, err := c.dsn()
	if err != nil {
		return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
	}
	fresh, err := c.connection(ctx, dsn)
	if err != nil {
		return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
	}
	cc.User, cc.Password = fresh.User, fresh.Password
	return nil
}

// oldestPostgres is the first release with everything the schema uses.
const oldestPostgres = 130000

// checkServer refuses a server whose commits could be lost or that is too old.
func checkServer(ctx context.Context, db *sql.DB, logger *zap.Logger) error {
	var version int
	var synchronous, fsync, encoding string
	err := db.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::int, current_setting('synchronous_commit'),"+
		" current_setting('fsync'), current_setting('server_encoding')").Scan(&version, &synchronous, &fsync, &encoding)
	if err != nil {
		return fmt.Errorf("ask the server for its settings: %w", err)
	}
	switch {
	case version < oldestPostgres:
		return fmt.Errorf("%w: the server has version %d, the oldest that works is %d", activity.ErrInvalid, version, oldestPostgres)
	case synchronous == "off":
		return errSynchronous
	case encoding != "UTF8":
		return fmt.Errorf("%w: the database has encoding %s; make one with ENCODING 'UTF8'", activity.ErrInvalid, encoding)
	}
	if fsync != "on" {
		logger.Warn("The PostgreSQL server runs with fsync off: a crash of its machine can lose what was acknowledged")
	}
	return nil
}

// errSynchronous: what would be acknowledged could be lost.
var errSynchronous = fmt.Errorf("%w: synchronous_commit is off for this connection: a crash of the server would lose acknowledged events; "+
	"set it on for the user (ALTER ROLE ... SET synchronous_commit = on) or in the dsn", activity.ErrInvalid)
