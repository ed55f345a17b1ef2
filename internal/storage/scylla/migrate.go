package scylla

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/migration"
)

// Migrate implements storage.Admin. With create_schema off it only checks.
func (s *store) Migrate(ctx context.Context) error {
	if s.group == nil {
		return fmt.Errorf("migrate: %w", storage.ErrReadOnly)
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if s.cfg.CreateSchema {
		if err := s.migrate(ctx); err != nil {
			return fmt.Errorf("migrate the keyspace %s: %w", s.target.keyspace, err)
		}
	}
	s.learnReplicas()
	if err := s.checkVersion(ctx); err != nil {
		return err
	}
	return failure(ctx, s.settle(ctx))
}

// migrate makes what is missing, statement by statement, under a lock in the
// keyspace: two nodes that make one table at the same time give it two
// identities, and Cassandra cannot mend that. The lock lies in a table as well:
// on several nodes the first start is that of one process (see README.md).
func (s *store) migrate(ctx context.Context) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	have, _, err := s.version(ctx)
	if err == nil && have >= len(all) {
		return nil
	}
	if err != nil && !missingSchema(err) {
		return failure(ctx, err)
	}
	if err := s.makeKeyspace(ctx); err != nil {
		return err
	}
	for _, text := range versionTables {
		if err := s.define(ctx, text); err != nil {
			return err
		}
	}
	return s.locked(ctx, func() error {
		have, _, err := s.version(ctx)
		if err != nil {
			return failure(ctx, err)
		}
		for _, m := range all[min(have, len(all)):] {
			if err := s.apply(ctx, &m); err != nil {
				return fmt.Errorf("bring the schema to version %d (%s): %w", m.Version, m.Title, err)
			}
		}
		return nil
	})
}

func (s *store) apply(ctx context.Context, m *migration.Migration) error {
	for _, text := range m.Statements {
		if err := s.keepLock(ctx); err != nil {
			return err
		}
		if err := s.define(ctx, text); err != nil {
			return err
		}
	}
	if m.Version == 1 {
		err := s.session.Query(s.named(fmt.Sprintf(settleShards, s.cfg.shardsToSettle()))).ExecContext(ctx)
		if err != nil {
			return fmt.Errorf("settle the shards: %w", failure(ctx, err))
		}
	}
	err := s.session.Query(s.named("INSERT INTO {keyspace}.schema_version (one, version, compatible, title) VALUES (0, ?, ?, ?)"),
		m.Version, m.Compatible, m.Title).ExecContext(ctx)
	return failure(ctx, err)
}

// define runs a statement that changes the schema, and waits until every node
// agrees on it.
func (s *store) define(ctx context.Context, text string) error {
	if err := s.session.Query(s.named(text)).ExecContext(ctx); err != nil {
		line, _, _ := strings.Cut(s.named(text), "\n")
		return fmt.Errorf("%s: %w", line, failure(ctx, err))
	}
	return failure(ctx, s.session.AwaitSchemaAgreement(ctx))
}

func (s *store) named(text string) string {
	return strings.ReplaceAll(text, keyspaceMark, s.target.keyspace)
}

// A lock of a process that died goes by itself. It lasts for the statement that
// takes longest: nodes are given 60 s to agree on one.
const (
	lockSeconds = 120
	lockPause   = 200 * time.Millisecond
)

// locked runs fn while this process holds the lock of the schema. It waits for
// the lock as long as the context lasts, at most lockSeconds.
func (s *store) locked(ctx context.Context, fn func() error) (err error) {
	limit := time.Now().Add(lockSeconds * time.Second)
	for {
		holder := map[string]any{}
		mine, err := s.session.Query(s.named(fmt.Sprintf(
			"INSERT INTO {keyspace}.schema_lock (name, owner) VALUES ('migrate', ?) IF NOT EXISTS USING TTL %d", lockSeconds)), s.writer).
			MapScanCASContext(ctx, holder)
		if err != nil {
			return fmt.Errorf("take the lock of the schema: %w", s.lockFailure(ctx, err))
		}
		if mine || holder["owner"] == s.writer {
			break
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%w: another process migrates the schema", storage.ErrRetryable)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPause):
		}
	}
	defer func() {
		_, release := s.session.Query(s.named("DELETE FROM {keyspace}.schema_lock WHERE name = 'migrate' IF owner = ?"), s.writer).
			MapScanCASContext(ctx, map[string]any{})
		err = errors.Join(err, failure(ctx, release))
	}()
	return fn()
}

// keepLock gives the lock its whole time again, when it is still ours.
func (s *store) keepLock(ctx context.Context) error {
	mine, err := s.session.Query(s.named(fmt.Sprintf(
		"UPDATE {keyspace}.schema_lock USING TTL %d SET owner = ? WHERE name = 'migrate' IF owner = ?", lockSeconds)), s.writer, s.writer).
		MapScanCASContext(ctx, map[string]any{})
	if err == nil && !mine {
		return fmt.Errorf("%w: the lock of the schema ran out", storage.ErrRetryable)
	}
	return failure(ctx, err)
}

// tabletsOnly are what ScyllaDB says of a keyspace with tablets, over which it
// has no lightweight transactions.
var tabletsOnly = []string{"Cannot use LightWeight Transactions", "LWT is not yet supported with tablets"}

// lockFailure gives an error of taking the lock. A keyspace that has no lock is
// one that somebody must make anew.
func (s *store) lockFailure(ctx context.Context, err error) error {
	var request gocql.RequestError
	if errors.As(err, &request) && slices.ContainsFunc(tabletsOnly, func(text string) bool { return strings.Contains(request.Message(), text) }) {
		return fmt.Errorf("%w: the keyspace %s has tablets, over which this release of ScyllaDB has no lightweight transactions: drop it while there are "+
			"no events in it, and make it again with%s, which create_schema does: %w", activity.ErrInvalid, s.target.keyspace, noTablets, err)
	}
	return failure(ctx, err)
}

// version gives the version of the schema, 0 when there is none in its table.
func (s *store) version(ctx context.Context) (have, compatible int, err error) {
	err = s.session.Query(s.cql.version+" LIMIT 1").ScanContext(ctx, &have, &compatible)
	if errors.Is(err, gocql.ErrNotFound) {
		return 0, 0, nil
	}
	return have, compatible, err
}

// missingSchema reports whether the keyspace or a table is not there.
func missingSchema(err error) bool {
	var request gocql.RequestError
	return errors.As(err, &request) && request.Code() == gocql.ErrCodeInvalid
}

// checkVersion refuses a schema that this binary cannot work with.
func (s *store) checkVersion(ctx context.Context) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	have, compatible, err := s.version(ctx)
	if err != nil && !missingSchema(err) {
		return fmt.Errorf("read the schema version: %w", failure(ctx, err))
	}
	if err := migration.CheckCompatible(have, compatible, len(all)); err != nil {
		return err
	}
	if have < len(all) {
		return fmt.Errorf("%w: the keyspace %s has schema version %d and this binary needs %d: run what auditctl migrate --print shows, or auditctl migrate, "+
			"as a role that may create tables", storage.ErrSchemaTooOld, s.target.keyspace, have, len(all))
	}
	return nil
}

// settle reads, once, over how many partitions the keyspace spreads an hour.
func (s *store) settle(ctx context.Context) error {
	s.settled.Lock()
	defer s.settled.Unlock()
	if s.shards > 0 {
		return nil
	}
	var n int64
	if err := s.session.Query(s.cql.settings, "shards").ScanContext(ctx, &n); err != nil {
		return fmt.Errorf("read the settings of the store (has it been migrated?): %w", err)
	}
	if n < 1 || n > maxShards {
		return fmt.Errorf("%w: the settings of the store say %d shards", activity.ErrInvalid, n)
	}
	if s.cfg.Shards != 0 && int64(s.cfg.Shards) != n {
		return fmt.Errorf("%w: shards: the keyspace %s was made with %d and keeps them; write shards: %d, or remove the key",
			activity.ErrInvalid, s.target.keyspace, n, n)
	}
	s.shards = int(n)
	return nil
}
