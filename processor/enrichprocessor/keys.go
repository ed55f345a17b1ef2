package enrichprocessor

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// algorithms are the signatures that can be accepted; none is not among them.
var algorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512",
	"ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
}

// key is one verification key. Its material decides which family of algorithms
// it can ever serve, so a public key is never an HMAC secret.
type key struct {
	id, issuer, audience string
	algorithms           []string
	material             any // []byte, *rsa.PublicKey or *ecdsa.PublicKey
}

func (c *KeyConfig) empty() bool {
	return c.Secret == "" && c.SecretFile == "" && c.PublicKey == "" && c.PublicKeyFile == ""
}

func (c *KeyConfig) validate() error {
	var errs []error
	given := 0
	for _, set := range [...]bool{c.Secret != "", c.SecretFile != "", c.PublicKey != "", c.PublicKeyFile != ""} {
		if set {
			given++
		}
	}
	if given != 1 {
		errs = append(errs, errors.New("give exactly one of secret, secret_file, public_key, public_key_file"))
	}
	symmetric := c.Secret != "" || c.SecretFile != ""
	for _, a := range c.Algorithms {
		if !slices.Contains(algorithms, a) {
			errs = append(errs, fmt.Errorf("algorithms: %q is not one of %q", a, algorithms))
		} else if strings.HasPrefix(a, "HS") != symmetric {
			errs = append(errs, fmt.Errorf("algorithms: %s does not go with this key; HS needs a secret, the others a public key", a))
		}
	}
	return errors.Join(errs...)
}

func loadKeys(cfg []KeyConfig) ([]key, error) {
	var keys []key
	for i := range cfg {
		if cfg[i].empty() {
			continue
		}
		k, err := cfg[i].load()
		if err != nil {
			return nil, fmt.Errorf("enrich: jwt::keys::%d: %w", i, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func (c *KeyConfig) load() (key, error) {
	k := key{id: c.ID, issuer: c.Issuer, audience: c.Audience, algorithms: c.Algorithms}
	switch {
	case c.Secret != "":
		k.material = []byte(c.Secret)
	case c.SecretFile != "":
		b, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return k, fmt.Errorf("secret_file: %w", err)
		}
		secret := strings.TrimRight(string(b), "\r\n")
		if secret == "" {
			return k, fmt.Errorf("secret_file: %q is empty", c.SecretFile)
		}
		k.material = []byte(secret)
	}
	if k.material != nil {
		if strings.Contains(string(k.material.([]byte)), "-----BEGIN ") {
			return k, errors.New("the secret is a PEM block; a public key goes to public_key or public_key_file")
		}
		return k.defaults("HS256")
	}
	pem := []byte(c.PublicKey)
	if c.PublicKeyFile != "" {
		var err error
		if pem, err = os.ReadFile(c.PublicKeyFile); err != nil {
			return k, fmt.Errorf("public_key_file: %w", err)
		}
	}
	if r, err := jwt.ParseRSAPublicKeyFromPEM(pem); err == nil {
		k.material = r
		return k.defaults("RS256")
	}
	ec, err := jwt.ParseECPublicKeyFromPEM(pem)
	if err != nil {
		return k, errors.New("public_key: neither an RSA nor an EC public key in PEM")
	}
	k.material = ec
	alg := curveAlgorithm(ec)
	if alg == "" {
		return k, fmt.Errorf("public_key: the curve %s is not one of P-256, P-384, P-521", ec.Params().Name)
	}
	return k.defaults(alg)
}

// defaults sets the allow-list where the configuration gives none, and checks
// that each algorithm fits the material.
func (k key) defaults(alg string) (key, error) {
	if len(k.algorithms) == 0 {
		k.algorithms = []string{alg}
	}
	for _, a := range k.algorithms {
		if !fits(a, k.material) {
			return k, fmt.Errorf("algorithms: %s does not go with a key of type %T", a, k.material)
		}
	}
	return k, nil
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
	}
	return false
}
