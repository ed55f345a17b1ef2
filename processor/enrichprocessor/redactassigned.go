package enrichprocessor

import (
	"encoding/base64"
	"strings"
)

// named gives the name before the sign at i: the last word, with no more than
// brackets, quotes and spaces between; "API key" is a name of two words.
func (c *textScan) named(i int) string {
	if c.begin == c.end || i-c.end > maxGap || strings.Trim(c.s[c.end:i], "]\"'`\\ \t") != "" {
		return ""
	}
	name := unescaped(c.s[c.begin:c.end])
	if c.p.names.secret(name) {
		return name
	}
	if strings.EqualFold(name, "key") && c.lastEnd > c.lastBegin && c.begin-c.lastEnd == 1 && c.s[c.lastEnd] == ' ' {
		if both := c.s[c.lastBegin:c.end]; c.p.names.secret(both) {
			return both
		}
	}
	return ""
}

// assigned replaces what a secret's name gets: password=x, "token": "x",
// Cookie: a=b, :secret => 'x'.
func (c *textScan) assigned(i int) int {
	if !c.search.has(secretPassword) || c.search&parametersApart != 0 {
		return 0
	}
	name := c.named(i)
	if name == "" || c.p.names.ignores(name) {
		return 0
	}
	colon := c.s[i] == ':'
	for i < len(c.s) && (c.s[i] == '=' || c.s[i] == ':' || c.s[i] == '>') {
		i++
	}
	spaced := i < len(c.s) && (c.s[i] == ' ' || c.s[i] == '\t')
	from, to, quoted := c.value(i)
	if from >= to {
		return 0
	}
	if !quoted {
		word := strings.ToLower(c.s[from:min(to, from+16)])
		if empty(word) || colon && spaced && (prose(word) || ambiguous(name)) {
			return 0
		}
		to = max(to, c.wholeHeader(name, from, to, colon))
	}
	return c.replace(from, to, secretPassword)
}

// ambiguous are names that in prose before a colon mean something else.
func ambiguous(name string) bool {
	switch strings.ToLower(name) {
	case "pass", "sid", "sig":
		return true
	}
	return false
}

// empty are the words for no value.
func empty(word string) bool {
	switch strings.TrimRight(word, ",;.)]}") {
	case "", "null", "none", "nil", "undefined", "true", "false":
		return true
	}
	return false
}

// prose are words that begin a sentence about a secret: no value begins so.
func prose(word string) bool {
	switch strings.TrimRight(word, ",;.)]}:!") {
	case "must", "should", "cannot", "can't", "is", "was", "are", "has", "does", "this", "the", "a", "an", "your", "not", "no", "too",
		"enter", "please", "required", "invalid", "incorrect", "wrong", "expired", "missing", "mismatch", "changed", "reset", "updated",
		"failed", "failure", "denied", "rejected", "revoked", "verified", "valid", "unauthorized", "unauthorised", "forbidden", "signature",
		"length", "str", "string", "int", "bytes", "bool", "optional", "any", "unknown", "unexpected", "cookie", "session":
		return true
	}
	return false
}

// value gives the bounds of the value that begins at or behind i.
func (c *textScan) value(i int) (from, to int, quoted bool) {
	s := c.s
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	if i+1 < len(s) && strings.IndexByte("uUbBrRfF", s[i]) >= 0 && (s[i+1] == '"' || s[i+1] == '\'') {
		i++ // Python's letter before a string
	}
	open := i
	for i < len(s) && s[i] == '\\' {
		i++
	}
	if i < len(s) && (s[i] == '"' || s[i] == '\'' || s[i] == '`') {
		return i + 1, c.closing(i+1, s[i], i-open), true
	}
	if open < len(s) && (s[open] == '[' || s[open] == '{') {
		return open, c.listed(open), false
	}
	return open, c.wordEnd(open), false
}

// closing gives where the quote is that ends a value, with at most as many
// backslashes before it as before the one that opens it.
func (c *textScan) closing(from int, quote byte, slashes int) int {
	n := 0
	for i := from; i < len(c.s); i++ {
		switch c.s[i] {
		case '\\':
			n++
			continue
		case quote:
			if n <= slashes {
				return i - n
			}
		}
		n = 0
	}
	return len(c.s)
}

// listed gives the end of a list or map, or of its line.
func (c *textScan) listed(from int) int {
	depth := 0
	for i := from; i < len(c.s) && i < from+maxListed; i++ {
		switch c.s[i] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return c.lineEnd(from, 0)
}

// wordEnd gives the end of a value without quotes. Signs that may end it belong
// to it where nothing else begins behind them.
func (c *textScan) wordEnd(from int) int {
	s := c.s
	i := from
	for ; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t', '\r', '\n', '<':
			return trimmedEnd(s, from, i)
		case '"', '\'', '`':
			if i == from || i+1 == len(s) || !alphanumeric[s[i-1]] || !alphanumeric[s[i+1]] {
				return trimmedEnd(s, from, i)
			}
		case '\\':
			if i+1 < len(s) && strings.IndexByte(`nrt"'`, s[i+1]) >= 0 {
				return trimmedEnd(s, from, i)
			}
		case ',', ';', '&', ')':
			if beginsPair(s[i+1 : min(len(s), i+1+nameRoom)]) {
				return trimmedEnd(s, from, i)
			}
		}
	}
	return trimmedEnd(s, from, i)
}

func trimmedEnd(s string, from, to int) int {
	for to > from+1 && strings.IndexByte(",;.)]}", s[to-1]) >= 0 {
		to--
	}
	return to
}

// beginsPair reports whether a text begins with name=.
func beginsPair(s string) bool {
	i := 0
	for i < len(s) && (wordByte[s[i]] || s[i] == ' ' && i == 0) {
		i++
	}
	return i > 0 && i < len(s) && s[i] == '='
}

// lineEnd gives the end of a line; with a quote, that quote as well ends it.
func (c *textScan) lineEnd(from int, quote byte) int {
	for i := from; i < len(c.s); i++ {
		switch b := c.s[i]; {
		case b == '\n' || b == '\r' || quote != 0 && b == quote:
			return i
		case b == '\\' && i+1 < len(c.s) && (c.s[i+1] == 'n' || c.s[i+1] == 'r'):
			return i
		}
	}
	return len(c.s)
}

// wholeHeader gives the end of what belongs to a value: a private key, the
// credentials behind their scheme (RFC 9110 section 11.4), all of a cookie.
func (c *textScan) wholeHeader(name string, from, to int, colon bool) int {
	if end := max(c.pemEnd(from), c.hashEnd(from)); end > 0 {
		return end
	}
	lower := strings.ToLower(name)
	if colon && (strings.HasSuffix(lower, "authorization") || strings.HasSuffix(lower, "cookie")) {
		var quote byte
		if c.begin > 0 && (c.s[c.begin-1] == '"' || c.s[c.begin-1] == '\'') {
			quote = c.s[c.begin-1]
		}
		return c.lineEnd(from, quote)
	}
	if to < len(c.s) && c.s[to] == ' ' && isScheme(c.s[from:to]) {
		return c.wordEnd(to + 1)
	}
	return to
}

func isScheme(word string) bool {
	switch strings.ToLower(word) {
	case "bearer", "basic", "token", "jwt", "apikey", "digest":
		return true
	}
	return false
}

// element replaces the text of an XML element: <password>x</password>.
func (c *textScan) element(i int) int {
	if c.end != i || strings.HasSuffix(c.s[:c.begin], "</") || !c.search.has(secretPassword) || c.named(i) == "" {
		return 0
	}
	if c.endTag < i { // looked for once, however many elements are open
		c.endTag = len(c.s) + maxElement
		if to := strings.Index(c.s[i:], "</"); to >= 0 {
			c.endTag = i + to
		}
	}
	if c.endTag < i+2 || c.endTag >= i+maxElement {
		return 0
	}
	return c.replace(i+1, c.endTag, secretPassword)
}

// quoted replaces what is quoted behind a word for a password: PASSWORD 'x',
// IDENTIFIED BY 'x', password is "x".
func (c *textScan) quoted(i int) int {
	if c.begin == c.end || i-c.end > maxGap || i == c.end || strings.Trim(c.s[c.end:i], " \t") != "" || !c.search.has(secretPassword) {
		return 0
	}
	name := c.s[c.begin:c.end]
	switch strings.ToLower(name) {
	case "by":
		if !strings.EqualFold(c.s[c.lastBegin:c.lastEnd], "identified") {
			return 0
		}
	case "is", "was", "to":
		if !passwordWord(c.s[c.lastBegin:c.lastEnd]) {
			return 0
		}
	default:
		if !passwordWord(name) {
			return 0
		}
	}
	to := c.closing(i+1, c.s[i], 0)
	if to == len(c.s) {
		return 0 // an apostrophe
	}
	return c.replace(i+1, to, secretPassword)
}

func passwordWord(w string) bool {
	w = strings.ToLower(w)
	return strings.HasPrefix(w, "passw") || w == "pwd" || w == "passphrase"
}

// behindWord replaces what follows a word and a space: Bearer x, Basic x,
// Token x, --password x.
func (c *textScan) behindWord(i int) int {
	if c.end != i || c.end-c.begin < 3 {
		return 0
	}
	w := c.s[c.begin:c.end]
	if w[0] == '-' {
		if w[1] != '-' || !c.search.has(secretPassword) || !c.p.names.secret(w) {
			return 0
		}
		from, to, quoted := c.value(i)
		if from < to && (c.s[from] != '-' || strings.HasPrefix(c.s[from:], pemBegin)) {
			if !quoted {
				to = max(to, c.wholeHeader(w, from, to, false))
			}
			return c.replace(from, to, secretPassword)
		}
		return 0
	}
	if len(w) > len("bearer") || !beginsScheme[w[0]] || !c.search.has(secretToken) {
		return 0
	}
	from := i + 1
	to := bodyEnd(c.s, from, &credentialByte)
	for to < len(c.s) && c.s[to] == '=' {
		to++
	}
	if to < len(c.s) && alphanumeric[c.s[to]] {
		return 0 // name=value
	}
	if isCredential(w, strings.TrimRight(c.s[from:to], ".")) {
		return c.replace(from, to, secretToken)
	}
	return 0
}

// beginsScheme tells the first bytes of the schemes that isCredential knows.
var beginsScheme = bytesOf("BbTtAa")

// credentialByte tells the bytes of token68 (RFC 9110 section 11.2) before the
// signs that fill it up.
var credentialByte = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")

func isCredential(scheme, text string) bool {
	switch {
	case strings.EqualFold(scheme, "bearer"):
		return credible(text, 8)
	case strings.EqualFold(scheme, "token"), strings.EqualFold(scheme, "apikey"):
		return credible(text, 20)
	case strings.EqualFold(scheme, "basic"):
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		return err == nil && strings.IndexByte(string(raw), ':') > 0
	}
	return false
}

// credible reports whether a text is long enough for a secret, and has a digit
// and a letter, as no word of a sentence has.
func credible(s string, minimum int) bool {
	return len(s) >= minimum && strings.ContainsAny(s, "0123456789") &&
		strings.ContainsAny(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
}
