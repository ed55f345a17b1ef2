package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parsed(text string) rates {
	r := rates{}
	r.parse([]byte(text))
	return r
}

func TestTableOfWhatBenchmarksReport(t *testing.T) {
	got := map[string]rates{
		"sqldb": parsed("goos: linux\nBenchmarkWrite/stored=0-2  20  5 ns/op  900 events/s\nBenchmarkBareLoop-2 20 5 ns/op 1000 events/s\n" +
			"BenchmarkPostgresWrite-2 1 1 ns/op 7 events/s\nBenchmarkPostgresWrite-2 1 1 ns/op 9 events/s\nBenchmarkPostgresWrite-2 1 1 ns/op 8 events/s\n" +
			"BenchmarkPostgresBareLoop-2 1 1 ns/op 10 events/s\nBenchmarkMySQLWrite-2 1 1 ns/op 1 events/s\nBenchmarkMySQLBareLoop-2 1 1 ns/op 1 events/s\nPASS\n"),
		"mongodb": parsed("BenchmarkWrite-2 20 1 ns/op 90 %ofbare 100 bare/s 90 events/s\n"),
		"scylla":  parsed("BenchmarkWrite-2 1 1 ns/op 3 events/s\nBenchmarkBareLoop-2 1 1 ns/op 4 events/s\n"),
	}
	text, err := markdown(got, 3, "20x")
	require.NoError(t, err)
	assert.Contains(t, string(text), "| SQLite | 900 | 1000 | 0.90 | 0.60 |")
	assert.Contains(t, string(text), "| PostgreSQL | 8 | 10 | 0.80 |")
	assert.Contains(t, string(text), "| MongoDB | 90 | 100 | 0.90 |")

	got["scylla"] = parsed("PASS\n")
	_, err = markdown(got, 3, "20x")
	require.ErrorContains(t, err, "Cassandra")
}
