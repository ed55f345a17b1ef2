package enrichprocessor

import (
	"encoding/base64"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// failedLogin reports whether an event says that somebody did not get in.
func failedLogin(ev *activity.Event) bool {
	return ev.Kind == activity.KindLogin && (ev.Type == "login_failed" || ev.Type == "mfa_failed")
}

// triedName takes the name that a failed login was tried with out of the event,
// while its actor is settled: it is no claim to be somebody, it may be the name
// of nobody, and an auditor looks for it. "" for every other event.
func (in *intake) triedName() string {
	ev := &in.event
	if !failedLogin(ev) {
		return ""
	}
	name := ev.Username
	ev.Username = ""
	if name == "" {
		name = basicUser(in.header("authorization"))
	}
	return name
}

// basicUser gives the user of HTTP Basic credentials (RFC 7617 section 2), never
// the password.
func basicUser(authorization string) string {
	scheme, encoded, _ := strings.Cut(strings.TrimSpace(authorization), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	credentials, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return ""
	}
	user, _, ok := strings.Cut(string(credentials), ":")
	if !ok {
		return "" // what stands alone may be a password
	}
	return user
}
