package main

import (
	"context"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen/client"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

func TestPeerWritesToTheStoresTables(t *testing.T) {
	for _, batch := range []int{1, 100} {
		rate, err := peer(t.Context(), t.TempDir(), batch, 300*time.Millisecond)
		require.NoError(t, err)
		assert.Greater(t, rate, 1.0)
	}
}

func TestPreloadStoresEveryEvent(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, preload(t.Context(), dir, 1234))
	cfg := open.NewDefaultConfig()
	cfg.SQLite.Directory = dir
	st, err := open.Store(context.Background(), cfg, open.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	n, err := st.Count(t.Context(), activity.AllTenants(), activity.Query{}, 10_000)
	require.NoError(t, err)
	assert.Equal(t, activity.Count{N: 1234, Exact: true}, n)
}

func TestSamplesBelongToTheInnermostComponent(t *testing.T) {
	sample := func(functions ...string) *profile.Sample {
		s := &profile.Sample{}
		for _, name := range functions {
			s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}})
		}
		return s
	}
	const module = "github.com/activitylog/otelcol-activitylog"
	receiver := module + "/receiver/activitylogreceiver.(*handler).ServeHTTP"
	assert.Equal(t, "enrich", partOf(sample("runtime.mallocgc", module+"/processor/enrichprocessor.run", receiver)))
	assert.Equal(t, "exporter", partOf(sample("modernc.org/sqlite.exec", module+"/internal/storage/sqldb.(*writer).commit")))
	assert.Equal(t, "receiver", partOf(sample("encoding/json.Unmarshal", receiver)))
	assert.Equal(t, "net/http, runtime and the rest", partOf(sample("runtime.gcBgMarkWorker")))
}

func TestReportGivesMediansAndRatios(t *testing.T) {
	row := ingestRow{shape: shapes[0], peer: []float64{10, 20, 10}}
	for _, rate := range []float64{100, 300, 50} {
		row.ours = append(row.ours, ingest{Report: client.Report{EventsPerSecond: rate, Acknowledged: 1}})
	}
	r := report{settings: &settings{rows: 5, rounds: 3}, empty: []ingestRow{row}, full: []ingestRow{{shape: shapes[0], ours: row.ours[2:]}}}
	text := string(r.markdown())
	assert.Contains(t, text, "| batch 1, 64 clients | 100 | 10 | 10.00 (5.00) |")
	assert.Contains(t, text, "| batch 1, 64 clients | 50 | 0.50 |")
}
