package repotest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExamplesStandAlone: what users copy needs nothing of this module.
func TestExamplesStandAlone(t *testing.T) {
	checked := 0
	for _, s := range sources(t) {
		if !strings.HasPrefix(s.dir, "examples/") {
			continue
		}
		checked++
		for _, imported := range s.imports {
			own := strings.HasPrefix(imported, "examples/") && strings.Split(imported, "/")[1] == strings.Split(s.dir, "/")[1]
			_, err := os.Stat(filepath.Join(root, imported))
			assert.True(t, own || err != nil, "%s imports %s of this repository", s.path, imported)
		}
	}
	require.Positive(t, checked)
	mod, err := os.ReadFile(filepath.Join(root, "examples", "go", "go.mod"))
	require.NoError(t, err)
	assert.NotContains(t, string(mod), "replace")
	assert.Equal(t, 1, strings.Count(string(mod), strings.TrimSuffix(module, "/")), "its own name only")
}
