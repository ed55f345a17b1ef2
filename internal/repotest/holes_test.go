package repotest

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// named are the tests that a cell of docs/holes.md names: package.TestName,
// package.TestName/subtest, or a test of Python.
var named = regexp.MustCompile("`(?:([a-z0-9]+)\\.(Test[A-Za-z0-9_]+)(?:/([a-z0-9_-]+))?|(test_[a-z0-9_]+))`")

// TestHolesNameTheirTests: every row names a test, and every test is there.
func TestHolesNameTheirTests(t *testing.T) {
	tests := map[string]map[string]bool{} // package.TestName -> texts of its file, the names of subtests among them
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		texts := map[string]bool{}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					texts[text] = true
				}
			}
			return true
		})
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				tests[path.Base(s.dir)+"."+f.Name.Name] = texts
			}
		}
	}
	python := pythonTests(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "holes.md"))
	require.NoError(t, err)
	rows := 0
	for i, line := range strings.Split(string(page), "\n") {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, ""), "|")
		if len(cells) != 5 || strings.Contains(line, "Shown by") || strings.HasPrefix(line, "|---") {
			assert.False(t, strings.HasPrefix(line, "|") && len(cells) != 5, "line %d: a row has three cells", i+1)
			continue
		}
		rows++
		found := named.FindAllStringSubmatch(cells[3], -1)
		assert.Len(t, found, strings.Count(cells[3], "`")/2, "line %d: %s", i+1, cells[3])
		assert.NotEmpty(t, found, "line %d names no test", i+1)
		for _, m := range found {
			if m[4] != "" {
				assert.Contains(t, python, fmt.Sprintf("def %s(", m[4]), "line %d", i+1)
				continue
			}
			texts, there := tests[m[1]+"."+m[2]]
			assert.True(t, there, "line %d: there is no test %s.%s", i+1, m[1], m[2])
			assert.True(t, m[3] == "" || texts[m[3]], "line %d: %s.%s has no subtest %s", i+1, m[1], m[2], m[3])
		}
	}
	assert.Greater(t, rows, 30)
}

// pythonTests gives the tests of the Django example, one after another.
func pythonTests(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(filepath.Join(root, "examples", "django"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".py") || !strings.Contains(path, "test") {
			return err
		}
		raw, err := os.ReadFile(path)
		b.Write(raw)
		return err
	})
	require.NoError(t, err)
	return b.String()
}
