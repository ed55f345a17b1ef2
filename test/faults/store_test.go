package faults

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/collectorconfig"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

var totalLine = regexp.MustCompile(`total (\d+), verified (\d+)`)

// stored verifies every event of a sink's store and gives their number.
func stored(t *testing.T, config, exporter string) int {
	t.Helper()
	out, code := tool(t, "auditctl", "verify", "--config", config, "--exporter", exporter)
	require.Equal(t, 0, code, out)
	m := totalLine.FindStringSubmatch(out)
	require.NotNil(t, m, out)
	n, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	return n
}

// lettersIn counts the dead letters in a folder.
func lettersIn(t *testing.T, folder string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	require.NoError(t, err)
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		n += bytes.Count(text, []byte("\n"))
	}
	return n
}

// events gives every stored event by its idempotency key.
func events(t *testing.T, config, exporter string) map[string]*activity.Event {
	t.Helper()
	conf, err := collectorconfig.Load(t.Context(), config)
	require.NoError(t, err)
	s, err := collectorconfig.Find(conf, exporter)
	require.NoError(t, err)
	store, err := open.Store(t.Context(), s.Database, open.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	out := map[string]*activity.Event{}
	for record, err := range store.Scan(t.Context(), activity.AllTenants(), activity.Query{Order: activity.OldestFirst}) {
		require.NoError(t, err)
		key := record.ID.String() + " " + strconv.FormatInt(record.Datetime, 10)
		require.NotContains(t, out, key, "stored twice")
		out[key] = &record.Event
	}
	return out
}
