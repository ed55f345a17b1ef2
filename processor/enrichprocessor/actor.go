package enrichprocessor

import (
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// actor settles who did it: a verified token, else the user the client names,
// else a token that could not be checked. A token that fails names nobody.
func (e *enricher) actor(r *request, in *intake) *verdict {
	ev := &in.event
	if ev.AuthVerified != "" { // kept from our own collector upstream
		return nil
	}
	ev.AuthVerified = activity.AuthNotChecked
	authorization := in.header("authorization")
	token := ""
	if e.cfg.JWT.Verify != verifyOff {
		token = bearer(authorization)
	}
	if ev.AuthMethod == "" {
		ev.AuthMethod = methodOf(ev, authorization, token, in)
	}
	if token == "" {
		e.requireVerified(in)
		return nil
	}
	v := e.tokens.read(token)
	if v.state != activity.AuthFailed && !v.claims.current(e.judgedAt(ev)) {
		v = failed
	}
	r.countToken(v.state)
	switch {
	case v.state != activity.AuthFailed && v.claims.userID == "":
		e.requireVerified(in) // a token that names nobody says nothing of the actor
	case v.state == activity.AuthVerified:
		e.conflict(r, ev, &v.claims)
		takeActor(ev, &v.claims)
		ev.AuthVerified = v.state
	case v.state == activity.AuthUnverified:
		e.conflict(r, ev, &v.claims)
		if ev.UserID == "" {
			takeActor(ev, &v.claims)
			ev.AuthVerified = v.state
		}
		e.requireVerified(in)
	default:
		ev.AuthVerified = activity.AuthFailed
		e.requireVerified(in)
	}
	return v
}

// judgedAt is the time at which a token has to be valid: that of the event, so
// that a queued event keeps its actor, as long as it is young enough.
func (e *enricher) judgedAt(ev *activity.Event) int64 {
	if age := ev.ReceivedAt - ev.Datetime; age > int64(e.cfg.JWT.MaxEventAge) || age < 0 {
		return ev.ReceivedAt
	}
	return ev.Datetime
}

// conflict flags an event whose sender and token name different users. Under
// delegation (RFC 8693) either of the two persons is a true word.
func (e *enricher) conflict(r *request, ev *activity.Event, c *claims) {
	if ev.UserID == "" || c.userID == "" || ev.UserID == c.userID || ev.UserID == c.actor {
		return
	}
	ev.Flags |= activity.FlagActorConflict
	e.metrics.EnrichActorConflicts.Add(r.ctx, 1)
}

// takeActor writes the actor of a token. With an act claim (RFC 8693 section
// 4.1) its party is the one who acts, on behalf of the token's subject.
func takeActor(ev *activity.Event, c *claims) {
	if c.userID == "" {
		return
	}
	if ev.UserID != "" && ev.UserID != c.userID {
		ev.Username, ev.UserEmail, ev.UserRoles = "", "", ""
	}
	ev.UserID = c.userID
	if c.actor != "" && c.actor != c.userID {
		ev.UserID, ev.OnBehalfOf = c.actor, c.userID
		ev.Username, ev.UserEmail, ev.UserRoles = "", "", ""
	} else {
		replace(&ev.Username, c.username)
		replace(&ev.UserEmail, c.email)
		replace(&ev.UserRoles, c.roles)
	}
	ev.AuthIssuer, ev.AuthKeyID = c.issuer, c.keyID
}

// requireVerified leaves no actor standing on less than a verified token, where
// that is asked for; what was claimed stays visible in extra_data.
func (e *enricher) requireVerified(in *intake) {
	if e.cfg.JWT.Verify != verifyRequired {
		return
	}
	for _, f := range [...]activity.Field{
		activity.FieldUserID, activity.FieldUsername, activity.FieldUserEmail, activity.FieldUserRoles,
		activity.FieldOnBehalfOf, activity.FieldActorType,
	} {
		in.setAside("_claimed_"+f.String(), in.event.Text(f))
	}
}

func replace(p *string, s string) {
	if s != "" {
		*p = s
	}
}

func methodOf(ev *activity.Event, authorization, token string, in *intake) string {
	switch {
	case token != "":
		return activity.AuthMethodJWT
	case len(authorization) > 6 && strings.EqualFold(authorization[:6], "Basic "):
		return activity.AuthMethodBasic
	case authorization != "":
		return activity.AuthMethodOther
	case in.header("x-api-key") != "":
		return activity.AuthMethodAPIKey
	case ev.SessionKey != "":
		return activity.AuthMethodSession
	}
	return ""
}

// tokenResults are the results that are counted, in the order of request.tokens.
var tokenResults = [...]string{activity.AuthVerified, activity.AuthUnverified, activity.AuthFailed}

func (r *request) countToken(result string) {
	for i, word := range tokenResults {
		if word == result {
			r.tokens[i]++
		}
	}
}
