package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A server's DSN for the tests names no database, and the shipped configuration
// of MongoDB wants one.
func TestEnvironmentOfTheCollector(t *testing.T) {
	b := &backend{test: "ACTIVITYLOG_TEST_SIZING_DSN", database: "activitylog", env: []string{"DSN=%s", "INSECURE=true"}}
	t.Setenv(b.test, "mongodb://u:p@127.0.0.1:27017/?authSource=admin")
	env, err := b.environment()
	require.NoError(t, err)
	assert.Equal(t, []string{"DSN=mongodb://u:p@127.0.0.1:27017/activitylog?authSource=admin", "INSECURE=true"}, env)
	b.database = ""
	env, err = b.environment()
	require.NoError(t, err)
	assert.Equal(t, "DSN=mongodb://u:p@127.0.0.1:27017/?authSource=admin", env[0])
}
