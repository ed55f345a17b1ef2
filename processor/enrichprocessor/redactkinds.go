package enrichprocessor

import (
	"slices"
	"strings"
)

const (
	pemBegin = "-----BEGIN"

	// shortestKey and shortestCard are the lengths below which no word is tried.
	shortestKey  = 14
	shortestCard = 14
)

var alphanumeric = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

// The bytes that follow a prefix.
var (
	bodyURL   = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
	bodyDots  = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
	bodyUpper = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
	bodyHex   = bytesOf("0123456789abcdef")
	bodyToken = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~+/=")
)

// keyForm is the form that a provider gives its keys.
type keyForm struct {
	prefix  string
	body    *[256]bool
	least   int // bytes of the body
	exactly bool
	kind    secretKind
}

// keyForms are by their first byte, from each provider's documentation.
var keyForms = formsByFirst([]keyForm{
	// Amazon: long-lived and temporary access keys.
	{"AKIA", &bodyUpper, 16, true, secretAPIKey},
	{"ASIA", &bodyUpper, 16, true, secretAPIKey},
	// GitHub, GitLab.
	{"ghp_", &bodyURL, 36, false, secretAPIKey},
	{"gho_", &bodyURL, 36, false, secretAPIKey},
	{"ghu_", &bodyURL, 36, false, secretAPIKey},
	{"ghs_", &bodyURL, 36, false, secretAPIKey},
	{"ghr_", &bodyURL, 36, false, secretAPIKey},
	{"github_pat_", &bodyURL, 40, false, secretAPIKey},
	{"glpat-", &bodyURL, 20, false, secretAPIKey},
	{"gldt-", &bodyURL, 20, false, secretAPIKey},
	{"glrt-", &bodyURL, 20, false, secretAPIKey},
	{"glptt-", &bodyURL, 20, false, secretAPIKey},
	{"glcbt-", &bodyURL, 20, false, secretAPIKey},
	// Slack, Discord's and Telegram's stand elsewhere.
	{"xoxb-", &bodyURL, 10, false, secretAPIKey},
	{"xoxp-", &bodyURL, 10, false, secretAPIKey},
	{"xoxa-", &bodyURL, 10, false, secretAPIKey},
	{"xoxr-", &bodyURL, 10, false, secretAPIKey},
	{"xoxs-", &bodyURL, 10, false, secretAPIKey},
	{"xoxe-", &bodyURL, 10, false, secretAPIKey},
	{"xoxe.", &bodyDots, 10, false, secretAPIKey},
	{"xapp-", &bodyURL, 10, false, secretAPIKey},
	// Stripe, Square, Shopify.
	{"sk_live_", &bodyURL, 16, false, secretAPIKey},
	{"sk_test_", &bodyURL, 16, false, secretAPIKey},
	{"rk_live_", &bodyURL, 16, false, secretAPIKey},
	{"rk_test_", &bodyURL, 16, false, secretAPIKey},
	{"whsec_", &bodyURL, 16, false, secretAPIKey},
	{"sq0atp-", &bodyURL, 22, false, secretAPIKey},
	{"sq0csp-", &bodyURL, 22, false, secretAPIKey},
	{"shpat_", &bodyHex, 32, false, secretAPIKey},
	{"shpss_", &bodyHex, 32, false, secretAPIKey},
	{"shpca_", &bodyHex, 32, false, secretAPIKey},
	{"shppa_", &bodyHex, 32, false, secretAPIKey},
	// Google: API keys, OAuth access tokens and client secrets.
	{"AIza", &bodyURL, 35, false, secretAPIKey},
	{"ya29.", &bodyDots, 20, false, secretAPIKey},
	{"GOCSPX-", &bodyURL, 20, false, secretAPIKey},
	// Models.
	{"sk-proj-", &bodyURL, 20, false, secretAPIKey},
	{"sk-svcacct-", &bodyURL, 20, false, secretAPIKey},
	{"sk-ant-", &bodyURL, 20, false, secretAPIKey},
	{"sk-", &alphanumeric, 32, false, secretAPIKey},
	{"hf_", &alphanumeric, 30, false, secretAPIKey},
	// Mail.
	{"SG.", &bodyDots, 40, false, secretAPIKey},
	{"key-", &bodyHex, 32, true, secretAPIKey},
	{"xkeysib-", &bodyURL, 40, false, secretAPIKey},
	// Packages and platforms.
	{"npm_", &alphanumeric, 36, false, secretAPIKey},
	{"pypi-AgE", &bodyURL, 40, false, secretAPIKey},
	{"rubygems_", &bodyHex, 48, false, secretAPIKey},
	{"dckr_pat_", &bodyURL, 20, false, secretAPIKey},
	{"dop_v1_", &bodyHex, 64, false, secretAPIKey},
	{"doo_v1_", &bodyHex, 64, false, secretAPIKey},
	{"hvs.", &bodyURL, 24, false, secretAPIKey},
	{"hvb.", &bodyURL, 24, false, secretAPIKey},
	{"dapi", &bodyHex, 32, false, secretAPIKey},
	{"glsa_", &bodyURL, 32, false, secretAPIKey},
	{"lin_api_", &alphanumeric, 32, false, secretAPIKey},
	{"PMAK-", &bodyURL, 40, false, secretAPIKey},
	{"NRAK-", &bodyUpper, 27, false, secretAPIKey},
	{"pscale_", &bodyURL, 32, false, secretAPIKey},
	{"AGE-SECRET-KEY-1", &bodyUpper, 50, false, secretAPIKey},
	{"SK", &bodyHex, 32, true, secretAPIKey}, // Twilio
	// Credentials whose space is encoded.
	{"Bearer+", &bodyToken, 16, false, secretToken},
})

func formsByFirst(forms []keyForm) (byFirst [256][]keyForm) {
	for _, f := range forms {
		byFirst[f.prefix[0]] = append(byFirst[f.prefix[0]], f)
	}
	return byFirst
}

// bodyEnd gives where the bytes of the set end.
func bodyEnd(s string, from int, set *[256]bool) int {
	for from < len(s) && set[s[from]] {
		from++
	}
	return from
}

// key replaces a key or a JWT that begins at i, and gives its end; 0 for none.
func (c *textScan) key(i int) int {
	forms := keyForms[c.s[i]]
	for k := range forms {
		f := &forms[k]
		if !strings.HasPrefix(c.s[i:], f.prefix) || !c.search.has(f.kind) {
			continue
		}
		from := i + len(f.prefix)
		end := bodyEnd(c.s, from, f.body)
		if end-from < f.least || f.exactly && (end-from != f.least || end < len(c.s) && alphanumeric[c.s[end]]) {
			continue
		}
		return c.replace(i, end, f.kind)
	}
	if strings.HasPrefix(c.s[i:], "eyJ") && c.search.has(secretToken) {
		return c.jwt(i)
	}
	return 0
}

// jwt replaces a token in the compact form (RFC 7515 section 3.1, RFC 7516), and
// what the signed cookies of web frameworks make of it.
func (c *textScan) jwt(i int) int {
	head := bodyEnd(c.s, i, &bodyURL)
	if head == len(c.s) || c.s[head] != '.' {
		return 0
	}
	end := bodyEnd(c.s, head, &bodyDots)
	if end-head < 5 {
		return 0
	}
	return c.replace(i, end, secretToken)
}

// telegram replaces a bot's token, 123456789:AA..., at its colon.
func (c *textScan) telegram(i int) int {
	if n := i - c.begin; c.end != i || n < 8 || n > 13 || !strings.HasPrefix(c.s[i:], ":AA") || !c.search.has(secretAPIKey) {
		return 0
	}
	if strings.Trim(strings.TrimPrefix(c.s[c.begin:i], "bot"), "0123456789") != "" || c.begin < c.kept {
		return 0
	}
	if end := bodyEnd(c.s, i+1, &bodyURL); end-i > 33 {
		return c.replace(c.begin, end, secretAPIKey)
	}
	return 0
}

// slashed replaces what stands behind a slash: the path of a Slack webhook, and
// a Google refresh token.
func (c *textScan) slashed(i int) int {
	if c.end != i || !c.search.has(secretAPIKey) {
		return 0
	}
	rest := c.s[i:]
	switch w := c.s[c.begin:c.end]; {
	case w == "hooks.slack.com" && strings.HasPrefix(rest, "/services/"):
		from := i + len("/services/")
		end := from
		for end < len(c.s) && (c.s[end] == '/' || alphanumeric[c.s[end]]) {
			end++
		}
		return c.replace(from, end, secretAPIKey)
	case w == "1" && strings.HasPrefix(rest, "//0"):
		if end := bodyEnd(c.s, i+2, &bodyURL); end-i > 40 {
			return c.replace(c.begin, end, secretAPIKey)
		}
	}
	return 0
}

// hashForms are how stored passwords begin: crypt(3) and Django's encodings.
var (
	cryptForms  = [...]string{"$2a$", "$2b$", "$2y$", "$argon2", "$5$", "$6$", "$1$", "$y$", "$pbkdf2", "$scrypt"}
	djangoForms = [...]string{"pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt", "md5", "sha1"}
	hashByte    = bytesOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789$./,=+-_")
)

// shortestHash is that of MD5 without its salt, in crypt(3)'s form.
const shortestHash = 26

// passwordHash replaces a stored password at its first dollar sign.
func (c *textScan) passwordHash(i int) int {
	if !c.search.has(secretPassword) {
		return 0
	}
	if end := c.hashEnd(i); end > 0 {
		return c.replace(i, end, secretPassword)
	}
	if c.end != i || c.begin < c.kept || !slices.Contains(djangoForms[:], c.s[c.begin:i]) {
		return 0
	}
	if end := bodyEnd(c.s, i, &hashByte); end-i >= shortestHash {
		return c.replace(c.begin, end, secretPassword)
	}
	return 0
}

// hashEnd gives the end of the password in crypt(3)'s form that begins at i; 0
// for none.
func (c *textScan) hashEnd(i int) int {
	if c.s[i] != '$' {
		return 0
	}
	for _, form := range cryptForms {
		if strings.HasPrefix(c.s[i:], form) {
			if end := bodyEnd(c.s, i, &hashByte); end-i >= shortestHash {
				return end
			}
		}
	}
	return 0
}
