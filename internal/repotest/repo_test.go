package repotest

import (
	"go/ast"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestImportDirection: component -> own driver -> storage -> activity; never
// component -> component, driver -> driver, driver -> component, production ->
// test support; and only storage/open knows every driver.
func TestImportDirection(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || testOnly(s.dir) {
			continue
		}
		for _, imported := range s.imports {
			assert.False(t, testOnly(imported) && !strings.Contains(imported, "."), "%s imports the test support %s", s.path, imported)
			from, to := component(s.dir), component(imported)
			assert.False(t, to != "" && from != to, "%s imports the component %s", s.path, to)
			fromDriver, toDriver := driver(s.dir), driver(imported)
			assert.False(t, fromDriver != "" && to != "", "the driver file %s imports the component %s", s.path, to)
			assert.False(t, fromDriver != "" && toDriver != "" && fromDriver != toDriver, "%s imports the driver %s", s.path, toDriver)
			if toDriver != "" && fromDriver == "" {
				own := from != "" && strings.HasPrefix(from, "exporter/")
				assert.True(t, own || s.dir == "internal/storage/open" || strings.HasPrefix(s.dir, "cmd/"),
					"%s imports the driver %s; go through internal/storage/open", s.path, toDriver)
			}
		}
		if s.dir == "internal/activity" {
			for _, imported := range s.imports {
				assert.NotContains(t, imported, ".", "%s: internal/activity has the standard library only", s.path)
			}
		}
	}
}

// TestFileLength: a file tells one story.
func TestFileLength(t *testing.T) {
	for _, s := range sources(t) {
		limit := 500
		if s.test || testOnly(s.dir) {
			limit = 800
		}
		assert.LessOrEqual(t, s.lines, limit, s.path)
	}
}

// TestNoHiddenStart: no init functions, no rooms without a name.
func TestNoHiddenStart(t *testing.T) {
	for _, s := range sources(t) {
		for _, part := range strings.Split(s.dir, "/") {
			assert.NotContains(t, []string{"util", "utils", "common", "helpers", "models"}, part, s.path)
		}
		for _, d := range s.file.Decls {
			f, isFunc := d.(*ast.FuncDecl)
			assert.False(t, isFunc && f.Recv == nil && f.Name.Name == "init", "%s has an init function", s.path)
		}
	}
}

// TestExportedSurface: what a component exports is a promise to other
// distributions; a change of it is a change of testdata/exported.txt.
func TestExportedSurface(t *testing.T) {
	var names []string
	for _, s := range sources(t) {
		if s.test || component(s.dir) == "" || component(s.dir) != s.dir {
			continue
		}
		for _, d := range s.file.Decls {
			for _, name := range exportedNames(d) {
				names = append(names, s.dir+" "+name)
			}
		}
	}
	slices.Sort(names)
	got := strings.Join(names, "\n") + "\n"
	golden := filepath.Join("testdata", "exported.txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "run UPDATE_GOLDEN=1 go test ./internal/repotest when the change is meant")
}

func exportedNames(d ast.Decl) []string {
	var out []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.IsExported() {
			out = append(out, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() {
					out = append(out, spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					if n.IsExported() {
						out = append(out, n.Name)
					}
				}
			}
		}
	}
	return out
}

// TestReadmeNamesEveryKey: each mapstructure key of a component's own config
// stands in its README, and so does each of its driver and of what the audit
// exporters share.
func TestReadmeNamesEveryKey(t *testing.T) {
	checked := 0
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, readme := range readmesOf(t, s.dir) {
			for _, key := range keysIn(t, s.file) {
				checked++
				// Alone or behind its section; a Contains assertion would print the whole README.
				if !strings.Contains(readme.text, "`"+key) && !strings.Contains(readme.text, "."+key+"`") && !strings.Contains(readme.text, "::"+key+"`") {
					t.Errorf("%s: the key %q is not in %s", s.path, key, readme.path)
				}
			}
		}
	}
	require.Greater(t, checked, 100)
}

type readme struct{ path, text string }

// readmesOf gives the READMEs that must name the keys of a folder's structs.
func readmesOf(t *testing.T, dir string) (out []readme) {
	t.Helper()
	var components []string
	switch {
	case component(dir) != "":
		components = []string{component(dir)}
	case slices.Contains(drivers, dir):
		components = []string{exporterOf[dir]}
	case dir == "internal/auditexport":
		for _, d := range drivers {
			components = append(components, exporterOf[d])
		}
	}
	for _, c := range components {
		path := filepath.Join(c, "README.md")
		raw, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err, "every component has a README")
		out = append(out, readme{path, string(raw)})
	}
	return out
}

// keysIn gives the mapstructure keys of a file.
func keysIn(t *testing.T, file *ast.File) (keys []string) {
	t.Helper()
	ast.Inspect(file, func(n ast.Node) bool {
		field, isField := n.(*ast.Field)
		if !isField || field.Tag == nil {
			return true
		}
		tag, err := strconv.Unquote(field.Tag.Value)
		require.NoError(t, err)
		if key, _, _ := strings.Cut(reflect.StructTag(tag).Get("mapstructure"), ","); key != "" && key != "-" {
			keys = append(keys, key)
		}
		return true
	})
	return keys
}

// TestEveryDriverHasItsFiles: the same rooms everywhere.
func TestEveryDriverHasItsFiles(t *testing.T) {
	for _, d := range drivers {
		for _, name := range []string{
			"README.md", "config.go", "open.go", "writer.go", "reader.go", "retention.go", "row.go", "classify.go", "store_test.go",
		} {
			assert.FileExists(t, filepath.Join(root, d, name))
		}
		for _, name := range []string{"README.md", "doc.go", "config.go", "factory.go", "metadata.yaml"} {
			assert.FileExists(t, filepath.Join(root, exporterOf[d], name))
		}
	}
}

// TestEveryExporterIsBuiltIn: what has a folder is in the distribution.
func TestEveryExporterIsBuiltIn(t *testing.T) {
	manifest, err := os.ReadFile(filepath.Join(root, "builder-config.yaml"))
	require.NoError(t, err)
	for _, d := range drivers {
		assert.Contains(t, string(manifest), module+exporterOf[d]+"\n")
	}
}

// TestEveryConnectorHasItsFiles: the file set of a component, built in and shown in an example.
func TestEveryConnectorHasItsFiles(t *testing.T) {
	manifest, err := os.ReadFile(filepath.Join(root, "builder-config.yaml"))
	require.NoError(t, err)
	folders, err := filepath.Glob(filepath.Join(root, "connector", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, dir := range folders {
		for _, name := range []string{"README.md", "doc.go", "config.go", "factory.go", "metadata.yaml", "connector.go", "testdata/config.yaml"} {
			assert.FileExists(t, filepath.Join(dir, name))
		}
		assert.Contains(t, string(manifest), module+"connector/"+filepath.Base(dir)+"\n")
	}
}

// TestShippedFilesExist: what the documents name exists.
func TestShippedFilesExist(t *testing.T) {
	for _, name := range []string{
		"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "otelcol-config.yaml",
		"deploy/spooled.yaml", "deploy/postgres.yaml", "deploy/mysql.yaml", "deploy/clickhouse.yaml", "deploy/mongodb.yaml", "deploy/scylla.yaml",
		"deploy/examples/website.yaml", "deploy/examples/jwt-api.yaml", "deploy/examples/saas.yaml", "examples/go/README.md",
		"docs/schema/event-v1.json", "docs/compat.md",
		"deploy/examples/spans.yaml",
	} {
		info, err := os.Stat(filepath.Join(root, name))
		if assert.NoError(t, err) {
			assert.Positive(t, info.Size(), name)
		}
	}
}
