package enrichprocessor

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// webOrigin is the tuple of RFC 6454 section 4 in lower case, its port "" for
// the default one of the scheme.
type webOrigin struct{ scheme, host, port string }

const nullOrigin = "null" // an opaque origin, RFC 6454 section 6.1

// parseOrigin reads the ASCII serialization of an origin (RFC 6454 section 6.2).
func parseOrigin(s string) (o webOrigin, ok bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !validScheme(scheme) {
		return o, false
	}
	o.scheme = strings.ToLower(scheme)
	o.host, o.port, ok = splitAuthority(rest)
	if o.port == defaultPort(o.scheme) {
		o.port = ""
	}
	return o, ok
}

// originOf gives the origin of an absolute URL, "" when it has none. The user
// information before the host is no part of it.
func originOf(u string) string {
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?#\\"); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if _, ok := parseOrigin(scheme + "://" + rest); !ok {
		return ""
	}
	return strings.ToLower(scheme + "://" + rest)
}

// splitAuthority reads host[:port]; the host in lower case.
func splitAuthority(s string) (host, port string, ok bool) {
	host = s
	if strings.HasPrefix(s, "[") { // IPv6, RFC 3986 section 3.2.2
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", false
		}
		host, s = s[:end+1], s[end+1:]
		if s != "" && s[0] != ':' {
			return "", "", false
		}
		port = strings.TrimPrefix(s, ":")
		if a, err := netip.ParseAddr(host[1:end]); err != nil || !a.Is6() || a.Zone() != "" || s == ":" {
			return "", "", false
		}
	} else if at := strings.IndexByte(s, ':'); at >= 0 {
		host, port = s[:at], s[at+1:]
		if port == "" {
			return "", "", false
		}
	}
	if host == "" || host[0] != '[' && !validHost(host) {
		return "", "", false
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '0' {
			return "", "", false
		}
	}
	return strings.ToLower(host), port, true
}

func validScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || s[i] != '+' && s[i] != '-' && s[i] != '.' && (s[i] < '0' || s[i] > '9')) {
			return false
		}
	}
	return s != ""
}

// validHost takes the characters of a registered name that a browser sends.
func validHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if lower := c | 0x20; (lower < 'a' || lower > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
}

// originList says which origins may call.
type originList struct {
	any, opaque bool
	exact       map[webOrigin]bool
	below       []webOrigin // any host that ends in theirs, a dot first
}

// newOriginList reads entries like https://app.example.com, https://*.example.com
// (every name below it, not itself), null and * (every origin).
func newOriginList(entries []string) (*originList, error) {
	l := &originList{exact: map[webOrigin]bool{}}
	var wrong problems
	for i, entry := range entries {
		scheme, host, _ := strings.Cut(entry, "://")
		parent, wild := strings.CutPrefix(host, "*.")
		switch o, ok := parseOrigin(scheme + "://" + parent); {
		case entry == "*":
			l.any = true
		case entry == nullOrigin:
			l.opaque = true
		case ok && wild:
			o.host = "." + o.host
			l.below = append(l.below, o)
		case ok:
			l.exact[o] = true
		default:
			wrong.add(fmt.Sprintf("cors::allowed_origins::%d", i), fmt.Errorf("%q: %w", entry, errOriginEntry))
		}
	}
	return l, wrong.err()
}

var errOriginEntry = errors.New("is no origin; write https://app.example.com, https://*.example.com, null or *, without a path")

// verdict says whether an origin may call; unknown without a list or an origin.
func (l *originList) verdict(origin string) activity.Allowed {
	switch {
	case origin == "" || !l.any && !l.opaque && len(l.exact) == 0 && len(l.below) == 0:
		return activity.AllowedUnknown
	case l.any || origin == nullOrigin && l.opaque:
		return activity.AllowedYes
	}
	o, ok := parseOrigin(origin)
	if !ok {
		return activity.AllowedNo
	}
	if l.exact[o] {
		return activity.AllowedYes
	}
	for _, b := range l.below {
		if b.scheme == o.scheme && b.port == o.port && len(o.host) > len(b.host) && strings.HasSuffix(o.host, b.host) {
			return activity.AllowedYes
		}
	}
	return activity.AllowedNo
}
