package pyliteral

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// str reads a string from its opening quote on.
func (l *lexer) str(prefix string) error {
	from, line := l.pos, l.line
	t := token{kind: text, prefix: prefix, line: line, column: from - len(prefix) - l.lineFrom}
	quote := l.src[l.pos : l.pos+1]
	if strings.HasPrefix(l.src[l.pos:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	body := l.pos + len(quote)
	stop, ok := endOfText(l.src, body, quote, strings.ContainsAny(prefix, "ft"), 0)
	if !ok {
		return syntaxError(line, "a string without its end")
	}
	t.text = l.src[body:stop]
	l.pos = stop + len(quote)
	if n := strings.Count(t.text, "\n"); n > 0 {
		l.line += n
		l.lineFrom = body + strings.LastIndexByte(t.text, '\n') + 1
	}
	l.tokens = append(l.tokens, t)
	return nil
}

// endOfText gives where the closing quote stands. In the fields of a formatted
// string other strings may stand, with the same quotes since Python 3.12.
func endOfText(src string, pos int, quote string, formatted bool, nested int) (int, bool) {
	fields := 0
	for pos < len(src) {
		switch c := src[pos]; {
		case fields == 0 && strings.HasPrefix(src[pos:], quote):
			return pos, true
		case c == '\\':
			pos++
			if pos < len(src) && src[pos] == '\r' {
				pos++
			}
		case c == '\n' && len(quote) == 1:
			return 0, false
		case formatted && c == '{' && fields == 0 && strings.HasPrefix(src[pos+1:], "{"):
			pos++
		case formatted && c == '{':
			fields++
		case formatted && c == '}' && fields > 0:
			fields--
		case fields > 0 && (c == '"' || c == '\''):
			if nested == 10 {
				return 0, false
			}
			inner := src[pos : pos+1]
			if strings.HasPrefix(src[pos:], strings.Repeat(inner, 3)) {
				inner = strings.Repeat(inner, 3)
			}
			stop, ok := endOfText(src, pos+len(inner), inner, true, nested+1)
			if !ok {
				return 0, false
			}
			pos = stop + len(inner) - 1
		}
		pos++
	}
	return 0, false
}

// value decodes a string literal: a string, Bytes, or why it is not known.
func (t *token) value() any {
	body := strings.ReplaceAll(strings.ReplaceAll(t.text, "\r\n", "\n"), "\r", "\n")
	bytes := strings.Contains(t.prefix, "b")
	switch {
	case strings.ContainsAny(t.prefix, "ft"):
		return Unknown("a formatted string")
	case strings.Contains(t.prefix, "r") || strings.IndexByte(body, '\\') < 0:
	default:
		var ok bool
		if body, ok = unescape(body, bytes); !ok {
			return Unknown("a string with a character by its name")
		}
	}
	if bytes {
		return Bytes(body)
	}
	return body
}

// unescape follows section 2.4.1 of the language reference: what is no escape
// keeps its backslash. A surrogate becomes U+FFFD.
func unescape(s string, bytes bool) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if at := strings.IndexByte("abfnrtv\\'\"\n", s[i]); at >= 0 {
			b.WriteString([...]string{"\a", "\b", "\f", "\n", "\r", "\t", "\v", "\\", "'", "\"", ""}[at])
			continue
		}
		digits, base := 0, 16
		switch c := s[i]; {
		case c >= '0' && c <= '7':
			digits, base = 1, 8
			for digits < 3 && i+digits < len(s) && s[i+digits] >= '0' && s[i+digits] <= '7' {
				digits++
			}
			i--
		case c == 'x':
			digits = 2
		case c == 'u' && !bytes:
			digits = 4
		case c == 'U' && !bytes:
			digits = 8
		case c == 'N' && !bytes:
			return "", false
		}
		var code uint64
		err := strconv.ErrSyntax
		if digits > 0 && i+1+digits <= len(s) {
			code, err = strconv.ParseUint(s[i+1:i+1+digits], base, 32)
		}
		if err != nil {
			b.WriteByte('\\')
			b.WriteByte(s[i])
			continue
		}
		i += digits
		if bytes {
			b.WriteByte(byte(code & 0xff))
			continue
		}
		r := rune(utf8.RuneError)
		if code <= utf8.MaxRune {
			r = rune(code)
		}
		b.WriteRune(r)
	}
	return b.String(), true
}
