package djangosettings

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/pyliteral"
)

// Options of a conversion.
type Options struct {
	// SecretsDir is where the files are to be that hold secrets.
	SecretsDir string
}

// Result of a conversion.
type Result struct {
	// YAML is a complete collector configuration; its comments repeat the findings.
	YAML     string
	Findings []Finding
}

// setting is one that is given, under the name it is written by.
type setting struct {
	name string
	pyliteral.Item
}

type converter struct {
	*Settings
	opts     Options
	dict     *pyliteral.Dict
	findings []Finding
}

// Convert makes the configuration. It never fails: what cannot be converted is
// a finding.
func (s *Settings) Convert(opts Options) Result {
	c := &converter{Settings: s, opts: opts}
	c.overview()
	y := &yamlText{}
	c.collector(y)
	c.findings = sorted(c.findings, s.files)
	head := &yamlText{}
	head.raw("# Made of " + printable(strings.Join(s.files, ", ")) + " by auditctl convert-settings. Each variable is the whole value of a key;\n" +
		"# unset or empty means the default.\n")
	for _, f := range c.findings {
		head.raw("# " + printable(f.String()) + "\n")
	}
	return Result{YAML: head.text.String() + y.text.String(), Findings: c.findings}
}

func (c *converter) add(sort Sort, s setting, format string, args ...any) {
	c.findings = append(c.findings, Finding{Sort: sort, Setting: s.name, File: s.File, Line: s.Line, Text: fmt.Sprintf(format, args...)})
}

// overview finds the dict, and what about the files stands in the way.
func (c *converter) overview() {
	item, ok := c.module.Get(dictName)
	whole := setting{dictName, item}
	switch d := item.Value.(type) {
	case *pyliteral.Dict:
		c.dict = d
		if d.Open != "" {
			c.add(Lost, whole, "it also takes keys from %s; write them down, and convert again", d.Open)
		}
		for _, key := range d.Keys() {
			if !slices.Contains(known, key) {
				at, _ := d.Get(key)
				c.add(Lost, setting{cut(key), at}, "no setting of the package, where it has no effect")
			}
		}
	default:
		if ok {
			c.add(Lost, whole, "it is %s, and only Python knows its keys; write the dict down, and convert again", describe(d))
		}
	}
	for _, name := range c.module.Names() {
		at, _ := c.module.Get(name)
		key, isLegacy := strings.CutPrefix(name, legacyPrefix)
		if why, ok := dropped[name]; ok {
			c.add(Lost, setting{name, at}, "%s", why)
		} else if isLegacy && !slices.Contains(known, key) && !slices.ContainsFunc(known, func(k string) bool { return renamed[k] == name }) {
			c.add(Lost, setting{cut(name), at}, "no setting of the package, where it has no effect")
		}
	}
	if s, ok := c.top(simpleJWT); ok {
		if d, isDict := s.Value.(*pyliteral.Dict); !isDict {
			c.wrong(s, "a dict")
		} else if d.Open != "" {
			c.add(Lost, s, "it also takes keys from %s; write them down, and convert again", d.Open)
		}
	}
	for _, d := range c.module.Doubts() {
		if interesting(d.Name) {
			c.findings = append(c.findings, Finding{
				Sort: Lost, Setting: d.Name, File: d.File, Line: d.Line,
				Text: d.What + ", so its value depends on what only Python knows; this change is left out. Check the configuration, or write the value down and convert again",
			})
		}
	}
	for _, i := range c.module.Imports {
		last := i.Module[strings.LastIndexByte(i.Module, '.')+1:]
		if !slices.Contains(c.files, last+".py") {
			c.findings = append(c.findings, Finding{
				Sort: Lost, Setting: "import of " + cut(i.Module), File: i.File, Line: i.Line,
				Text: "its settings are not read; give that file, too, before this one",
			})
		}
	}
	for _, key := range known {
		c.useless(key)
	}
}

// useless lists a setting without a counterpart whose value asks for something.
func (c *converter) useless(key string) {
	why, ok := noCounterpart[key]
	s, given := c.get(key)
	if !ok || !given || why.why == "" || s.Value == nil {
		return
	}
	if list, isList := s.Value.([]any); isList {
		if len(list) == 0 {
			return
		}
	} else if isPlain(s.Value, why.plain) {
		return
	}
	c.add(Lost, s, "%s", why.why)
}

func isPlain(v, plain any) bool {
	switch v.(type) {
	case bool, string:
		return v == plain
	}
	return false
}

// get gives a setting as the package looks it up: in its dict, then by its
// legacy name.
func (c *converter) get(key string) (setting, bool) {
	if item, ok := c.dict.Get(key); ok {
		return setting{key, item}, true
	}
	return c.top(legacy(key))
}

func (c *converter) top(name string) (setting, bool) {
	item, ok := c.module.Get(name)
	return setting{name, item}, ok
}

// member gives a key of a top-level dict.
func (c *converter) member(name, key string) (setting, bool) {
	item, _ := c.module.Get(name)
	d, ok := item.Value.(*pyliteral.Dict)
	if !ok {
		return setting{}, false
	}
	item, ok = d.Get(key)
	return setting{name + "." + key, item}, ok && item.Value != nil
}

// describe says what a value is, and nothing of what it holds.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case pyliteral.Unknown:
		return string(v)
	case pyliteral.Env:
		return "the environment variable " + v.Name
	case bool:
		return "True or False"
	case int64, float64:
		return "a number"
	case string, pyliteral.Bytes:
		return "a text"
	case []any:
		return "a list"
	case pyliteral.Duration:
		return "a timedelta"
	}
	return "a dict"
}

// wrong lists a value that is not of the kind that a setting takes.
func (c *converter) wrong(s setting, wanted string) {
	c.add(Lost, s, "it is %s; write %s, and convert again", describe(s.Value), wanted)
}

// flag gives a setting that is on or off.
func (c *converter) flag(key string, otherwise bool) bool {
	s, ok := c.get(key)
	if !ok {
		return otherwise
	}
	switch v := s.Value.(type) {
	case bool:
		return v
	case nil:
		return false
	case int64:
		return v != 0
	}
	c.wrong(s, "True or False")
	return otherwise
}

// text gives a setting that is a text; "" and None are not given.
func (c *converter) text(s setting, ok bool) (string, bool) {
	if !ok || s.Value == nil {
		return "", false
	}
	v, isText := s.Value.(string)
	if !isText {
		c.wrong(s, "a text")
	}
	return v, v != ""
}

// texts gives the elements of a list of texts, and lists those that are none.
func (c *converter) texts(s setting, ok bool) []string {
	if !ok || s.Value == nil {
		return nil
	}
	list, isList := s.Value.([]any)
	if one, isText := s.Value.(string); isText {
		list, isList = []any{one}, true
	}
	if !isList {
		c.wrong(s, "a list of texts")
		return nil
	}
	var out []string
	for i, v := range list {
		if t, isText := v.(string); isText {
			out = append(out, t)
			continue
		}
		element := s.Item
		element.Value = v
		c.wrong(setting{fmt.Sprintf("%s[%d]", s.name, i), element}, "a text")
	}
	return out
}

// secretFile names a file for a secret, and asks for it to be written.
func (c *converter) secretFile(s setting, name, content string) string {
	file := path.Join(c.opts.SecretsDir, name)
	c.add(ToDo, s, "write %s to %s, readable by the collector alone (mode 0600); it is not repeated here", content, file)
	return file
}

// origin says where a setting stands, for a comment.
func (s *setting) origin() string {
	if s.File == "" {
		return s.name
	}
	return fmt.Sprintf("%s, %s:%d", s.name, s.File, s.Line)
}

// cut shortens a name of the files for a message.
func cut(s string) string {
	const most = 100
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
