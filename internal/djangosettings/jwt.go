package djangosettings

import (
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/pyliteral"
)

const simpleJWT = "SIMPLE_JWT"

// first gives the first of the settings that is given and not None.
func first(settings ...func() (setting, bool)) (setting, bool) {
	for _, get := range settings {
		if s, ok := get(); ok && s.Value != nil {
			return s, true
		}
	}
	return setting{}, false
}

func (c *converter) key(name string) func() (setting, bool) {
	return func() (setting, bool) { return c.get(name) }
}

func (c *converter) simple(name string) func() (setting, bool) {
	return func() (setting, bool) { return c.member(simpleJWT, name) }
}

func (c *converter) jwt(y *yamlText) {
	verify, given := c.get("JWT_VERIFY_SIGNATURE")
	on := c.flag("JWT_VERIFY_SIGNATURE", false)
	y.block("jwt", func() {
		y.line("verify:", "optional", "a token that fails names nobody")
		if on {
			c.verification(y)
		} else {
			if !given {
				verify.name = "JWT_VERIFY_SIGNATURE"
			}
			c.add(Differs, verify, "signatures are not verified, as there; such events say auth_verified: unverified, and anybody can name anybody. Set it to True and convert again")
			for _, key := range []string{"JWT_ALGORITHM", "JWT_ALGORITHMS", "JWT_SECRET_KEY", "JWT_PUBLIC_KEY"} {
				if s, ok := first(c.key(key)); ok {
					c.add(Differs, s, "left out, as nothing is verified")
				}
			}
		}
		if s, ok := first(c.key("JWT_AUTH_HEADER_PREFIX"), c.simple("AUTH_HEADER_TYPES")); ok {
			if words := c.texts(s, true); len(words) > 0 {
				y.list("header_prefixes", words, s.origin())
			}
		}
		if s, ok := c.simple("AUTH_HEADER_NAME")(); ok && s.Value != "HTTP_AUTHORIZATION" {
			c.add(Lost, s, "tokens are looked for in the Authorization header; let the application report its header under that name")
		}
		c.claims(y)
	})
}

func (c *converter) claims(y *yamlText) {
	user, ok := c.simple("USER_ID_CLAIM")()
	id, named := c.text(user, ok)
	jti, ok := c.simple("JTI_CLAIM")()
	session, sessions := c.text(jti, ok)
	named, sessions = named && id != "user_id", sessions && session != "jti"
	if !named && !sessions {
		return
	}
	y.block("claims", func() {
		if named {
			list := slices.DeleteFunc([]string{"user_id", "sub", "pk", "id"}, func(s string) bool { return s == id })
			y.list("user_id", append([]string{id}, list...), user.origin())
		}
		if sessions {
			y.list("session", []string{"sid", session}, jti.origin())
		}
	})
}

// every is the package's default, which does not narrow anything down.
const every = 12

// verification writes the key, with the algorithms that go with it.
func (c *converter) verification(y *yamlText) {
	main, alg := setting{name: "JWT_ALGORITHM"}, "HS256"
	if s, ok := first(c.key("JWT_ALGORITHM"), c.simple("ALGORITHM")); ok {
		if text, ok := c.text(s, true); ok {
			main, alg = s, text
		}
	}
	family := familyOf(alg)
	if family == "" {
		c.add(Lost, main, "%s is no algorithm of the collector (HS, RS, ES, PS with 256, 384, 512); no key is written", strconv.Quote(cut(alg)))
		return
	}
	algorithms := []string{alg}
	s, given := c.get("JWT_ALGORITHMS")
	list := c.texts(s, given)
	var others []string
	for _, a := range list {
		switch {
		case slices.Contains(algorithms, a):
		case familyOf(a) == family && family != "ES" && len(list) < every:
			algorithms = append(algorithms, a)
		default:
			others = append(others, cut(a))
		}
	}
	if len(others) > 0 && len(list) < every {
		c.add(Differs, s, "%q do not go with the key of %s and are left out; a key of their own needs an entry of its own in jwt::keys", others, alg)
	}
	if s, ok := c.simple("LEEWAY")(); ok {
		if leeway := seconds(s.Value); leeway > 0 {
			y.line("leeway:", strconv.FormatFloat(leeway, 'f', -1, 64)+"s", s.origin())
		} else if leeway < 0 {
			c.wrong(s, "seconds")
		}
	}
	var material, origin string
	unused := "JWT_PUBLIC_KEY"
	if family == "HS" {
		material, origin = c.secret()
	} else {
		material, origin = c.publicKey(family)
		unused = "JWT_SECRET_KEY"
	}
	if s, ok := first(c.key(unused)); ok {
		c.add(Differs, s, "left out, as %s has no use for it", alg)
	}
	issuer, ok := c.simple("ISSUER")()
	iss, _ := c.text(issuer, ok)
	audience, ok := c.simple("AUDIENCE")()
	audiences := c.texts(audience, ok)
	if len(audiences) > 10 {
		c.add(Lost, audience, "more than ten audiences; the first ten are converted")
		audiences = audiences[:10]
	}
	if len(audiences) == 0 {
		audiences = []string{""}
	}
	y.line("keys:", "", origin)
	for _, aud := range audiences {
		y.line("  - "+material, "", "")
		y.level += 2
		y.list("algorithms", algorithms, "")
		if iss != "" {
			y.line("issuer:", quote(iss), issuer.origin())
		}
		if aud != "" {
			y.line("audience:", quote(aud), audience.origin())
		}
		y.level -= 2
	}
}

// seconds gives a duration, -1 for what is none.
func seconds(v any) float64 {
	switch v := v.(type) {
	case nil:
		return 0
	case int64:
		return float64(v)
	case pyliteral.Duration:
		return float64(v)
	}
	return -1
}

// familyOf gives what an algorithm's key is, "" for an unknown one. RSA keys
// serve RS and PS.
func familyOf(alg string) string {
	if len(alg) != 5 || !slices.Contains([]string{"256", "384", "512"}, alg[2:]) {
		return ""
	}
	switch alg[:2] {
	case "HS", "ES":
		return alg[:2]
	case "RS", "PS":
		return "RS"
	}
	return ""
}

// secret names the file of the shared secret. No variable of the environment
// stands for it, as the collector would expand a $ in its value.
func (c *converter) secret() (line, origin string) {
	s, ok := first(c.key("JWT_SECRET_KEY"), c.simple("SIGNING_KEY"), func() (setting, bool) { return c.top("SECRET_KEY") })
	if !ok {
		s.name = "SECRET_KEY"
	}
	what := "its value"
	switch v := s.Value.(type) {
	case pyliteral.Env:
		what = "the value of the environment variable " + v.Name
	case pyliteral.Unknown:
		what = "the value that it has in the application (" + string(v) + ")"
	}
	return "secret_file: " + quote(c.secretFile(s, "jwt-secret", what)), s.origin()
}

// publicKey gives the key of an asymmetric algorithm. A private key is not
// repeated.
func (c *converter) publicKey(family string) (line, origin string) {
	s, ok := first(c.key("JWT_PUBLIC_KEY"), c.simple("VERIFYING_KEY"), c.simple("JWK_URL"))
	if !ok {
		s.name = "JWT_PUBLIC_KEY"
	}
	text, _ := s.Value.(string)
	switch {
	case strings.Contains(text, "PRIVATE KEY"):
		c.add(Lost, s, "it is a private key, which only the issuer of tokens may have; it is not repeated here")
	case strings.Contains(text, "-----BEGIN "):
		// One line with escapes: an indented block could not be told from what follows it.
		return "public_key: " + quote(strings.TrimSpace(text)+"\n"), s.origin()
	case strings.HasSuffix(s.name, "JWK_URL") && openURL(text):
		return "jwks_url: " + quote(text), s.origin()
	case strings.HasSuffix(s.name, "JWK_URL"):
		c.add(Lost, s, "it is no https URL, or holds credentials, which are not repeated here")
	case isPath(text):
		if !path.IsAbs(text) {
			c.add(ToDo, s, "the path is relative, to the folder the collector is started in; make it absolute")
		}
		return "public_key_file: " + quote(text), s.origin()
	}
	file := path.Join(c.opts.SecretsDir, "jwt-public.pem")
	what := "it is not given"
	if s.Value != nil {
		what = "it is " + describe(s.Value) + ", no key in PEM and no path"
	}
	c.add(ToDo, s, "%s; write the public key of %s (PEM) to %s", what, map[string]string{"RS": "RSA", "ES": "ECDSA"}[family], file)
	return "public_key_file: " + quote(file), s.origin()
}

// isPath reports whether a text is the path of a key, and not key material in an
// unexpected form, which might be a secret.
func isPath(s string) bool {
	return path.IsAbs(s) && !strings.ContainsAny(s, "+= \n") || slices.Contains([]string{".pem", ".pub", ".crt", ".cer", ".key"}, path.Ext(s))
}

// openURL reports whether an URL is https and holds no credentials.
func openURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}
