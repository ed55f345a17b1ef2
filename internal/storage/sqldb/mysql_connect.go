package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage/groupcommit"
)

// Settings of every session. Strict mode makes the server refuse what it cannot
// hold instead of cutting it. Lock waits are short: somebody waits behind this
// session.
const mysqlSession = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 5, lock_wait_timeout = 3"

// writerIdle is after how many idle seconds the server ends a session that
// writes. A collector that is cut off in the middle of a transaction holds the
// lock of every writer until then; one that is merely idle connects again.
const writerIdle = 60

// The isolation of sessions. A writer takes the lock of store_state first and
// must see what was committed until then: READ COMMITTED reads at each
// statement, while REPEATABLE READ would read as of its first one, whichever
// that comes to be. It also locks no gaps, so that retention does not hold
// inserts up. A reader wants one snapshot for all queries of a page.
const (
	mysqlWriting = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
	mysqlReading = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
)

// Bounds of a commit: on a slow server, too, it has to be done within
// write_timeout. One that is not is rolled back, and what comes again is merged
// to the same size. A larger one is not faster.
const (
	commitEvents = 2000
	commitBytes  = 8 << 20
)

// mysqlConnector opens connections with the session's settings. It reads the
// DSN each time, so that a password can be changed.
type mysqlConnector struct {
	config      *MySQLConfig
	setup       []string
	readTimeout time.Duration // of the network; 0 = contexts bound every call
}

var _ driver.Connector = (*mysqlConnector)(nil)

// Connect implements driver.Connector. The driver's own limit ends with the
// dial; a server may take the connection and then say nothing.
func (k *mysqlConnector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, k.config.ConnectTimeout)
	defer cancel()
	dsn, err := k.config.dsn()
	if err != nil {
		return nil, err
	}
	cc, err := k.config.connection(ctx, dsn)
	if err != nil {
		return nil, err
	}
	cc.ReadTimeout = k.readTimeout
	connector, err := mysql.NewConnector(cc)
	if err != nil {
		return nil, fmt.Errorf("mysql::dsn: %w", err)
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range k.setup {
		x, ok := conn.(driver.ExecerContext)
		if !ok {
			return nil, errors.Join(errors.New("the database driver takes no statements with a context"), conn.Close())
		}
		if _, err := x.ExecContext(ctx, s, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("set up a session: %w", err), conn.Close())
		}
	}
	return conn, nil
}

// Driver implements driver.Connector.
func (*mysqlConnector) Driver() driver.Driver { return mysql.MySQLDriver{} }

// limited are the settings of a session whose statements the server ends:
// MariaDB and MySQL each read their own comment and skip the other's.
func limited(d time.Duration) string {
	return fmt.Sprintf("SET SESSION /*M!100100 max_statement_time = %f */ /*!80000 max_execution_time = %d */", d.Seconds(), d.Milliseconds())
}

// mysqlParts opens what a store of MySQL is made of.
func mysqlParts(ctx context.Context, cfg *MySQLConfig, opts *Options) (p parts, err error) {
	d := &mysqlDialect{logger: opts.Logger}
	p.dialect, p.createSchema, p.readersMax = d, cfg.CreateSchema, cfg.Readers
	open := func(connections int, timeout time.Duration, setup ...string) *sql.DB {
		db := sql.OpenDB(&mysqlConnector{config: cfg, setup: append([]string{mysqlSession}, setup...), readTimeout: timeout})
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(0) // sessions keep the connections that are used again
		return db
	}
	limit, timeout := limited(cfg.StatementTimeout), cfg.StatementTimeout+statementMargin
	p.readers = open(cfg.Readers, timeout, mysqlReading, limit)
	if opts.ReadOnly {
		return p, nil
	}
	idle := fmt.Sprintf("SET SESSION wait_timeout = %d", writerIdle)
	p.writer = open(1, 0, mysqlWriting, idle)
	p.upkeep = open(1, timeout, mysqlWriting, idle, limit)
	p.timeout = cfg.WriteTimeout
	p.group = groupcommit.Settings{MaxBatchEvents: commitEvents, MaxBatchBytes: commitBytes}
	k := &mysqlKeeper{dialect: d, config: cfg, now: opts.Now, logger: opts.Logger}
	p.keeper, p.dropper = k, &mysqlDropper{dialect: d, createSchema: cfg.CreateSchema, countTime: countTime, logger: opts.Logger}
	if err := checkMySQL(ctx, p.writer, cfg, opts.Logger); err != nil {
		return p, errors.Join(d.classify(err), p.close())
	}
	return p, nil
}

// minPacket is the smallest max_allowed_packet that takes the largest event in
// one value.
const minPacket = 4 << 20

// mysqlSettings are what a server says of itself, each as text.
type mysqlSettings struct {
	mode, flush, binlog, sync, doublewrite string
	packet                                 int64
}

// checkMySQL refuses a server that may lose what it has acknowledged, or that
// cuts what it cannot hold. It does not wait for one that does not answer.
func checkMySQL(ctx context.Context, db *sql.DB, cfg *MySQLConfig, logger *zap.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	var s mysqlSettings
	row := db.QueryRowContext(ctx, "SELECT @@sql_mode, @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog, @@innodb_doublewrite, @@max_allowed_packet")
	if err := row.Scan(&s.mode, &s.flush, &s.binlog, &s.sync, &s.doublewrite, &s.packet); err != nil {
		return fmt.Errorf("ask for the settings of the server: %w", err)
	}
	if err := s.unusable(); err != nil {
		return err
	}
	lossy := s.lossy()
	if len(lossy) > 0 && !cfg.AllowNonDurable {
		return fmt.Errorf("%w: the server may lose commits that it has acknowledged: %s; change the server, or set mysql::allow_non_durable_commits: true",
			activity.ErrInvalid, strings.Join(lossy, "; "))
	}
	for _, l := range lossy {
		logger.Warn("The database may lose acknowledged events when it is killed or the power goes", zap.String("setting", l))
	}
	if off(s.doublewrite) {
		logger.Warn("innodb_doublewrite is off: a page half written when the power goes is lost, unless the storage writes pages whole")
	}
	return nil
}

func off(setting string) bool { return setting == "0" || strings.EqualFold(setting, "off") }

func (s *mysqlSettings) unusable() error {
	if !strings.Contains(s.mode, "STRICT_ALL_TABLES") {
		return fmt.Errorf("%w: sql_mode of the session is %q and must have STRICT_ALL_TABLES, to which it was set: is there a proxy that shares sessions?",
			activity.ErrInvalid, s.mode)
	}
	if s.packet < minPacket {
		return fmt.Errorf("%w: max_allowed_packet of the server is %d: set it to %d or more, an event may have a megabyte", activity.ErrInvalid, s.packet, minPacket)
	}
	return nil
}

// lossy names the settings by which a commit is not on the disk when it is
// acknowledged.
func (s *mysqlSettings) lossy() (out []string) {
	if s.flush != "1" && s.flush != "3" { // 3 is MariaDB's: as 1, and one fsync more
		out = append(out, "innodb_flush_log_at_trx_commit is "+s.flush+", want 1")
	}
	// With a binary log, recovery rolls back what the log has lost.
	if !off(s.binlog) && s.sync != "1" {
		out = append(out, "log_bin is on and sync_binlog is "+s.sync+", want 1")
	}
	return out
}
