package enrichprocessor

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// RedactConfig replaces secrets. The names of its keys, where they mean the
// same, are those of the redaction processor of the Collector's contrib.
type RedactConfig struct {
	// Session says what becomes of session keys: hash or keep.
	Session string `mapstructure:"session"`
	// Action says what takes the place of a secret: mask, remove, hmac-sha256.
	Action string `mapstructure:"action"`
	// Kinds of secret that are looked for in texts.
	Kinds []string `mapstructure:"kinds"`
	// Keys are more names whose values are secrets, BlockedKeyPatterns regular
	// expressions for such names, IgnoredKeys names whose values stay as they are.
	Keys               []string `mapstructure:"keys"`
	BlockedKeyPatterns []string `mapstructure:"blocked_key_patterns"`
	IgnoredKeys        []string `mapstructure:"ignored_keys"`
	// BlockedValues are regular expressions for secrets in texts. What one of
	// AllowedValues matches is no secret.
	BlockedValues []string `mapstructure:"blocked_values"`
	AllowedValues []string `mapstructure:"allowed_values"`
	// HMACKey is the key of hmac-sha256, at least 16 bytes.
	HMACKey     configopaque.String `mapstructure:"hmac_key"`
	HMACKeyFile string              `mapstructure:"hmac_key_file"`
	// FailedUsernames says what becomes of the name of a failed login that names
	// no known user, where a password may have been typed: keep, mask, hmac-sha256.
	FailedUsernames string `mapstructure:"failed_usernames"`
}

const (
	sessionHash  = "hash"
	sessionKeep  = "keep"
	usernameKeep = "keep"

	actionMask   = "mask"
	actionRemove = "remove"
	actionHMAC   = "hmac-sha256"
)

func defaultRedact() RedactConfig {
	return RedactConfig{
		Session: sessionHash, Action: actionMask, FailedUsernames: usernameKeep,
		Kinds: []string{"password", "token", "api_key", "private_key", "card"},
	}
}

func (c *RedactConfig) validate(p *problems) {
	p.oneOf("redact::session", c.Session, sessionHash, sessionKeep)
	p.oneOf("redact::action", c.Action, actionMask, actionRemove, actionHMAC)
	p.oneOf("redact::failed_usernames", c.FailedUsernames, usernameKeep, actionMask, actionHMAC)
	for i, word := range c.Kinds {
		if _, ok := secretKindOf(word); !ok {
			p.add(fmt.Sprintf("redact::kinds::%d", i), fmt.Errorf("%q is not one of %q", word, searchedKinds()))
		}
	}
	p.patterns("redact::blocked_key_patterns", c.BlockedKeyPatterns)
	p.patterns("redact::blocked_values", c.BlockedValues)
	p.patterns("redact::allowed_values", c.AllowedValues)
	p.hmacKey("redact::hmac_key", c.needsKey(), c.HMACKey, c.HMACKeyFile)
}

func (c *RedactConfig) needsKey() bool {
	return c.Action == actionHMAC || c.FailedUsernames == actionHMAC
}

// loadHMACKey reads the key where one is needed.
func (c *RedactConfig) loadHMACKey() ([]byte, error) {
	if !c.needsKey() {
		return nil, nil
	}
	return loadHMACKey("redact::hmac_key", c.HMACKey, c.HMACKeyFile)
}

// The columns that hold what a client wrote, by what is looked for in them. An
// id of sixteen digits is no card, and the address of an actor is who it is. The
// tenant is left alone: two that are masked would become one.
var (
	textColumns = [...]activity.Field{
		activity.FieldAction, activity.FieldReason, activity.FieldObjectRepr, activity.FieldContentType, activity.FieldMethod,
		activity.FieldRoute, activity.FieldBrowser, activity.FieldPlatform, activity.FieldOperatingSystem,
		activity.FieldRemoteIP, activity.FieldCity, activity.FieldCountry, activity.FieldCountryCode, activity.FieldRegionCode,
		activity.FieldSource, activity.FieldMessage, activity.FieldTraceback, activity.FieldType,
	}
	nameColumns = [...]activity.Field{activity.FieldUsername, activity.FieldUserEmail}
	idColumns   = [...]activity.Field{
		activity.FieldUserID, activity.FieldOnBehalfOf, activity.FieldObjectID, activity.FieldAuthIssuer, activity.FieldAuthKeyID,
	}
	jsonColumns = [...]activity.Field{activity.FieldObjectJSONRepr, activity.FieldChangedFields, activity.FieldUserRoles}
)

// redact replaces secrets in everything a client wrote, extra_data excepted.
func (e *enricher) redact(in *intake) {
	ev, p := &in.event, in.secrets
	e.failedUsername(in)
	for _, f := range textColumns {
		replaceText(ev.Text(f), p, p.search)
	}
	if !in.innocentAgent { // nearly always
		replaceText(&ev.UserAgent, p, p.search)
	}
	for _, f := range nameColumns {
		replaceText(ev.Text(f), p, p.search.without(secretEmail))
	}
	for _, f := range idColumns {
		replaceText(ev.Text(f), p, p.search.without(secretEmail, secretCard))
	}
	ev.QueryString = p.query(ev.QueryString)
	ev.URL, ev.Origin = p.url(ev.URL), p.url(ev.Origin)
	for _, f := range jsonColumns {
		if s := ev.Text(f); *s != "" {
			*s = e.safeJSON(in, f, *s)
		}
	}
	in.fitChanges(e.limits.Changes)
	for i := range in.notes {
		in.notes[i].json = p.json(in.notes[i].json)
	}
	if ev.SessionKey != "" && !in.sessionDone && e.cfg.Redact.Session == sessionHash && !in.judged {
		ev.SessionKey = hashSession(ev.SessionKey)
	} else {
		replaceText(&ev.SessionKey, p, p.search.without(secretEmail, secretCard))
	}
}

func replaceText(s *string, p *redaction, search kindSet) {
	if len(*s) >= shortestSecret {
		*s = p.text(*s, search)
	}
}

// failedUsername replaces the name of a failed login that names no known user.
func (e *enricher) failedUsername(in *intake) {
	ev, p := &in.event, in.secrets
	action := e.cfg.Redact.FailedUsernames
	if action == usernameKeep || ev.Kind != activity.KindLogin || ev.Outcome != activity.OutcomeFailure || ev.UserID != "" {
		return
	}
	if ev.Username != "" {
		ev.Username = string(p.appendAction(nil, action, ev.Username, secretName))
	}
	for i := range in.notes {
		if n := &in.notes[i]; n.key == claimed(activity.FieldUsername) {
			n.json = jsonString(string(p.appendAction(nil, action, n.json, secretName)))
		}
	}
}

// reportSecrets counts the secrets of one ConsumeLogs call.
func (e *enricher) reportSecrets(r *request) {
	for k, n := range r.secrets.found {
		if n > 0 {
			word := attribute.String("secret", secretWords[k])
			e.metrics.EnrichRedacted.Add(r.ctx, n, metric.WithAttributes(word))
		}
	}
}

func keepSet(names []string) map[string]bool {
	keep := make(map[string]bool, len(names))
	for _, n := range names {
		keep[strings.ToLower(n)] = true
	}
	return keep
}
