package enrichprocessor

import (
	"net/url"
	"strings"
)

// url masks the password before the host, and the secrets among the parameters
// of the path, the query and the fragment.
func (m *masker) url(u string) string {
	if !strings.ContainsAny(u, ";?#@") {
		return u
	}
	path, query, ok := strings.Cut(maskPassword(u), "?")
	if i := strings.IndexAny(path, ";#"); i >= 0 {
		path = path[:i+1] + m.query(path[i+1:])
	}
	if !ok {
		return path
	}
	return path + "?" + m.query(query)
}

// maskPassword masks the password of a URL's userinfo (RFC 3986 section 3.2.1).
func maskPassword(u string) string {
	scheme, rest, ok := strings.Cut(u, "//")
	if !ok || scheme != "" && !strings.HasSuffix(scheme, ":") {
		return u
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return u
	}
	user, password, _ := strings.Cut(authority[:at], ":")
	if password == "" {
		return u
	}
	return scheme + "//" + user + ":" + masked + rest[at:]
}

// query masks the secrets of a query string, and of a fragment behind it, and
// leaves the rest as it is.
func (m *masker) query(q string) string {
	if q == "" {
		return q
	}
	var b strings.Builder
	changed := false
	for i, rest := 0, q; ; i++ {
		cut := strings.IndexAny(rest, "&;#")
		pair := rest
		if cut >= 0 {
			pair = rest[:cut]
		}
		name, value, ok := strings.Cut(pair, "=")
		plain := name
		if strings.ContainsAny(name, "%+") {
			if u, err := url.QueryUnescape(name); err == nil {
				plain = u
			}
		}
		plain = plain[strings.LastIndexByte(plain, '?')+1:] // a fragment may hold a URL of its own
		if ok && value != "" && m.secret(plain) {
			if cut >= 0 && rest[cut] == '#' {
				cut = strings.IndexAny(rest, "&;") // it may as well belong to the secret
			}
			if !changed {
				b.WriteString(q[:len(q)-len(rest)])
			}
			changed = true
			b.WriteString(name + "=" + masked)
		} else if changed {
			b.WriteString(pair)
		}
		if cut < 0 {
			break
		}
		if changed {
			b.WriteByte(rest[cut])
		}
		rest = rest[cut+1:]
	}
	if !changed {
		return q
	}
	return b.String()
}
