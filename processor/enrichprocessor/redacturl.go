package enrichprocessor

import (
	"net/url"
	"strings"
)

// url replaces the password before the host, the secrets among the parameters
// of the path, the query and the fragment, and what is found anywhere in it.
func (p *redaction) url(u string) string {
	if u == "" {
		return u
	}
	if strings.HasPrefix(u, "//") { // a URL without its scheme
		u = strings.TrimPrefix(p.text("x:"+u, p.search|parametersApart), "x:")
	} else {
		u = p.text(u, p.search|parametersApart)
	}
	path, query, ok := strings.Cut(u, "?")
	if i := strings.IndexAny(path, ";#"); i >= 0 {
		path = path[:i+1] + p.query(path[i+1:])
	}
	if strings.IndexByte(path, '%') >= 0 {
		path = p.encoded(path, url.PathUnescape, escapePath)
	}
	if !ok {
		return path
	}
	return path + "?" + p.query(query)
}

// query replaces the secrets of a query string, and of a fragment behind it, and
// leaves the rest as it is.
func (p *redaction) query(q string) string {
	if q == "" {
		return q
	}
	w := queryRewrite{p: p, q: q}
	for begin := 0; begin <= len(q); {
		begin = w.pair(begin)
	}
	if w.out == nil {
		return q
	}
	return string(append(w.out, q[w.kept:]...))
}

type queryRewrite struct {
	p    *redaction
	q    string
	out  []byte
	kept int // q before it is in out
}

// pair treats the parameter at begin and gives where the next one begins.
func (w *queryRewrite) pair(begin int) int {
	end := indexAny(w.q, begin, "&;#")
	name, value, ok := strings.Cut(w.q[begin:end], "=")
	plain := unescaped(name)
	plain = plain[strings.LastIndexByte(plain, '?')+1:] // a fragment may hold a URL of its own
	at := end - len(value)
	switch {
	case !ok:
		w.replace(begin, end, w.p.encoded(w.q[begin:end], url.QueryUnescape, escapeQuery))
	case w.p.names.ignores(plain):
	case value != "" && w.p.names.secret(plain):
		if end < len(w.q) && w.q[end] == '#' {
			end = indexAny(w.q, end, "&;") // it may as well belong to the secret
		}
		w.secret(begin, at, end)
	default:
		w.replace(at, end, w.p.encoded(value, url.QueryUnescape, escapeQuery))
	}
	return end + 1
}

func (w *queryRewrite) secret(begin, at, end int) {
	meant := unescaped(w.q[at:end])
	if w.p.keeps(meant) {
		return
	}
	if w.p.action == actionRemove {
		w.p.found[secretName]++
		w.out = append(w.out, w.q[w.kept:begin]...)
		if w.kept = end; end < len(w.q) && w.q[end] != '#' {
			w.kept++ // the separator behind it
		} else if n := len(w.out); n > 0 && w.out[n-1] != '#' {
			w.out = w.out[:n-1]
		}
		if w.out == nil {
			w.out = []byte{}
		}
		return
	}
	w.replace(at, end, string(w.p.appendSecret(nil, meant, secretName)))
}

func (w *queryRewrite) replace(from, to int, text string) {
	if w.q[from:to] == text {
		return
	}
	w.out = append(append(w.out, w.q[w.kept:from]...), text...)
	if w.kept = to; w.out == nil {
		w.out = []byte{}
	}
}

// encoded replaces what is found in a percent-encoded text. Without a secret in
// it, it is given back as it is.
func (p *redaction) encoded(text string, unescape func(string) (string, error), escape func(string) string) string {
	if strings.ContainsAny(text, "%+") {
		if meant, err := unescape(text); err == nil {
			if safe := p.text(meant, p.search); safe != meant {
				return escape(safe)
			}
			return text
		}
	}
	return p.text(text, p.search)
}

// escapeQuery and escapePath leave the signs that are a mask readable.
func escapeQuery(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2A", "*") }

func escapePath(s string) string {
	return strings.ReplaceAll((&url.URL{Path: s}).EscapedPath(), "%2A", "*")
}

// indexAny gives where the first of the bytes stands at or behind from, or the
// length of s.
func indexAny(s string, from int, chars string) int {
	if i := strings.IndexAny(s[from:], chars); i >= 0 {
		return from + i
	}
	return len(s)
}
