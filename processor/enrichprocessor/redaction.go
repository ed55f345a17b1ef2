package enrichprocessor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
	"slices"
	"strings"
)

// secretKind says how a secret was known.
type secretKind uint8

const (
	secretName       secretKind = iota // by the name of its member, parameter or header
	secretPassword                     // behind a name within a text, before the host of a URL, or a password's hash
	secretToken                        // a JWT, or credentials behind Bearer, Basic or Token
	secretAPIKey                       // by the form a provider gives its keys
	secretPrivateKey                   // a PEM block
	secretCard                         // the number of a payment card
	secretEmail                        // an email address
	secretBlocked                      // by blocked_values
	secretKinds
)

var secretWords = [secretKinds]string{
	"name", "password", "token", "api_key", "private_key", "card", "email", "blocked_value",
}

// searchedKinds are the words of the key kinds.
func searchedKinds() []string { return secretWords[secretPassword : secretEmail+1] }

func secretKindOf(word string) (secretKind, bool) {
	i := slices.Index(searchedKinds(), word)
	return secretPassword + secretKind(max(i, 0)), i >= 0 //nolint:gosec // six words
}

// kindSet is a set of kinds.
type kindSet uint16

func (s kindSet) has(k secretKind) bool { return s&(1<<k) != 0 }

func (s kindSet) without(kinds ...secretKind) kindSet {
	for _, k := range kinds {
		s &^= 1 << k
	}
	return s
}

// masker is what redaction is configured to do. It does not change once the
// key is read.
type masker struct {
	names   nameRules
	search  kindSet
	action  string
	key     []byte
	blocked []*regexp.Regexp
	allowed []*regexp.Regexp
}

func newMasker(c *RedactConfig) (*masker, error) {
	m := &masker{action: c.Action}
	for _, word := range c.Kinds {
		if k, ok := secretKindOf(word); ok {
			m.search |= 1 << k
		}
	}
	var err error
	if m.names, err = newNameRules(c); err != nil {
		return nil, err
	}
	if m.blocked, err = compileAll("redact::blocked_values", c.BlockedValues); err != nil {
		return nil, err
	}
	m.allowed, err = compileAll("redact::allowed_values", c.AllowedValues)
	return m, err
}

func compileAll(key string, list []string) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	for _, expr := range list {
		re, err := regexp.Compile(expr)
		if err != nil {
			return nil, fmt.Errorf("enrich: %s: %w", key, err)
		}
		out = append(out, re)
	}
	return out, nil
}

// redaction is the work of a masker on the events of one ConsumeLogs call, with
// what it found.
type redaction struct {
	*masker
	found [secretKinds]int64
	mac   hash.Hash // made when it is first needed
}

const (
	masked         = "***"
	pseudonymBytes = 16 // of the 32: 128 bits do not collide, and fit any column
)

// replaced reports whether the text is what an earlier redaction left.
func replaced(s string) bool {
	if strings.Trim(s, "*") == "" {
		return true
	}
	return pseudonymEnd(s, 0) == len(s)
}

// pseudonymEnd gives the end of the pseudonym that begins at i; 0 for none.
func pseudonymEnd(s string, i int) int {
	end := i + len(pseudonymPrefix) + 2*pseudonymBytes
	if end > len(s) || !strings.HasPrefix(s[i:], pseudonymPrefix) || strings.Trim(s[i+len(pseudonymPrefix):end], hexDigits) != "" {
		return 0
	}
	return end
}

// keeps reports whether a secret stays: it is replaced already, or allowed.
func (p *redaction) keeps(secret string) bool {
	if replaced(secret) {
		return true
	}
	return slices.ContainsFunc(p.allowed, func(re *regexp.Regexp) bool { return re.MatchString(secret) })
}

// appendSecret writes what takes the place of a secret, and counts it. Within a
// text that is the mask where secrets are removed: nothing in its place would
// make what follows the value of its name.
func (p *redaction) appendSecret(dst []byte, secret string, k secretKind) []byte {
	return p.appendAction(dst, p.action, secret, k)
}

func (p *redaction) appendAction(dst []byte, action, secret string, k secretKind) []byte {
	p.found[k]++
	if action != actionHMAC {
		return append(dst, masked...)
	}
	if p.mac == nil {
		p.mac = hmac.New(sha256.New, p.key)
	}
	p.mac.Reset()
	p.mac.Write([]byte(secret))
	var sum [sha256.Size]byte
	return hex.AppendEncode(append(dst, pseudonymPrefix...), p.mac.Sum(sum[:0])[:pseudonymBytes])
}

// text gives free text with the secrets found in it replaced; text without one
// is given back as it is.
func (p *redaction) text(s string, search kindSet) string {
	if len(s) >= shortestSecret && search != 0 {
		c := textScan{p: p, s: s, search: search}
		s = c.run()
	}
	for _, re := range p.blocked {
		s = p.blockedValue(s, re)
	}
	return s
}

func (p *redaction) blockedValue(s string, re *regexp.Regexp) string {
	var out []byte
	kept := 0
	for _, at := range re.FindAllStringIndex(s, -1) {
		if secret := s[at[0]:at[1]]; secret != "" && !p.keeps(secret) {
			out = p.appendSecret(append(out, s[kept:at[0]]...), secret, secretBlocked)
			kept = at[1]
		}
	}
	if kept == 0 {
		return s
	}
	return string(append(out, s[kept:]...))
}
