package enrichprocessor

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxActors bounds the act claims that are followed (RFC 8693 section 4.1).
const maxActors = 8

// claims are what a token says, as far as it is looked at, ready to be written
// into events.
type claims struct {
	userID, username, email, roles string
	onBehalfOf                     string // the subject, when another party acts for it
	actors                         string // JSON list: who acted before the present actor, newest first
	service                        bool   // the actor is a program, not a person
	session                        string // as it is stored
	issuer, keyID                  string
	tenants                        []string
	expires, notBefore             float64 // Unix seconds, infinite for none
}

// claimReader knows where a token says what.
type claimReader struct {
	ClaimsConfig
	tenant      string
	hashSession bool
}

func (r *claimReader) read(raw jwt.MapClaims) (*claims, error) {
	c := &claims{issuer: text(raw["iss"]), session: r.session(raw)}
	if r.tenant != "" {
		c.tenants = texts(claimAt(raw, r.tenant))
	}
	var err error
	if c.expires, err = seconds(raw["exp"], math.Inf(1)); err != nil {
		return nil, fmt.Errorf("exp: %w", err)
	}
	if c.notBefore, err = seconds(raw["nbf"], math.Inf(-1)); err != nil {
		return nil, fmt.Errorf("nbf: %w", err)
	}
	subject := firstText(raw, r.UserID)
	act, _ := raw["act"].(map[string]any)
	actor := firstText(act, r.UserID)
	if actor == "" || actor == subject {
		c.takePerson(raw, r)
		c.service = isService(raw)
		return c, nil
	}
	c.takePerson(act, r)
	c.service = isService(act) || actor == firstText(raw, clientClaims)
	c.onBehalfOf, c.actors = subject, r.earlierActors(act)
	return c, nil
}

// takePerson reads who acts: of the token, or of its act claim.
func (c *claims) takePerson(raw map[string]any, r *claimReader) {
	c.userID = firstText(raw, r.UserID)
	c.username = firstText(raw, r.Username)
	c.email = firstText(raw, r.Email)
	for _, path := range r.Roles {
		if list := texts(claimAt(raw, path)); len(list) > 0 {
			c.roles = jsonList(list)
			return
		}
	}
}

// earlierActors follows the act claims within an act claim: history, which RFC
// 8693 section 4.1 forbids to decide anything.
func (r *claimReader) earlierActors(act map[string]any) string {
	var list []string
	for range maxActors {
		inner, ok := act["act"].(map[string]any)
		if !ok {
			break
		}
		list = append(list, firstText(inner, r.UserID))
		act = inner
	}
	if len(list) == 0 {
		return ""
	}
	return jsonList(list)
}

func (r *claimReader) session(raw map[string]any) string {
	s := firstText(raw, r.Session)
	if s == "" || !r.hashSession {
		return s
	}
	return hashSession(s)
}

// clientClaims name the program that a token was issued to (RFC 8693 section
// 4.3, OpenID Connect Core section 2, Okta, Entra v1).
var clientClaims = []string{"client_id", "azp", "cid", "appid"}

// isService reports whether a program got the token for itself, by the client
// credentials grant. RFC 9068 section 2.2 makes its subject the client's id;
// Auth0, Entra and Keycloak each say it in their own way.
func isService(raw map[string]any) bool {
	sub, client := text(raw["sub"]), firstText(raw, clientClaims)
	switch {
	case text(raw["gty"]) == "client-credentials" || text(raw["idtyp"]) == "app":
		return true
	case client == "":
		return false
	case sub == client || sub == client+"@clients":
		return true
	case raw["scp"] == nil && sub != "" && sub == text(raw["oid"]):
		return true // Entra: a person's sub is another one for each application
	}
	return text(raw["preferred_username"]) == "service-account-"+strings.ToLower(client)
}

// claimAt gives the claim at a path: names joined by dots, where a name may hold
// dots itself (https://example.org/tenant, resource_access.my.client.roles). The
// longest name that exists goes first. The cost is bounded by maxPathDots and
// the size of the token.
func claimAt(raw map[string]any, path string) any {
	if v, ok := raw[path]; ok {
		return v
	}
	for i := strings.LastIndexByte(path, '.'); i >= 0; i = strings.LastIndexByte(path[:i], '.') {
		if inner, ok := raw[path[:i]].(map[string]any); ok {
			if v := claimAt(inner, path[i+1:]); v != nil {
				return v
			}
		}
	}
	return nil
}

func firstText(raw map[string]any, paths []string) string {
	for _, path := range paths {
		if s := text(claimAt(raw, path)); s != "" {
			return s
		}
	}
	return ""
}

// text gives a text or number as text; whole numbers in canonical form.
func text(v any) string {
	switch t := v.(type) {
	case string:
		return t
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
		if n, err := strconv.ParseUint(t.String(), 10, 64); err == nil {
			return strconv.FormatUint(n, 10)
		}
		if f, err := t.Float64(); err == nil && f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
			return strconv.FormatInt(int64(f), 10)
		}
		return t.String()
	}
	return ""
}

// texts gives the texts of a list, or of the one text that stands for it.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []string
	for _, item := range list {
		if s := text(item); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func jsonList(list []string) string {
	b := []byte{'['}
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, item)
	}
	return string(append(b, ']'))
}

func seconds(v any, absent float64) (float64, error) {
	if v == nil {
		return absent, nil
	}
	n, ok := v.(json.Number)
	if !ok {
		return 0, errors.New("is no number")
	}
	return n.Float64()
}

// at judges the times of a token at a time in nanoseconds, noFailure when valid.
func (c *claims) at(ns int64, leeway time.Duration) failure {
	switch now := float64(ns) / float64(time.Second); {
	case now >= c.expires+leeway.Seconds():
		return failExpired
	case now < c.notBefore-leeway.Seconds():
		return failNotYetValid
	}
	return noFailure
}
