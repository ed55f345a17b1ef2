package enrichprocessor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/MicahParks/jwkset"

	"github.com/activitylog/otelcol-activitylog/internal/loopback"
)

const (
	// fetchTimeout bounds one request for a key set, and what a start waits for it.
	fetchTimeout = 5 * time.Second
	// maxKeyText is the size in bytes of a key file or key set that is read.
	maxKeyText = 1 << 20
	// maxSetKeys bounds the work that a token without a key id can cause.
	maxSetKeys = 32
)

// checkKeySetURL admits https anywhere, and http on this machine or where it is
// explicitly allowed: who can change a key set on its way can make any token.
func checkKeySetURL(text string, allowHTTP bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return errors.New("jwks_url: want https://host/path")
	case u.User != nil:
		return errors.New("jwks_url: holds a user name or password, which would be logged; key sets are public, leave it out")
	case u.Scheme == "http" && !allowHTTP && !loopback.Host(u.Hostname()):
		return errors.New("jwks_url: is http, so anybody on the way can change the keys; use https, or set jwks_allow_http: true")
	}
	return nil
}

// keySetClient follows no redirect: the operator named one place, and nobody
// else shall send us to another.
func keySetClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 64 << 10
	transport.DisableKeepAlives = true // one request in minutes
	return &http.Client{
		Transport: transport,
		Timeout:   fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the server redirects; put the final address into jwks_url")
		},
	}
}

// fetchKeySet gets a key set. Its errors never hold the URL, whose query may be
// nobody's business.
func fetchKeySet(ctx context.Context, c *http.Client, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, errors.New("the address is none")
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := c.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("get key set: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get key set: the server answers %s", resp.Status)
	}
	return readLimited(resp.Body)
}

func readLimited(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxKeyText+1))
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	if len(b) > maxKeyText {
		return nil, fmt.Errorf("longer than %d bytes", maxKeyText)
	}
	return b, nil
}

// parseKeySet reads the public signature keys of a JWK set (RFC 7517 section
// 5). Keys of other uses and kinds are passed over, as the RFC asks; so are
// symmetric ones, because what is served to everybody is no secret.
func parseKeySet(raw []byte, allowed []string) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("no JWK set in JSON")
	}
	var keys []key
	for _, text := range set.Keys {
		if k, ok := parseJWK(text, allowed); ok {
			keys = append(keys, k)
		}
	}
	switch {
	case len(keys) == 0:
		return nil, fmt.Errorf("none of the %d keys of the set can verify a token", len(set.Keys))
	case len(keys) > maxSetKeys:
		return nil, fmt.Errorf("the set has %d keys; at most %d are taken", len(keys), maxSetKeys)
	}
	return keys, nil
}

func parseJWK(text []byte, allowed []string) (key, bool) {
	jwk, err := jwkset.NewJWKFromRawJSON(text, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return key{}, false
	}
	m := jwk.Marshal()
	if (m.USE != "" && m.USE != jwkset.UseSig) ||
		(len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify)) {
		return key{}, false
	}
	k := key{id: m.KID, material: jwk.Key()}
	candidates := allowed
	switch {
	case m.ALG != "": // the key's own word (section 4.4) narrows the list
		candidates = []string{m.ALG.String()}
	case len(allowed) == 0:
		candidates = []string{defaultAlgorithm(k.material)}
	}
	for _, a := range candidates {
		if fits(a, k.material) && slices.Contains(algorithms, a) && (len(allowed) == 0 || slices.Contains(allowed, a)) {
			k.algorithms = append(k.algorithms, a)
		}
	}
	return k, len(k.algorithms) > 0 && k.check() == nil
}
