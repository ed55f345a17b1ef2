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
		"scylla":  parsed("BenchmarkWrite-2 1 1 ns/op 75 %-of-bare 4 bare/s 3 events/s 2 rows/s\n"),
	}
	for i := range pairs {
		require.NoError(t, pairs[i].reported(got[pairs[i].pkg]))
	}
	text := string(markdown(got, 3, "20x"))
	assert.Contains(t, text, "| SQLite | 900 | 1000 | 0.90 | 0.60 |")
	assert.Contains(t, text, "| PostgreSQL | 8 | 10 | 0.80 |")
	assert.Contains(t, text, "| MongoDB | 90 | 100 | 0.90 |")
	assert.Contains(t, text, "| Cassandra | 3 | 4 | 0.75 |")
}

func TestATurnWithoutARateIsAnError(t *testing.T) {
	for i := range pairs {
		require.ErrorContains(t, pairs[i].reported(parsed("PASS\n")), pairs[i].name)
	}
}
