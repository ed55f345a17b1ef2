package djangosettings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/activitylog/otelcol-activitylog/internal/pyliteral"
)

const (
	dictName     = "ACTIVITYLOG"
	legacyPrefix = "DJANGO_ACTIVITY_LOG_"
	maxDepth     = 100 // of JSON
)

// Settings are those of one or more files, the later ones on top.
type Settings struct {
	module *pyliteral.Module
	files  []string
}

// New gives settings without any file.
func New() *Settings { return &Settings{module: pyliteral.New()} }

// Read takes in one file: JSON when its name says so or it begins as an object,
// Python otherwise. JSON holds the ACTIVITYLOG dict itself, or an object of
// top-level settings with that name among them. Errors wrap pyliteral.ErrSyntax
// and repeat nothing of the file.
func (s *Settings) Read(file string, src []byte) error {
	name := filepath.Base(file)
	s.files = append(s.files, name)
	if path.Ext(name) != ".json" && !bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		if err := s.module.Read(name, string(src)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if err := s.readJSON(name, src); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (s *Settings) readJSON(name string, src []byte) error {
	switch {
	case len(src) > pyliteral.MaxSize:
		return fmt.Errorf("%w: more than %d bytes", pyliteral.ErrSyntax, pyliteral.MaxSize)
	case !utf8.Valid(src):
		return fmt.Errorf("%w: not UTF-8", pyliteral.ErrSyntax)
	}
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	line := func() int { return 1 + bytes.Count(src[:d.InputOffset()], []byte("\n")) }
	v, err := jsonValue(d, name, line, 0)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = fmt.Errorf("%w: line %d: something follows the object", pyliteral.ErrSyntax, line())
		}
	}
	if err != nil {
		return err
	}
	top, ok := v.(*pyliteral.Dict)
	if !ok {
		return fmt.Errorf("%w: it holds no object", pyliteral.ErrSyntax)
	}
	for _, k := range top.Keys() {
		if interesting(k) {
			for _, k := range top.Keys() {
				item, _ := top.Get(k)
				s.module.Set(k, item)
			}
			return nil
		}
	}
	s.module.Set(dictName, pyliteral.Item{Value: top, File: name, Line: 1})
	return nil
}

func jsonValue(d *json.Decoder, file string, line func() int, depth int) (any, error) {
	broken := func() error { return fmt.Errorf("%w: line %d: no JSON", pyliteral.ErrSyntax, line()) }
	t, err := d.Token()
	if err != nil || depth > maxDepth {
		return nil, broken()
	}
	switch t := t.(type) {
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return n, nil
		}
		f, err := t.Float64()
		if err != nil {
			return nil, broken()
		}
		return f, nil
	case json.Delim:
		list, dict := []any{}, pyliteral.NewDict()
		for d.More() {
			key, at := "", line()
			if t == '{' {
				k, err := d.Token()
				if err != nil {
					return nil, broken()
				}
				key, at = k.(string), line()
			}
			v, err := jsonValue(d, file, line, depth+1)
			if err != nil {
				return nil, err
			}
			if t == '{' {
				dict.Set(key, pyliteral.Item{Value: v, File: file, Line: at})
			} else {
				list = append(list, v)
			}
		}
		if _, err := d.Token(); err != nil {
			return nil, broken()
		}
		if t == '{' {
			return dict, nil
		}
		return list, nil
	}
	return t, nil // nil, bool, string
}

// interesting reports whether a top-level name is one that is converted.
func interesting(name string) bool {
	switch name {
	case dictName, "ACTIVITYLOG_CLICKHOUSE", "ACTIVITYLOG_MONGODB", "ACTIVITYLOG_SCYLLADB", "ACTIVITYLOG_REALTIME_ENABLED",
		"CELERY_BROKER_URL", "BROKER_URL", "SIMPLE_JWT", "DATABASES":
		return true
	}
	return strings.HasPrefix(name, legacyPrefix)
}
