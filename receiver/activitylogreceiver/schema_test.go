package activitylogreceiver

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const schemaFile = "../../docs/schema/event-v1.json"

// testNow is the receiver's clock in tests of the decoder.
var testNow = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func newTestDecoder() *decoder {
	return &decoder{now: testNow, maxFuture: defaultMaxFuture, maxAge: defaultMaxAge}
}

// newTestLease gives the memory that one request may hold by default.
func newTestLease() *lease { return &lease{budget: newBudget(defaultBodySize, 1)} }

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	require.NoError(t, err)
	return schema
}

func instance(t *testing.T, raw []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	return v
}

func acceptedExamples(tb testing.TB) map[string][]byte {
	tb.Helper()
	files, err := filepath.Glob("testdata/accepted/*.json")
	require.NoError(tb, err)
	require.NotEmpty(tb, files)
	out := map[string][]byte{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(tb, err)
		out[strings.TrimSuffix(filepath.Base(file), ".json")] = raw
	}
	return out
}

func TestAcceptedExamplesAreValidAndTaken(t *testing.T) {
	schema := compileSchema(t)
	for name, raw := range acceptedExamples(t) {
		require.NoError(t, schema.Validate(instance(t, raw)), name)
		_, _, refused := newTestDecoder().decode(raw, 0)
		assert.Nil(t, refused, name)
	}
}

func TestRejectedExamplesAreRefusedByBoth(t *testing.T) {
	raw, err := os.ReadFile("testdata/rejected/by_schema.json")
	require.NoError(t, err)
	var examples []struct {
		Name, Code string
		Event      json.RawMessage
	}
	require.NoError(t, json.Unmarshal(raw, &examples))
	require.Greater(t, len(examples), 40)
	schema := compileSchema(t)
	for _, x := range examples {
		require.Error(t, schema.Validate(instance(t, x.Event)), x.Name)
		_, _, refused := newTestDecoder().decode(x.Event, 0)
		if assert.NotNil(t, refused, x.Name) {
			assert.Equal(t, x.Code, refused.code, "%s: %s", x.Name, refused.reason)
			assert.NotEmpty(t, refused.reason)
		}
	}
}

// A name in the schema is a name the decoder reads, and the other way round.
func TestSchemaNamesWhatTheDecoderReads(t *testing.T) {
	raw, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	var schema struct{ Properties map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal(raw, &schema))
	for name := range schema.Properties {
		m, ok := members[name]
		assert.True(t, ok && m.read != nil, "the decoder does not read %s", name)
	}
	for name, m := range members {
		if m.read != nil {
			assert.Contains(t, schema.Properties, name)
		} else {
			assert.NotContains(t, schema.Properties, name)
		}
	}
}
