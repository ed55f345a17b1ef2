package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen/client"
	"github.com/activitylog/otelcol-activitylog/test/bench/chserver"
)

func TestReportGivesMedians(t *testing.T) {
	r := row{candidate: "ours", shape: shape{1000, 8}}
	for _, n := range []float64{30, 10, 20} {
		r.runs = append(r.runs, measurement{
			Report: client.Report{EventsPerSecond: n * 10, Acknowledged: 40, P99: n}, storedPerSecond: n, stored: 20, cpu: n / 10, peakMiB: n, bytes: n,
		})
	}
	text := string(markdown(&settings{rounds: 3, duration: time.Second}, "26.9", []row{r}))
	assert.Contains(t, text, "| ours | 1000 | 8 | 200 | 20 | 0.50 | 2.0 | 20 | 20 | 20 |")
}

func TestServerKeepsTheCredentialsOfTheDSN(t *testing.T) {
	s, err := chserver.New("http://u:p@127.0.0.1:8123/other?x=1")
	require.NoError(t, err)
	assert.Equal(t, "http://u:p@127.0.0.1:8123/bench", s.DSN("bench"))
	_, err = chserver.New("clickhouse://127.0.0.1:9000")
	require.Error(t, err)
}
