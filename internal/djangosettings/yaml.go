package djangosettings

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// yamlText writes lines of YAML, indented by two spaces for each level.
type yamlText struct {
	text  strings.Builder
	level int
}

// raw writes text as it is.
func (y *yamlText) raw(s string) { y.text.WriteString(s) }

// line writes "key: value", with the comment behind it.
func (y *yamlText) line(key, value, comment string) {
	y.raw(strings.Repeat("  ", y.level) + key)
	if value != "" {
		y.raw(" " + value)
	}
	if comment != "" {
		y.raw(" # " + printable(comment))
	}
	y.raw("\n")
}

// block writes "key:" and what is within.
func (y *yamlText) block(key string, within func()) {
	y.line(key+":", "", "")
	y.level++
	within()
	y.level--
}

// list writes "key:" and one element a line; [] without any.
func (y *yamlText) list(key string, elements []string, comment string) {
	if len(elements) == 0 {
		y.line(key+":", "[]", comment)
		return
	}
	y.line(key+":", "", comment)
	for _, e := range elements {
		y.line("  - "+quote(e), "", "")
	}
}

var plain = regexp.MustCompile(`^[A-Za-z/.][A-Za-z0-9_/.-]*$`)

// quote writes a text as a scalar that the collector reads as that text: a $ is
// doubled, as the collector expands it.
func quote(s string) string {
	s = strings.ReplaceAll(s, "$", "$$")
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n", ".inf", ".nan":
		return "'" + s + "'"
	}
	if plain.MatchString(s) {
		return s
	}
	if printable(s) == s {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	b, err := json.Marshal(s)
	if err != nil {
		return strconv.Quote(s) // not reached: a string is always JSON
	}
	return string(b)
}

// printable keeps a text on one line and without control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s)
}
