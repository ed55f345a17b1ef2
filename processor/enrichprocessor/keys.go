package enrichprocessor

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// algorithms are the signatures that can be accepted; none is not among them.
var algorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512",
	"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA",
}

const (
	// minRSABits is RFC 7518 section 3.3.
	minRSABits = 2048
	// weakSecret is the length in bytes below which a secret can be guessed from
	// one token; RFC 7518 section 3.2 asks for the length of the hash.
	weakSecret = 32
)

// key is one verification key. Its material decides which family of algorithms
// it can ever serve, so a public key is never an HMAC secret.
type key struct {
	id         string // "" answers to every kid
	algorithms []string
	material   any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// given names the keys of the entry that say where its material is.
func (c *KeyConfig) given() []string {
	var names []string
	for _, s := range [...]struct{ name, value string }{
		{"secret", string(c.Secret)},
		{"secret_file", c.SecretFile},
		{"public_key", c.PublicKey},
		{"public_key_file", c.PublicKeyFile},
		{"jwks_file", c.JWKSFile},
		{"jwks_url", c.JWKSURL},
	} {
		if s.value != "" {
			names = append(names, s.name)
		}
	}
	return names
}

func (c *KeyConfig) empty() bool { return len(c.given()) == 0 }

func (c *KeyConfig) symmetric() bool { return c.Secret != "" || c.SecretFile != "" }

func (c *KeyConfig) isSet() bool { return c.JWKSFile != "" || c.JWKSURL != "" }

func (c *KeyConfig) validate() error {
	var errs []error
	if len(c.given()) != 1 {
		errs = append(errs, errors.New(
			"give exactly one of secret, secret_file, public_key, public_key_file, jwks_file, jwks_url"))
	}
	if c.isSet() && c.ID != "" {
		errs = append(errs, errors.New("id: the keys of a set have their own ids; leave it out"))
	}
	if c.JWKSURL != "" {
		errs = append(errs, checkKeySetURL(c.JWKSURL, c.JWKSAllowHTTP))
	}
	if c.RefreshInterval != 0 && c.RefreshInterval < minRefresh {
		errs = append(errs, fmt.Errorf("refresh_interval: must be at least %s, is %s", minRefresh, c.RefreshInterval))
	}
	for _, a := range c.Algorithms {
		if !slices.Contains(algorithms, a) {
			errs = append(errs, fmt.Errorf("algorithms: %q is not one of %q", a, algorithms))
		} else if strings.HasPrefix(a, "HS") != c.symmetric() {
			errs = append(errs, fmt.Errorf("algorithms: %s does not go with this key; HS needs a secret, the others a public key", a))
		}
	}
	return errors.Join(errs...)
}

// parse makes keys of what an entry's text, file or URL holds.
func (c *KeyConfig) parse(raw []byte) ([]key, error) {
	switch {
	case c.isSet():
		return parseKeySet(raw, c.Algorithms)
	case c.symmetric():
		return c.parseSecret(raw)
	}
	material, err := parsePublicKey(raw)
	if err != nil {
		return nil, err
	}
	k := key{id: c.ID, algorithms: c.Algorithms, material: material}
	if len(k.algorithms) == 0 {
		k.algorithms = []string{defaultAlgorithm(material)}
	}
	return []key{k}, k.check()
}

func (c *KeyConfig) parseSecret(raw []byte) ([]key, error) {
	secret := strings.TrimRight(string(raw), "\r\n")
	if secret == "" {
		return nil, errors.New("the secret is empty")
	}
	if strings.Contains(secret, "-----BEGIN ") {
		return nil, errors.New("the secret is a PEM block; a public key goes to public_key or public_key_file")
	}
	k := key{id: c.ID, algorithms: c.Algorithms, material: []byte(secret)}
	if len(k.algorithms) == 0 {
		k.algorithms = []string{"HS256"}
	}
	return []key{k}, k.check()
}

// parsePublicKey reads an RSA, EC or Ed25519 public key, or the certificate of
// one, in PEM.
func parsePublicKey(pem []byte) (any, error) {
	if k, err := jwt.ParseRSAPublicKeyFromPEM(pem); err == nil {
		return k, nil
	}
	if k, err := jwt.ParseECPublicKeyFromPEM(pem); err == nil {
		return k, nil
	}
	if k, err := jwt.ParseEdPublicKeyFromPEM(pem); err == nil {
		return k, nil
	}
	return nil, errors.New("neither an RSA, an EC nor an Ed25519 public key in PEM")
}

// check refuses material that is too weak, and an allow-list that does not fit
// the material.
func (k *key) check() error {
	switch m := k.material.(type) {
	case *rsa.PublicKey:
		if m.N.BitLen() < minRSABits {
			return fmt.Errorf("the RSA key has %d bits; RFC 7518 asks for %d", m.N.BitLen(), minRSABits)
		}
	case *ecdsa.PublicKey:
		if curveAlgorithm(m) == "" {
			return fmt.Errorf("the curve %s is not one of P-256, P-384, P-521", m.Params().Name)
		}
	}
	for _, a := range k.algorithms {
		if !fits(a, k.material) {
			return fmt.Errorf("algorithms: %s does not go with a key of type %T", a, k.material)
		}
	}
	return nil
}

func defaultAlgorithm(material any) string {
	switch m := material.(type) {
	case *rsa.PublicKey:
		return "RS256"
	case *ecdsa.PublicKey:
		return curveAlgorithm(m)
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

// curveAlgorithm gives the one algorithm of a curve (RFC 7518 section 3.4), ""
// for a curve without one.
func curveAlgorithm(k *ecdsa.PublicKey) string {
	switch k.Params().BitSize {
	case 256:
		return "ES256"
	case 384:
		return "ES384"
	case 521:
		return "ES512"
	}
	return ""
}

func fits(alg string, material any) bool {
	switch m := material.(type) {
	case []byte:
		return strings.HasPrefix(alg, "HS")
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		return alg == curveAlgorithm(m)
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}
