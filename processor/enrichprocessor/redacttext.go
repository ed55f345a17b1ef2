package enrichprocessor

import (
	"strings"
)

// shortestSecret is the length of pw=x: in a shorter text nothing is found.
const shortestSecret = 4

// parametersApart, in a kindSet, leaves what stands behind a name to the one who
// knows where it ends: in a URL.
const parametersApart kindSet = 1 << 15

// Bounds of what is looked at around a byte, so that the time for a text grows
// with its length alone.
const (
	maxGap       = 4    // brackets, quotes and spaces between a name and its sign
	maxAuthority = 1024 // of a URL
	maxElement   = 4096 // of the text of an XML element
	maxListed    = 4096 // of a list or a map behind a name
	maxLayers    = 2    // of percent-encoding
)

// textScan finds secrets in one pass over a text, without a regular expression:
// it goes from word to word, looks closer at long words, and at those before a
// sign that may give them a value. Text without a secret costs no allocation.
type textScan struct {
	p      *redaction
	s      string
	search kindSet
	layers int // of percent-encoding around the text
	out    []byte
	kept   int // s before it is in out

	// The last word and the one before it.
	begin, end         int
	lastBegin, lastEnd int

	noUser int // no userinfo of a URL before this
	endTag int // where the next </ stands, once it was looked for
}

// wordByte tells the bytes of a word: those of names, keys, tokens and numbers.
var wordByte = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.+~")

func bytesOf(chars string) (set [256]bool) {
	for i := range len(chars) {
		set[chars[i]] = true
	}
	return set
}

func (c *textScan) run() string {
	s := c.s
	for i := 0; i < len(s); {
		begin := i
		for i < len(s) && wordByte[s[i]] {
			i++
		}
		if i > begin {
			c.lastBegin, c.lastEnd, c.begin, c.end = c.begin, c.end, begin, i
			if next := c.word(); next > i {
				i = next
				c.begin, c.end = i, i
				continue
			}
		}
		if i == len(s) {
			break
		}
		if next := c.sign(i); next > i {
			if i = next; c.kept == i {
				c.begin, c.end = i, i
			}
			continue
		}
		i++
	}
	if c.kept == 0 {
		return s
	}
	return string(append(c.out, s[c.kept:]...))
}

// replace puts what takes its place for the secret between from and to, and
// gives to.
func (c *textScan) replace(from, to int, k secretKind) int {
	if from >= to || c.p.keeps(c.s[from:to]) {
		return to
	}
	if end := pseudonymEnd(c.s, from); end >= to {
		return end
	}
	if c.out == nil {
		c.out = make([]byte, 0, len(c.s)+len(pseudonymPrefix)+2*pseudonymBytes)
	}
	c.out = c.p.appendSecret(append(c.out, c.s[c.kept:from]...), c.s[from:to], k)
	c.kept = to
	return to
}

// word looks at the last word and gives where to go on; 0 when it is innocent.
func (c *textScan) word() int {
	w := c.s[c.begin:c.end]
	switch n := len(w); {
	case n >= shortestKey:
		return c.longWord(w)
	case n == 4 && w[0]-'0' < 10 && c.search.has(secretCard):
		return c.card(c.begin)
	case n >= len(pemBegin) && w[n-1] == 'N' && strings.HasSuffix(w, pemBegin):
		return c.pem(c.end - len(pemBegin))
	}
	return 0
}

// longWord tries what begins at each part of a word.
func (c *textScan) longWord(w string) int {
	next := 0
	for i := 0; i < len(w); i++ {
		if i > 0 && (alphanumeric[w[i-1]] || !alphanumeric[w[i]]) || c.begin+i < next {
			continue
		}
		at := c.begin + i
		if end := c.key(at); end > at {
			next = end
		} else if w[i]-'0' < 10 && c.search.has(secretCard) {
			next = max(next, c.card(at))
		}
	}
	if strings.HasSuffix(w, pemBegin) {
		return max(next, c.pem(c.end-len(pemBegin)))
	}
	return next
}

func (c *textScan) card(at int) int {
	if end := cardEnd(c.s, at); end > at {
		return c.replace(at, end, secretCard)
	}
	return 0
}

// pem replaces a private key.
func (c *textScan) pem(at int) int {
	if end := c.pemEnd(at); end > 0 && c.search.has(secretPrivateKey) {
		return c.replace(at, end, secretPrivateKey)
	}
	return 0
}

// pemEnd gives the end of the private key that begins at i (RFC 7468), which is
// that of the text where it is cut off; 0 for no private key.
func (c *textScan) pemEnd(i int) int {
	rest, ok := strings.CutPrefix(c.s[i:], pemBegin)
	if !ok {
		return 0
	}
	if label, _, ok := strings.Cut(rest[:min(len(rest), 64)], "-----"); !ok || !strings.Contains(label, "PRIVATE KEY") {
		return 0
	}
	if _, behind, ok := strings.Cut(rest, "-----END"); ok {
		if _, after, closed := strings.Cut(behind, "-----"); closed {
			return len(c.s) - len(after)
		}
	}
	return len(c.s)
}

// sign looks at a byte that is no word's and gives where to go on; 0 when
// nothing is behind it.
func (c *textScan) sign(i int) int {
	switch c.s[i] {
	case ':':
		if strings.HasPrefix(c.s[i+1:], "//") && c.search.has(secretPassword) {
			return c.authority(i + len("://"))
		}
		if next := c.telegram(i); next > 0 {
			return next
		}
		return c.assigned(i)
	case '=':
		return c.assigned(i)
	case '>':
		return c.element(i)
	case '"', '\'', '`':
		return c.quoted(i)
	case ' ', '\t':
		return c.behindWord(i)
	case '$':
		return c.passwordHash(i)
	case '%':
		return c.encoded(i)
	case '/':
		return c.slashed(i)
	case '@':
		return c.email(i)
	}
	return 0
}

// authority replaces the password of a URL's userinfo (RFC 3986 section 3.2.1),
// also one with a slash that should have been encoded, and a key that stands
// alone there.
func (c *textScan) authority(from int) int {
	if from < c.noUser {
		return 0
	}
	to := min(len(c.s), from+maxAuthority)
	if i := strings.IndexAny(c.s[from:to], " \t\r\n\"'`<>\\"); i >= 0 {
		to = from + i
	}
	all := c.s[from:to]
	if strings.IndexByte(all, '@') < 0 {
		c.noUser = to
		return 0
	}
	host := all
	if i := strings.IndexAny(all, "/?#"); i >= 0 {
		host = all[:i]
	}
	at := strings.LastIndexByte(host, '@')
	if _, port, ok := strings.Cut(host, ":"); at < 0 && ok && strings.Trim(port, "0123456789") != "" {
		at = strings.LastIndexByte(all, '@')
	}
	if at < 0 {
		return 0
	}
	user, password, ok := strings.Cut(all[:at], ":")
	switch {
	case password != "":
		c.replace(from+len(user)+1, from+at, secretPassword)
		return from + at
	case ok || !credible(user, 20):
		return 0
	}
	c.replace(from, from+at, secretPassword)
	return from + at
}

// email replaces an address around the @ at i.
func (c *textScan) email(i int) int {
	if !c.search.has(secretEmail) || c.end != i || c.begin == i || c.begin < c.kept {
		return 0
	}
	to := i + 1
	for to < len(c.s) && (alphanumeric[c.s[to]] || c.s[to] == '-' || c.s[to] == '.' && to+1 < len(c.s) && alphanumeric[c.s[to+1]]) {
		to++
	}
	dot := strings.LastIndexByte(c.s[i+1:to], '.')
	if dot < 1 || to-(i+1+dot) < 3 {
		return 0
	}
	return c.replace(c.begin, to, secretEmail)
}

// encoded looks into a percent-encoded piece of text, which becomes a word when
// there is no secret in it: the name in tok%65n=x.
func (c *textScan) encoded(i int) int {
	if i+2 >= len(c.s) || !isHex(c.s[i+1]) || !isHex(c.s[i+2]) || c.layers == maxLayers {
		return 0
	}
	from, to := i, i
	for from > max(c.kept, i-maxAuthority) && !endsPiece[c.s[from-1]] {
		from--
	}
	for to < len(c.s) && !endsPiece[c.s[to]] {
		to++
	}
	meant := decoded(c.s[from:to])
	for _, text := range [...]string{meant, strings.ReplaceAll(meant, "+", " ")} {
		inner := textScan{p: c.p, s: text, search: c.search &^ parametersApart, layers: c.layers + 1}
		if safe := inner.run(); safe != text {
			escape := escapeQuery
			if strings.IndexByte(c.s[from:to], '/') >= 0 {
				escape = escapePath
			}
			c.out = append(append(c.out, c.s[c.kept:from]...), escape(safe)...)
			c.kept = to
			return to
		}
	}
	c.begin, c.end = from, to
	return to
}

// decoded undoes percent-encoding, and leaves what is none.
func decoded(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, hexValue(s[i+1])<<4|hexValue(s[i+2]))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hexValue(c byte) byte {
	if c -= '0'; c < 10 {
		return c
	}
	return (c + '0' | 0x20) - 'a' + 10
}

// endsPiece tells the bytes that are encoded within a parameter.
var endsPiece = bytesOf(" \t\r\n\"'`<>&?=;,#\\")

func isHex(c byte) bool { return c-'0' < 10 || (c|0x20)-'a' < 6 }
