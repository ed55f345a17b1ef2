package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := newRoot()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func event(n byte, age time.Duration, sealed bool) activity.Event {
	at := time.Now().Add(-age).UnixNano()
	e := activity.Event{ID: activity.ID{n, 6: 0x70, 8: 0x80}, Kind: activity.KindLogin, Type: "login", Datetime: at, ReceivedAt: at, UserID: "7", Message: ""}
	if sealed {
		var enc canonical.Encoder
		enc.Seal(&e, &[canonical.SaltsSize]byte{0: n, 16: n})
	}
	return e
}

// writer opens the store of a folder as a collector does.
func writer(t *testing.T, dir string) storage.Store {
	t.Helper()
	cfg := open.NewDefaultConfig()
	cfg.SQLite.Directory = dir
	store, err := openWriting(context.Background(), cfg)
	require.NoError(t, err)
	return store
}

func filled(t *testing.T, events ...activity.Event) string {
	t.Helper()
	dir := t.TempDir()
	store := writer(t, dir)
	result, err := store.Write(t.Context(), events)
	require.NoError(t, err)
	require.Equal(t, len(events), result.Written)
	require.NoError(t, store.Close())
	return dir
}

func TestVerifyNamesWhatDoesNotFit(t *testing.T) {
	good, unsealed, tampered := event(1, time.Hour, true), event(2, time.Hour, false), event(3, time.Hour, true)
	tampered.UserID = "8"
	out, err := execute(t, "verify", "--sqlite-directory", filled(t, good))
	require.NoError(t, err)
	assert.Contains(t, out, "total 1, verified 1, tampered 0, unsealed 0")

	dir := filled(t, good, unsealed, tampered)
	running := writer(t, dir) // verify works beside it
	defer func() { require.NoError(t, running.Close()) }()
	out, err = execute(t, "verify", "--sqlite-directory", dir, "--model", "LoginEvent")
	require.ErrorIs(t, err, errFindings)
	assert.Contains(t, out, "tampered login "+tampered.ID.String())
	assert.Contains(t, out, "unsealed login "+unsealed.ID.String())
	assert.Contains(t, out, "total 3, verified 1, tampered 1, unsealed 1")
	out, err = execute(t, "verify", "--sqlite-directory", dir, "--kind", "crud")
	require.NoError(t, err)
	assert.Contains(t, out, "total 0")
	_, err = execute(t, "verify", "--sqlite-directory", dir, "--kind", "dance")
	require.ErrorIs(t, err, activity.ErrInvalid)
	_, err = execute(t, "verify", "--sqlite-directory", dir, "--from", "yesterday")
	require.ErrorIs(t, err, activity.ErrInvalid)
}

func TestCleanupDeletesOnlyWhatIsOld(t *testing.T) {
	dir := filled(t, event(1, 40*24*time.Hour, true), event(2, time.Hour, true))
	out, err := execute(t, "cleanup", "--sqlite-directory", dir, "--days", "30", "--dry-run")
	require.NoError(t, err)
	assert.Contains(t, out, "would delete 1 events")
	running := writer(t, dir)
	_, err = execute(t, "cleanup", "--sqlite-directory", dir, "--days", "30")
	require.ErrorIs(t, err, storage.ErrLocked)
	require.ErrorContains(t, err, "stop the collector")
	require.NoError(t, running.Close())
	out, err = execute(t, "cleanup", "--sqlite-directory", dir, "--days", "30", "--type", "login")
	require.NoError(t, err)
	assert.Contains(t, out, "deleted 1 events")
	out, err = execute(t, "verify", "--sqlite-directory", dir)
	require.NoError(t, err)
	assert.Contains(t, out, "total 1, verified 1")
	_, err = execute(t, "cleanup", "--sqlite-directory", dir)
	require.ErrorIs(t, err, activity.ErrInvalid)
}

func TestReplayStoresWhatItCanAndKeepsConflicts(t *testing.T) {
	stored := event(1, time.Hour, true)
	conflict := stored
	conflict.Type = "logout"
	fresh, unreadable := event(2, time.Hour, true), event(3, time.Hour, true)
	dir := filled(t, stored)
	cfg := deadletter.NewDefaultConfig()
	cfg.Directory = filepath.Join(dir, "dead-letters")
	log, err := deadletter.Open(cfg, time.Now)
	require.NoError(t, err)
	require.NoError(t, log.Append([]deadletter.Entry{
		{Cause: deadletter.CauseRefused, Event: fresh},
		{Cause: deadletter.CauseConflict, Event: conflict},
		{Cause: deadletter.CauseInvalid, Event: unreadable},
	}))
	require.NoError(t, log.Close())
	_, err = execute(t, "replay", "--sqlite-directory", dir, "--dead-letters", filepath.Join(dir, "elsewhere"))
	require.ErrorIs(t, err, os.ErrNotExist, "nothing is left in the wrong place, which is no answer")
	for _, want := range []string{"stored 1, left 2", "stored 0, left 2"} {
		out, err := execute(t, "replay", "--sqlite-directory", dir)
		require.ErrorIs(t, err, errFindings)
		assert.Contains(t, out, want)
	}
	out, err := execute(t, "verify", "--sqlite-directory", dir)
	require.NoError(t, err)
	assert.Contains(t, out, "total 2, verified 2")
}

func TestConfigCheckAndSource(t *testing.T) {
	dir := filled(t, event(1, time.Hour, true))
	t.Setenv("AUDITCTL_TEST_DIRECTORY", dir)
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
exporters: {auditsql: {sqlite: {directory: "${env:AUDITCTL_TEST_DIRECTORY}"}, sending_queue: {}}}
service: {pipelines: {logs: {receivers: [otlp], processors: [enrich], exporters: [auditsql]}}}
`), 0o600))
	out, err := execute(t, "config", "check", file)
	require.ErrorIs(t, err, errFindings)
	assert.Contains(t, out, "exporters::auditsql::sending_queue")
	out, err = execute(t, "verify", "--config", file)
	require.NoError(t, err)
	assert.Contains(t, out, "total 1, verified 1")
	_, err = execute(t, "verify", "--config", file, "--exporter", "auditsql/none")
	require.ErrorContains(t, err, "no exporter auditsql/none")
	out, err = execute(t, "config", "check", filepath.Join("..", "..", "otelcol-config.yaml"))
	require.NoError(t, err, out)
}

func TestADSNNeedsAServerAndNoConfig(t *testing.T) {
	_, err := execute(t, "verify", "--dsn", "x")
	require.ErrorContains(t, err, "no server")
	_, err = execute(t, "verify", "--driver", "oracle", "--dsn", "x")
	require.ErrorContains(t, err, "the drivers are")
	_, err = execute(t, "verify", "--driver", "postgres")
	require.ErrorContains(t, err, "dsn")
	_, err = execute(t, "verify", "--config", "c.yaml", "--dsn-file", "f")
	require.ErrorContains(t, err, "none of the others can be")
	_, err = execute(t, "verify", "--driver", "postgres", "--dsn", "postgres://writer:s3cret@127.0.0.1:1/audit?sslmode=disable")
	require.ErrorContains(t, err, "postgres:127.0.0.1:1/audit")
	assert.NotContains(t, err.Error(), "s3cret")
	_, err = execute(t, "replay", "--driver", "postgres", "--dsn", "postgres://127.0.0.1:1/audit?sslmode=disable")
	require.ErrorContains(t, err, "--dead-letters")
	out, err := execute(t, "migrate", "--print", "--driver", "clickhouse", "--dsn", "https://db:8443/audit")
	require.NoError(t, err)
	assert.Contains(t, out, "CREATE TABLE")
}

func TestMigratePrintsAndVersion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	out, err := execute(t, "migrate", "--print", "--sqlite-directory", dir)
	require.NoError(t, err)
	assert.Contains(t, out, "CREATE TABLE")
	assert.NoDirExists(t, dir)
	out, err = execute(t, "version")
	require.NoError(t, err)
	assert.Contains(t, out, "auditctl")
}
