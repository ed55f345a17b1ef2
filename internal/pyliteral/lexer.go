package pyliteral

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is read. Python itself stops at maxNesting brackets.
const (
	// MaxSize is the largest module in bytes.
	MaxSize    = 1 << 20
	maxNesting = 200
)

// ErrSyntax is wrapped by the errors of a text that is no Python module (or no
// JSON). They name the line and repeat nothing of the text.
var ErrSyntax = errors.New("cannot be read")

func syntaxError(line int, what string) error {
	return fmt.Errorf("%w: line %d: %s", ErrSyntax, line, what)
}

type kind uint8

const (
	end     kind = iota // of the module
	newline             // of a logical line, or a semicolon
	name
	number
	text
	operator
)

// token is one word of the module. text of a string is its body, undecoded.
type token struct {
	kind   kind
	text   string
	prefix string // of a string, in lower case: r, b, f, u, rb ...
	line   int
	column int // of the first token of a line: 0 outside of every block
}

// is reports whether the token is that operator or keyword.
func (t *token) is(s string) bool {
	return (t.kind == operator || t.kind == name) && t.text == s
}

type lexer struct {
	src      string
	pos      int
	line     int
	lineFrom int // where the physical line begins
	open     []byte
	tokens   []token
}

// scan gives the tokens of a module. Line ends within brackets are no tokens.
func scan(src string) ([]token, error) {
	src = strings.TrimPrefix(src, "\ufeff")
	switch {
	case len(src) > MaxSize:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrSyntax, MaxSize)
	case strings.IndexByte(src, 0) >= 0:
		return nil, syntaxError(1+strings.Count(src[:strings.IndexByte(src, 0)], "\n"), "a NUL byte")
	case !utf8.ValidString(src):
		return nil, fmt.Errorf("%w: not UTF-8; save it as UTF-8", ErrSyntax)
	}
	l := &lexer{src: src, line: 1}
	for l.pos < len(l.src) {
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	if len(l.open) > 0 {
		return nil, syntaxError(l.line, "a bracket is never closed")
	}
	l.add(newline, "")
	l.add(end, "")
	return l.tokens, nil
}

func (l *lexer) add(k kind, s string) {
	l.tokens = append(l.tokens, token{kind: k, text: s, line: l.line, column: l.pos - l.lineFrom})
}

func (l *lexer) next() error {
	c := l.src[l.pos]
	switch {
	case c == '\n':
		if len(l.open) == 0 {
			l.add(newline, "")
		}
		l.pos++
		l.line++
		l.lineFrom = l.pos
	case c == '\\' && strings.HasPrefix(strings.TrimPrefix(l.src[l.pos+1:], "\r"), "\n"):
		l.pos += strings.IndexByte(l.src[l.pos:], '\n') + 1
		l.line++
		// The line goes on: its column stays that of the first part.
		l.lineFrom = l.pos - 1
	case c == ' ' || c == '\t' || c == '\r' || c == '\f':
		l.pos++
	case c == '#':
		if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
			l.pos += i
		} else {
			l.pos = len(l.src)
		}
	case c == ';' && len(l.open) > 0:
		return syntaxError(l.line, "a semicolon within brackets")
	case c == ';':
		l.add(newline, ";")
		l.pos++
	case c == '"' || c == '\'':
		return l.str("")
	case c >= '0' && c <= '9' || c == '.' && l.pos+1 < len(l.src) && l.src[l.pos+1] >= '0' && l.src[l.pos+1] <= '9':
		l.number()
	default:
		return l.word()
	}
	return nil
}

func (l *lexer) number() {
	from := l.pos
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		sign := (c == '+' || c == '-') && (l.src[l.pos-1] == 'e' || l.src[l.pos-1] == 'E') && !strings.HasPrefix(l.src[from:], "0x")
		if !sign && c != '.' && c != '_' && !isLetter(rune(c)) && (c < '0' || c > '9') {
			break
		}
		l.pos++
	}
	l.tokens = append(l.tokens, token{kind: number, text: l.src[from:l.pos], line: l.line, column: from - l.lineFrom})
}

func isLetter(r rune) bool { return r == '_' || unicode.IsLetter(r) }

// word reads a name, the string that it is the prefix of, or an operator.
func (l *lexer) word() error {
	from := l.pos
	for l.pos < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[l.pos:])
		if !isLetter(r) && (l.pos == from || !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)) {
			break
		}
		l.pos += n
	}
	if l.pos == from {
		return l.operator()
	}
	word := l.src[from:l.pos]
	if l.pos < len(l.src) && (l.src[l.pos] == '"' || l.src[l.pos] == '\'') && isPrefix(word) {
		return l.str(strings.ToLower(word))
	}
	l.tokens = append(l.tokens, token{kind: name, text: word, line: l.line, column: from - l.lineFrom})
	return nil
}

func isPrefix(word string) bool {
	switch strings.ToLower(word) {
	case "r", "b", "u", "f", "t", "rb", "br", "rf", "fr", "rt", "tr":
		return true
	}
	return false
}

var operators = []string{"**=", "//=", ">>=", "<<=", "...", "**", "//", ":=", "->", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=", "==", "!=", "<=", ">=", "<<", ">>"}

func (l *lexer) operator() error {
	op := l.src[l.pos : l.pos+1]
	for _, o := range operators {
		if strings.HasPrefix(l.src[l.pos:], o) {
			op = o
			break
		}
	}
	switch op[0] {
	case '(', '[', '{':
		if len(l.open) == maxNesting {
			return syntaxError(l.line, "too many nested brackets")
		}
		l.open = append(l.open, op[0])
	case ')', ']', '}':
		n := len(l.open) - 1
		if n < 0 || l.open[n] != map[byte]byte{')': '(', ']': '[', '}': '{'}[op[0]] {
			return syntaxError(l.line, "a closing bracket without its opening one")
		}
		l.open = l.open[:n]
	}
	_, n := utf8.DecodeRuneInString(l.src[l.pos:])
	l.add(operator, op)
	l.pos += max(n, len(op))
	return nil
}
