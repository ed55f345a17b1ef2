// Package migration reads the numbered files that make and change the schema of
// a store whose statements are text.
package migration

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Migration is one numbered file. Its first line says which version it makes
// and the oldest version whose binary still works with the result:
//
//	-- version 2, works with 1: what it is for
//
// A change that only adds (a column that may be null, an index, a table) works
// with the version before it; the others name themselves.
type Migration struct {
	Version    int
	Compatible int
	Title      string
	Statements []string // without the semicolon at the end
}

// Header is the first line of the file.
func (m *Migration) Header() string {
	return fmt.Sprintf("-- version %d, works with %d: %s", m.Version, m.Compatible, m.Title)
}

var header = regexp.MustCompile(`^-- version (\d+), works with (\d+): (.+)\n`)

// Read gives the files that match a pattern of fs.Glob, oldest first. Their
// names begin with the version in four digits, 0001_ the first, and none lacks.
func Read(files fs.FS, pattern string) ([]Migration, error) {
	names, err := fs.Glob(files, pattern)
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	slices.Sort(names)
	out := make([]Migration, 0, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read the migration: %w", err)
		}
		m, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		if m.Version != i+1 || !strings.HasPrefix(path.Base(name), fmt.Sprintf("%04d_", m.Version)) {
			return nil, fmt.Errorf("migration %s: version %d is out of order", name, m.Version)
		}
		out = append(out, m)
	}
	return out, nil
}

func parse(text string) (m Migration, err error) {
	head := header.FindStringSubmatch(text)
	if head == nil {
		return m, errors.New(`the first line must be "-- version N, works with M: title"`)
	}
	if m.Version, err = strconv.Atoi(head[1]); err != nil {
		return m, fmt.Errorf("version: %w", err)
	}
	if m.Compatible, err = strconv.Atoi(head[2]); err != nil {
		return m, fmt.Errorf("works with: %w", err)
	}
	m.Title, m.Statements = head[3], Statements(text[len(head[0]):])
	return m, nil
}

// Statements gives the statements of a script, each without its semicolon and
// without the comments before it.
func Statements(text string) (out []string) {
	for _, s := range split(text) {
		if s = trim(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// split cuts at a semicolon that ends a line, except in the body of a function,
// which stands between two $$.
func split(text string) (out []string) {
	open := false
	for _, part := range strings.SplitAfter(text, ";\n") {
		if open {
			out[len(out)-1] += part
		} else {
			out = append(out, part)
		}
		open = open != (strings.Count(part, "$$")%2 == 1)
	}
	return out
}

// trim drops the comment lines before a statement; those inside it stay.
func trim(s string) string {
	s = strings.TrimSpace(s)
	for strings.HasPrefix(s, "--") {
		_, rest, _ := strings.Cut(s, "\n")
		s = strings.TrimSpace(rest)
	}
	return strings.TrimSuffix(strings.TrimSpace(s), ";")
}

// CheckCompatible refuses a schema of version have that does not work with a
// binary of version mine, for the oldest that it works with is compatible. The
// error is storage.ErrSchemaTooNew.
func CheckCompatible(have, compatible, mine int) error {
	if compatible <= mine {
		return nil
	}
	return fmt.Errorf("the schema has version %d, which needs a binary of version %d or later and this one has %d: install the newer binary: %w",
		have, compatible, mine, storage.ErrSchemaTooNew)
}
