package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root   = "../.."
	module = "github.com/activitylog/otelcol-activitylog/"
)

// source is one Go file of the repository.
type source struct {
	path    string // from the root, with slashes
	dir     string
	test    bool
	lines   int
	imports []string // of this module, without the module path, and of others as they are
	file    *ast.File
}

// sources parses every hand-written Go file.
func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", ".cache", "build", "dist", "data", "testdata", "tools":
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasPrefix(d.Name(), "generated_") {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, path, raw, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		s := source{
			path: filepath.ToSlash(rel), dir: filepath.ToSlash(filepath.Dir(rel)), file: f,
			test: strings.HasSuffix(path, "_test.go"), lines: strings.Count(string(raw), "\n"),
		}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, strings.TrimPrefix(name, module))
		}
		out = append(out, s)
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, out)
	return out
}

// component gives the component folder a path is in, "" for none.
func component(dir string) string {
	parts := strings.Split(dir, "/")
	if len(parts) < 2 {
		return ""
	}
	switch parts[0] {
	case "receiver", "processor", "exporter", "extension", "connector":
		return parts[0] + "/" + parts[1]
	}
	return ""
}

var drivers = []string{"internal/storage/sqldb", "internal/storage/clickhouse", "internal/storage/mongodb", "internal/storage/scylla"}

// exporterOf gives the exporter that is a driver's.
var exporterOf = map[string]string{
	"internal/storage/sqldb": "exporter/auditsqlexporter", "internal/storage/clickhouse": "exporter/auditclickhouseexporter",
	"internal/storage/mongodb": "exporter/auditmongoexporter", "internal/storage/scylla": "exporter/auditscyllaexporter",
}

// driver gives the driver package a path is in, "" for none.
func driver(dir string) string {
	for _, d := range drivers {
		if dir == d || strings.HasPrefix(dir, d+"/") {
			return d
		}
	}
	return ""
}

// testOnly reports whether a folder holds support for tests.
func testOnly(dir string) bool {
	return strings.HasPrefix(dir, "test/") || strings.HasSuffix(dir, "test")
}
