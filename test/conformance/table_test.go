package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const sqldbPackage = "example.com/x/internal/storage/sqldb"

// lines is what go test -json says, shortened.
func lines(p string, actions ...string) string {
	var b strings.Builder
	for _, a := range actions {
		action, rest, _ := strings.Cut(a, " ")
		test, output, _ := strings.Cut(rest, " ")
		b.WriteString(`{"Action":"` + action + `","Package":"` + p + `","Test":"` + test + `","Output":"` + output + `\n"}` + "\n")
	}
	return b.String()
}

func TestTableCountsCasesByBackend(t *testing.T) {
	tab := newTable(backends(), false)
	var out bytes.Buffer
	input := lines(sqldbPackage,
		"run TestConformance", "run TestConformance/write", "run TestConformance/write/one", "pass TestConformance/write/one",
		"pass TestConformance/write", "pass TestConformance",
		"run TestConformancePostgres", "run TestConformancePostgres/write/one", "output TestConformancePostgres/write/one broken",
		"fail TestConformancePostgres/write/one", "fail TestConformancePostgres",
		"run TestConformanceMySQL", "output TestConformanceMySQL     store_test.go:12: set ACTIVITYLOG_TEST_MYSQL_DSN", "skip TestConformanceMySQL",
		"run TestClassifyMySQL", "pass TestClassifyMySQL", "run TestBackup", "pass TestBackup") +
		lines("example.com/x/internal/storage/clickhouse", "run TestConformance/a", "pass TestConformance/a", "pass TestConformance")
	require.NoError(t, tab.read(strings.NewReader(input), &out))
	assert.Equal(t, counts{ran: 1, passed: 1}, tab.rows["sqlite"].suite)
	assert.Equal(t, counts{ran: 1, passed: 1}, tab.rows["sqlite"].other)
	assert.Equal(t, counts{ran: 1, failed: 1}, tab.rows["postgres"].suite)
	assert.Equal(t, counts{skipped: 1}, tab.rows["mysql"].suite)
	assert.Equal(t, counts{ran: 1, passed: 1}, tab.rows["mysql"].other)
	assert.Equal(t, counts{ran: 1, passed: 1}, tab.rows["clickhouse"].suite)
	assert.Equal(t, map[string]int{"set ACTIVITYLOG_TEST_MYSQL_DSN": 1}, tab.rows["mysql"].reasons)
	assert.Contains(t, out.String(), "broken", "what a failed case said is shown")

	out.Reset()
	require.NoError(t, tab.print(&out))
	assert.Contains(t, out.String(), "mysql: 1 skipped: set ACTIVITYLOG_TEST_MYSQL_DSN")
}

func TestABackendWithoutCasesFailsTheRun(t *testing.T) {
	chosen, err := choose("sqlite,mongodb")
	require.NoError(t, err)
	tab := newTable(chosen, false)
	require.NoError(t, tab.read(strings.NewReader(lines(sqldbPackage, "run TestConformance/a", "pass TestConformance/a")), &bytes.Buffer{}))
	require.EqualError(t, tab.err(), "mongodb ran no conformance case")
	_, err = choose("oracle")
	require.Error(t, err)
}

func TestTheBinaryIsRequiredWhereItIsAskedFor(t *testing.T) {
	chosen, err := choose("sqlite,postgres")
	require.NoError(t, err)
	tab := newTable(chosen, true)
	input := lines(sqldbPackage, "pass TestConformance/a", "pass TestConformancePostgres/a") +
		lines("example.com/x/test/e2e", "run TestBackends/sqlite/fields/a", "pass TestBackends/sqlite/fields/a", "pass TestBackends/sqlite/fields",
			"pass TestBackends/sqlite", "run TestBackends/postgres", "output TestBackends/postgres     backend_test.go:1: set X", "skip TestBackends/postgres")
	require.NoError(t, tab.read(strings.NewReader(input), &bytes.Buffer{}))
	assert.Equal(t, counts{ran: 1, passed: 1}, tab.rows["sqlite"].binary)
	assert.Equal(t, map[string]int{"set X": 1}, tab.rows["postgres"].reasons)
	require.EqualError(t, tab.err(), "postgres ran no case through the built binary")
	assert.Equal(t, []string{"-timeout=30m", "-run=^TestBackends$/^(sqlite|postgres)$", "./test/e2e"}, binaryTests(chosen))
	assert.Equal(t, []string{"-p=2", "-race", "./internal/storage/sqldb/..."}, driverTests(chosen, []string{"-race"}))
}

func TestABrokenOutputIsAnError(t *testing.T) {
	require.Error(t, newTable(backends(), false).read(strings.NewReader("FAIL"), &bytes.Buffer{}))
}
