package enrichprocessor

import (
	"bytes"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Parts of names that make a value a secret. Names are compared in lower case,
// without separators and trailing digits.
var (
	secretAnywhere = [...][]byte{
		[]byte("password"), []byte("passwd"), []byte("passphrase"), []byte("passcode"), []byte("privatekey"), []byte("apikey"),
		[]byte("secretkey"), []byte("clientsecret"), []byte("accesskey"),
	}
	// secretStems pass over most names: each word of secretAnywhere has one.
	secretStems  = [...][]byte{[]byte("pass"), []byte("key"), []byte("secret")}
	secretEnding = []string{
		"secret", "secrets", "token", "tokens", "authorization", "cookie", "cookies", "credential", "credentials", "pwd", "jwt", "otp",
		"accountkey", "signingkey", "encryptionkey", "sshkey", "masterkey", "cardnumber", "recoverycode", "recoverycodes", "mfacode",
		"samlresponse", "clientassertion", "codeverifier", "amzsignature", "googsignature",
	}
)

// secretWhole are too short or too common to mean a secret within a longer name.
func secretWhole(name []byte) bool {
	switch string(name) {
	case "sessionid", "sessionkey", "phpsessid", "jsessionid", "sid", "pass", "pw", "pin", "cvv", "cvc", "sig", "ssn", "creditcard":
		return true
	}
	return false
}

// nameRules find the names of secrets. The endings are kept by their last byte,
// so that an innocent name meets few of them.
type nameRules struct {
	ending   [256][][]byte
	patterns []*regexp.Regexp
	ignored  map[string]bool
}

func newNameRules(c *RedactConfig) (nameRules, error) {
	var r nameRules
	for _, k := range slices.Concat(secretEnding, c.Keys) {
		if k := plainName(nil, k); len(k) > 0 {
			r.ending[k[len(k)-1]] = append(r.ending[k[len(k)-1]], k)
		}
	}
	if len(c.IgnoredKeys) > 0 {
		r.ignored = make(map[string]bool, len(c.IgnoredKeys))
	}
	for _, k := range c.IgnoredKeys {
		r.ignored[string(plainName(nil, k))] = true
	}
	var err error
	r.patterns, err = compileAll("redact::blocked_key_patterns", c.BlockedKeyPatterns)
	return r, err
}

// plainName writes a name without case, separators and trailing digits.
func plainName(dst []byte, name string) []byte {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c|0x20)
		case c == '-' || c == '_' || c == '.' || c == ' ' || c == '[' || c == ']':
		default:
			dst = append(dst, c)
		}
	}
	for len(dst) > 0 && dst[len(dst)-1]-'0' < 10 {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// nameRoom holds most plain names without an allocation.
const nameRoom = 64

// secret reports whether a member of that name holds a secret.
func (r *nameRules) secret(name string) bool {
	var room [nameRoom]byte
	plain := plainName(room[:0], name)
	return len(plain) > 0 && (r.secretPlain(plain) ||
		slices.ContainsFunc(r.patterns, func(re *regexp.Regexp) bool { return re.MatchString(name) }))
}

func (r *nameRules) secretPlain(plain []byte) bool {
	for _, w := range r.ending[plain[len(plain)-1]] {
		if bytes.HasSuffix(plain, w) {
			return true
		}
	}
	for _, stem := range secretStems {
		if bytes.Contains(plain, stem) {
			return slices.ContainsFunc(secretAnywhere[:], func(w []byte) bool { return bytes.Contains(plain, w) }) || secretWhole(plain)
		}
	}
	return secretWhole(plain)
}

// ignores reports whether the value of that name stays as it is.
func (r *nameRules) ignores(name string) bool {
	if r.ignored == nil {
		return false
	}
	var room [nameRoom]byte
	return r.ignored[string(plainName(room[:0], name))]
}

// secretPath is secret for a field of changed_fields: "credentials.user" lies
// within a secret.
func (r *nameRules) secretPath(path string) bool {
	for rest := path; ; {
		step, next, more := strings.Cut(rest, ".")
		if r.secret(step) {
			return true
		}
		if !more {
			return r.secret(path)
		}
		rest = next
	}
}

// unescaped gives a name as it is meant, when it is percent-encoded.
func unescaped(name string) string {
	if strings.ContainsAny(name, "%+") {
		if u, err := url.QueryUnescape(name); err == nil {
			return u
		}
	}
	return name
}
