package migration

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func folder(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out["schema/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func TestReadGivesTheStatementsOldestFirst(t *testing.T) {
	all, err := Read(folder(map[string]string{
		"0002_more.sql":   "-- version 2, works with 1: a mood\nALTER TABLE t ADD mood TEXT;\n",
		"0001_tables.sql": "-- version 1, works with 1: it's a table\n--\n-- why it is so\n\nCREATE TABLE t (\n  -- inside\n  a INT\n);\n\n-- the end\nSELECT 1",
		"README.md":       "not a migration",
	}), "schema/*.sql")
	require.NoError(t, err)
	require.Equal(t, []Migration{
		{Version: 1, Compatible: 1, Title: "it's a table", Statements: []string{"CREATE TABLE t (\n  -- inside\n  a INT\n)", "SELECT 1"}},
		{Version: 2, Compatible: 1, Title: "a mood", Statements: []string{"ALTER TABLE t ADD mood TEXT"}},
	}, all)
	require.Equal(t, "-- version 2, works with 1: a mood", all[1].Header())
}

func TestStatementsKeepTheBodyOfAFunctionWhole(t *testing.T) {
	body := "CREATE FUNCTION f() AS $$\nBEGIN\n  PERFORM 1;\n  RETURN 2;\nEND;\n$$ LANGUAGE plpgsql"
	require.Equal(t, []string{"SELECT 1", body, "SELECT 2"}, Statements("SELECT 1;\n\n"+body+";\n\n-- only a comment;\nSELECT 2;\n"))
	require.Empty(t, Statements("\n-- nothing\n"))
}

func TestReadRefusesWhatIsOutOfOrderOrSaysNoVersion(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"the first line must be":    {"0001_a.sql": "SELECT 1"},
		"version 2 is out of order": {"0002_b.sql": "-- version 2, works with 1: no first\n"},
		"version 1 is out of order": {"0002_b.sql": "-- version 1, works with 1: another name\n"},
		"value out of range":        {"0001_a.sql": "-- version 99999999999999999999, works with 1: many\n"},
	} {
		_, err := Read(folder(files), "schema/*.sql")
		require.ErrorContains(t, err, want)
	}
	_, err := Read(folder(nil), "[")
	require.Error(t, err)
}

func TestCheckCompatible(t *testing.T) {
	require.NoError(t, CheckCompatible(0, 0, 1), "no schema yet")
	require.NoError(t, CheckCompatible(3, 2, 2), "an additive change")
	require.ErrorIs(t, CheckCompatible(3, 3, 2), storage.ErrSchemaTooNew)
}
