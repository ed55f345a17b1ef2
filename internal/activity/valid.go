package activity

import "strings"

// maxValidDepth is the nesting beyond which encoding/json takes no text either.
const maxValidDepth = 10000

// ValidJSON reports what json.Valid reports of s, without a copy and in about a
// quarter of the time: every event passes here more than once.
func ValidJSON(s string) bool {
	i := validValue(s, skipSpace(s, 0), 0)
	return i >= 0 && skipSpace(s, i) == len(s)
}

// The functions below give the index behind what starts at i, -1 when it is not
// well-formed. An index at the end of s is never read.

func validValue(s string, i, depth int) int {
	if i >= len(s) {
		return -1
	}
	switch c := s[i]; {
	case c == '"':
		return validString(s, i)
	case c == '{' || c == '[':
		if depth == maxValidDepth {
			return -1
		}
		return validList(s, i, depth+1)
	case c == '-' || isDigit(c):
		return validNumber(s, i)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(s[i:], word) {
			return i + len(word)
		}
	}
	return -1
}

// validList reads an object or an array.
func validList(s string, i, depth int) int {
	object := s[i] == '{'
	end := byte(']')
	if object {
		end = '}'
	}
	if i = skipSpace(s, i+1); i < len(s) && s[i] == end {
		return i + 1
	}
	for {
		if object {
			if i = validName(s, i); i < 0 {
				return -1
			}
		}
		if i = validValue(s, i, depth); i < 0 {
			return -1
		}
		if i = skipSpace(s, i); i >= len(s) {
			return -1
		}
		if s[i] == end {
			return i + 1
		}
		if s[i] != ',' {
			return -1
		}
		i = skipSpace(s, i+1)
	}
}

// validName reads a name, its colon and the space before the value.
func validName(s string, i int) int {
	if i >= len(s) || s[i] != '"' {
		return -1
	}
	if i = validString(s, i); i < 0 {
		return -1
	}
	if i = skipSpace(s, i); i >= len(s) || s[i] != ':' {
		return -1
	}
	return skipSpace(s, i+1)
}

func validString(s string, i int) int {
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			i++
			if i >= len(s) || strings.IndexByte(`"\/bfnrtu`, s[i]) < 0 {
				return -1
			}
			if s[i] == 'u' {
				if len(s)-i < 5 || !allHex(s[i+1:i+5]) {
					return -1
				}
				i += 4
			}
		}
	}
	return -1
}

func validNumber(s string, i int) int {
	if s[i] == '-' {
		i++
	}
	switch digits := skipDigits(s, i); {
	case digits == i || s[i] == '0' && digits > i+1:
		return -1
	default:
		i = digits
	}
	if i < len(s) && s[i] == '.' {
		start := i + 1
		if i = skipDigits(s, start); i == start {
			return -1
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		start := i + 1
		if start < len(s) && (s[start] == '+' || s[start] == '-') {
			start++
		}
		if i = skipDigits(s, start); i == start {
			return -1
		}
	}
	return i
}

func skipDigits(s string, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func allHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}
