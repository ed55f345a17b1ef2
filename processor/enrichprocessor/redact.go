package enrichprocessor

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// RedactConfig masks secrets.
type RedactConfig struct {
	Session string   `mapstructure:"session"` // hash, keep
	Keys    []string `mapstructure:"keys"`
}

const (
	sessionHash = "hash"
	sessionKeep = "keep"
)

func defaultRedact() RedactConfig { return RedactConfig{Session: sessionHash} }

func (c *RedactConfig) validate(p *problems) {
	p.oneOf("redact::session", c.Session, sessionHash, sessionKeep)
}

const masked = "***"

// Parts of names that make a value a secret. Names are compared in lower case,
// without separators and trailing digits.
var (
	secretAnywhere = []string{
		"password", "passwd", "passphrase", "privatekey", "apikey", "secretkey", "clientsecret", "accesskey",
	}
	secretEnding = []string{
		"secret", "secrets", "token", "tokens", "authorization", "cookie", "cookies", "credential", "credentials", "pwd", "jwt", "otp",
	}
	// secretWhole are too short or too common to mean a secret within a longer name.
	secretWhole = []string{
		"sessionid", "sessionkey", "phpsessid", "jsessionid", "sid", "pass", "pin", "cvv", "cvc", "sig",
	}
)

// masker finds the names of secrets. The endings are kept by their last byte, so
// that an innocent name meets few of them.
type masker struct{ ending [256][]string }

func newMasker(extra []string) *masker {
	m := &masker{}
	for _, k := range slices.Concat(secretEnding, extra) {
		if k = plainName(k); k != "" {
			last := k[len(k)-1]
			m.ending[last] = append(m.ending[last], k)
		}
	}
	return m
}

// redact masks secrets in everything a client wrote that names them.
func (e *enricher) redact(in *intake) {
	ev := &in.event
	ev.QueryString = e.mask.query(ev.QueryString)
	ev.URL, ev.Origin = e.mask.url(ev.URL), e.mask.url(ev.Origin)
	if ev.ObjectJSONRepr != "" {
		ev.ObjectJSONRepr = e.safeJSON(in, activity.FieldObjectJSONRepr, ev.ObjectJSONRepr)
	}
	if ev.ChangedFields != "" {
		ev.ChangedFields = e.safeJSON(in, activity.FieldChangedFields, ev.ChangedFields)
	}
	if ev.SessionKey != "" && !in.sessionDone && e.cfg.Redact.Session == sessionHash && !e.cfg.TrustUpstream {
		ev.SessionKey = hashSession(ev.SessionKey)
	}
}

func plainName(name string) string {
	clean := true
	for i := range len(name) {
		if c := name[i]; c < 'a' || c > 'z' {
			clean = false
			break
		}
	}
	if clean {
		return name
	}
	b := make([]byte, 0, 32)
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'A' && c <= 'Z':
			b = append(b, c|0x20)
		case c == '-' || c == '_' || c == '.' || c == ' ' || c == '[' || c == ']':
		default:
			b = append(b, c)
		}
	}
	return strings.TrimRight(string(b), "0123456789")
}

// secret reports whether a member of that name holds a secret.
func (m *masker) secret(name string) bool {
	if name = plainName(name); name == "" {
		return false
	}
	for _, w := range secretAnywhere {
		if strings.Contains(name, w) {
			return true
		}
	}
	for _, w := range m.ending[name[len(name)-1]] {
		if strings.HasSuffix(name, w) {
			return true
		}
	}
	return slices.Contains(secretWhole, name)
}

// json masks the members of valid JSON that hold secrets, at any depth. Text
// without one is given back as it is.
func (m *masker) json(text string) string { return m.rewrite(text, `"`+masked+`"`) }

// changes masks like json and keeps the shape {"field": [old, new]}.
func (m *masker) changes(text string) string {
	return m.rewrite(text, `["`+masked+`","`+masked+`"]`)
}

func (m *masker) rewrite(text, top string) string {
	var b strings.Builder
	kept, depth := 0, 0
	for i := 0; i < len(text); {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := endOfString(text, i)
			colon := skipSpace(text, end)
			if colon >= len(text) || text[colon] != ':' {
				i = end
				continue
			}
			start := skipSpace(text, colon+1)
			if !m.secret(memberName(text[i:end])) {
				i = start
				continue
			}
			stop := endOfValue(text, start)
			if text[start:stop] != "null" {
				b.WriteString(text[kept:start])
				if depth == 1 {
					b.WriteString(top)
				} else {
					b.WriteString(`"` + masked + `"`)
				}
				kept = stop
			}
			i = stop
			continue
		}
		i++
	}
	if kept == 0 {
		return text
	}
	b.WriteString(text[kept:])
	return b.String()
}

func memberName(quoted string) string {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	if err := json.Unmarshal([]byte(quoted), &s); err != nil {
		return quoted
	}
	return s
}

func keepSet(names []string) map[string]bool {
	keep := make(map[string]bool, len(names))
	for _, n := range names {
		keep[strings.ToLower(n)] = true
	}
	return keep
}
