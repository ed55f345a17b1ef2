package activity

import (
	"strconv"
	"strings"
)

// Kind is one of the five kinds of event. The zero value is no kind.
type Kind uint8

// The five kinds.
const (
	KindCRUD Kind = iota + 1
	KindLogin
	KindRequest
	KindCORS
	KindSystem
)

// EventNamePrefix precedes the kind's word in LogRecord.EventName.
const EventNamePrefix = "activity."

var kindWords = [...]string{"", "crud", "login", "request", "cors", "system"}

// Kinds lists every kind, in the order of their numbers.
func Kinds() []Kind { return []Kind{KindCRUD, KindLogin, KindRequest, KindCORS, KindSystem} }

// Valid reports whether k is one of the five kinds.
func (k Kind) Valid() bool { return k >= KindCRUD && k <= KindSystem }

// String is the word in JSON and in columns, "" for no kind.
func (k Kind) String() string {
	if int(k) >= len(kindWords) {
		return ""
	}
	return kindWords[k]
}

// EventName is the OTLP event name, for example "activity.crud".
func (k Kind) EventName() string { return EventNamePrefix + k.String() }

// ParseKind takes the word ("crud") or the event name ("activity.crud").
func ParseKind(s string) (Kind, bool) {
	switch strings.TrimPrefix(s, EventNamePrefix) {
	case "crud":
		return KindCRUD, true
	case "login":
		return KindLogin, true
	case "request":
		return KindRequest, true
	case "cors":
		return KindCORS, true
	case "system":
		return KindSystem, true
	}
	return 0, false
}

// crudTypes in the order of their codes; the first code is 1.
var crudTypes = [...]string{
	"create", "update", "delete", "m2m_change", "reverse_m2m_change", "m2m_add", "reverse_m2m_add",
	"m2m_remove", "reverse_m2m_remove", "m2m_clear", "reverse_m2m_clear", "read", "export", "other",
}

// loginTypes in the order of their codes; the first code is 0.
var loginTypes = [...]string{
	"login", "logout", "login_failed", "token_refresh", "password_change", "password_reset",
	"mfa_failed", "session_revoked", "impersonation_start", "impersonation_end",
}

// TypeCode gives the REST code of a crud or login type word.
func TypeCode(k Kind, word string) (int, bool) {
	words, first := typeWords(k)
	for i, w := range words {
		if w == word {
			return i + first, true
		}
	}
	return 0, false
}

// ParseType takes the word or the decimal code of a crud or login type and
// gives the word. Other kinds have no closed list of types.
func ParseType(k Kind, s string) (string, bool) {
	words, first := typeWords(k)
	for _, w := range words {
		if w == s {
			return w, true
		}
	}
	if n, err := strconv.Atoi(s); err == nil && n >= first && n-first < len(words) {
		return words[n-first], true
	}
	return "", false
}

// TypeWords lists the type words of a crud or login event in code order; nil for other kinds.
func TypeWords(k Kind) []string {
	words, _ := typeWords(k)
	return append([]string(nil), words...)
}

func typeWords(k Kind) (words []string, firstCode int) {
	switch k {
	case KindCRUD:
		return crudTypes[:], 1
	case KindLogin:
		return loginTypes[:], 0
	}
	return nil, 0
}

// Outcome words.
const (
	OutcomeSuccess = "success"
	OutcomeFailure = "failure"
	OutcomeDenied  = "denied"
	OutcomeUnknown = "unknown"
)

// Actor types.
const (
	ActorUser      = "user"
	ActorService   = "service"
	ActorSystem    = "system"
	ActorAnonymous = "anonymous"
	ActorUnknown   = "unknown"
)

// AuthVerified words: how strongly the actor is known.
const (
	AuthVerified   = "verified"
	AuthUnverified = "unverified"
	AuthFailed     = "failed"
	AuthNotChecked = "not_checked"
)

// AuthMethod words.
const (
	AuthMethodNone    = "none"
	AuthMethodSession = "session"
	AuthMethodJWT     = "jwt"
	AuthMethodAPIKey  = "api_key"
	AuthMethodBasic   = "basic"
	AuthMethodMTLS    = "mtls"
	AuthMethodOther   = "other"
)

// Words lists the values a closed text field accepts; nil for an open field.
func Words(f Field) []string {
	switch f {
	case FieldOutcome:
		return []string{OutcomeSuccess, OutcomeFailure, OutcomeDenied, OutcomeUnknown}
	case FieldActorType:
		return []string{ActorUser, ActorService, ActorSystem, ActorAnonymous, ActorUnknown}
	case FieldAuthVerified:
		return []string{AuthVerified, AuthUnverified, AuthFailed, AuthNotChecked}
	case FieldAuthMethod:
		return []string{
			AuthMethodNone, AuthMethodSession, AuthMethodJWT, AuthMethodAPIKey, AuthMethodBasic,
			AuthMethodMTLS, AuthMethodOther,
		}
	case FieldCategory:
		return []string{"server", "security", "database", "queue", "custom"}
	}
	return nil
}

// SeverityWord is the word REST shows for an OTLP severity number (logs data
// model, "Severity fields"): INFO, WARNING, ERROR or CRITICAL.
func SeverityWord(n int64) string {
	switch {
	case n >= 21:
		return "CRITICAL"
	case n >= 17:
		return "ERROR"
	case n >= 13:
		return "WARNING"
	}
	return "INFO"
}

// SeverityRange gives the severity numbers, both inclusive, that SeverityWord
// shows as word; ok is false for another word.
func SeverityRange(word string) (low, high int64, ok bool) {
	switch strings.ToUpper(word) {
	case "INFO":
		return 0, 12, true
	case "WARNING", "WARN":
		return 13, 16, true
	case "ERROR":
		return 17, 20, true
	case "CRITICAL", "FATAL":
		return 21, 24, true
	}
	return 0, 0, false
}
