package djangosettings

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// pattern gives the RE2 expression that finds what re.match of a Python
// expression finds: it must match at the beginning, not to the end. Errors name
// what RE2 does not have.
func pattern(expr string) (string, error) {
	b, err := rewrite(expr)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(b, "^") || strings.Contains(b, "|") {
		if strings.Contains(b, "|") {
			b = "(?:" + b + ")"
		}
		b = "^" + b
	}
	if _, err := regexp.Compile(b); err != nil {
		return "", fmt.Errorf("RE2 does not take it: %w", err)
	}
	return b, nil
}

// rewrite changes what the two languages spell differently, and refuses what
// means something else in each.
func rewrite(expr string) (string, error) {
	var b strings.Builder
	class := -1 // where a class began
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		rest := expr[i+1:]
		switch {
		case c == '\\' && rest != "":
			i++
			switch d := expr[i]; {
			case d == 'Z':
				b.WriteString(`\z`)
				continue
			case class < 0 && d >= '1' && d <= '9':
				return "", errors.New("a back-reference, which RE2 does not have")
			case strings.IndexByte("pPQECz", d) >= 0:
				return "", fmt.Errorf(`\%c, which Python does not have`, d)
			}
			b.WriteByte(c)
		case class >= 0:
			switch {
			case c == ']' && i > class+1:
				class = -1
			case c == '[' && strings.HasPrefix(rest, ":"):
				return "", errors.New("[: within a class, which means something else in RE2")
			}
		case c == '[':
			class = i
			if strings.HasPrefix(rest, "^") {
				class++
			}
		case c == '{' && strings.HasPrefix(rest, ","):
			b.WriteString("{0")
			continue
		case c == '(' && strings.HasPrefix(rest, "?"):
			if why := group(rest[1:]); why != "" {
				return "", errors.New(why)
			}
		}
		b.WriteByte(expr[i])
	}
	return b.String(), nil
}

// group says why RE2 cannot take the extension that begins so, "" when it can.
func group(s string) string {
	for _, g := range []struct{ begin, why string }{
		{"=", "a look-ahead, which RE2 does not have"},
		{"!", "a negative look-ahead, which RE2 does not have"},
		{"<=", "a look-behind, which RE2 does not have"},
		{"<!", "a negative look-behind, which RE2 does not have"},
		{"P=", "a back-reference, which RE2 does not have"},
		{"(", "a conditional group, which RE2 does not have"},
		{"#", "a comment, which RE2 does not have"},
		{">", "an atomic group, which RE2 does not have"},
		{"<", "a group name without P, which Python does not have"},
	} {
		if strings.HasPrefix(s, g.begin) {
			return g.why
		}
	}
	flags, _, _ := strings.Cut(s, ")")
	flags, _, _ = strings.Cut(flags, ":")
	if !strings.HasPrefix(s, "P<") && strings.ContainsAny(flags, "xaLuU") {
		return "a flag of Python (x, a, L, u), which RE2 does not have"
	}
	return ""
}

// textual reports whether an expression holds a class that is Unicode in Python
// and ASCII in RE2.
func textual(expr string) bool {
	for _, c := range []string{`\w`, `\W`, `\d`, `\D`, `\s`, `\S`, `\b`, `\B`} {
		if strings.Contains(expr, c) {
			return true
		}
	}
	return false
}
