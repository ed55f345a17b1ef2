package enrichprocessor

import (
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// noteAuthFailure is the reserved member that says why a token failed: the
// event's own reason stays its sender's.
const noteAuthFailure = "_auth_failure"

// actor settles who did it: a verified token, else the user the client names,
// else a token that could not be checked. A token that fails names nobody.
func (e *enricher) actor(r *request, in *intake) *verdict {
	ev := &in.event
	if in.judged {
		return nil
	}
	ev.AuthVerified = activity.AuthNotChecked
	authorization := in.header("authorization")
	token := ""
	if e.tokens != nil {
		token = e.tokens.find(in, authorization)
	}
	if ev.AuthMethod == "" {
		ev.AuthMethod = methodOf(ev, authorization, token, in)
	}
	if token == "" {
		e.requireVerified(in)
		return nil
	}
	v := e.tokens.read(token, e.judgedAt(ev))
	r.countToken(v)
	switch {
	case v.state == activity.AuthFailed:
		ev.AuthVerified = v.state
		in.note(noteAuthFailure, failureJSON[v.reason])
		e.requireVerified(in)
	case v.claims.userID == "":
		e.requireVerified(in) // a token that names nobody says nothing of the actor
	case v.state == activity.AuthVerified:
		e.conflict(r, ev, v.claims)
		in.takeVerified(v.claims)
		ev.AuthVerified = v.state
	default:
		e.conflict(r, ev, v.claims)
		if ev.UserID == "" {
			in.takeUnverified(v.claims)
			ev.AuthVerified = v.state
		}
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
	if ev.UserID == "" || ev.UserID == c.userID || ev.UserID == c.onBehalfOf {
		return
	}
	ev.Flags |= activity.FlagActorConflict
	e.metrics.EnrichActorConflicts.Add(r.ctx, 1)
}

// actorFields are what a sender may say of an actor, with the reserved members
// that keep it where it does not count.
var actorFields = [...]struct {
	field   activity.Field
	claimed string
}{
	{activity.FieldUserID, claimed(activity.FieldUserID)},
	{activity.FieldUsername, claimed(activity.FieldUsername)},
	{activity.FieldUserEmail, claimed(activity.FieldUserEmail)},
	{activity.FieldUserRoles, claimed(activity.FieldUserRoles)},
	{activity.FieldOnBehalfOf, claimed(activity.FieldOnBehalfOf)},
	{activity.FieldActorType, claimed(activity.FieldActorType)},
}

func claimed(f activity.Field) string { return "_claimed_" + f.String() }

// takeVerified writes the actor of a verified token. Beside it stands only what
// the token says too, or what it is silent of when the sender named the same
// user; every other word of the sender is set aside.
func (in *intake) takeVerified(c *claims) {
	ev := &in.event
	same := ev.UserID == c.userID
	for i := range actorFields {
		a := &actorFields[i]
		said, word := ev.Text(a.field), c.word(a.field)
		if *said == word || (word == "" && same) {
			continue
		}
		if a.field == activity.FieldUserID && *said == c.onBehalfOf {
			*said = "" // the subject's id, which stands in on_behalf_of
		}
		in.setAside(a.claimed, said)
		*said = word
	}
	in.takeSession(c)
}

// word gives what a token says of its actor, "" for nothing.
func (c *claims) word(f activity.Field) string {
	switch f {
	case activity.FieldUserID:
		return c.userID
	case activity.FieldUsername:
		return c.username
	case activity.FieldUserEmail:
		return c.email
	case activity.FieldUserRoles:
		return c.roles
	case activity.FieldOnBehalfOf:
		return c.onBehalfOf
	case activity.FieldActorType:
		if c.service {
			return activity.ActorService
		}
	}
	return ""
}

// takeUnverified fills what the sender left open, of a token that nobody could
// check: its word is no better than the sender's.
func (in *intake) takeUnverified(c *claims) {
	for i := range actorFields {
		if word := c.word(actorFields[i].field); word != "" {
			*in.event.Text(actorFields[i].field) = word
		}
	}
	in.takeSession(c)
}

func (in *intake) takeSession(c *claims) {
	ev := &in.event
	ev.AuthIssuer, ev.AuthKeyID = c.issuer, c.keyID
	if ev.SessionKey == "" && c.session != "" {
		ev.SessionKey, in.sessionDone = c.session, true
	}
	if c.actors != "" {
		in.note("_earlier_actors", c.actors)
	}
}

// requireVerified leaves no actor standing on less than a verified token, where
// that is asked for; what was claimed stays visible in extra_data.
func (e *enricher) requireVerified(in *intake) {
	if e.cfg.JWT.Verify != verifyRequired {
		return
	}
	for i := range actorFields {
		in.setAside(actorFields[i].claimed, in.event.Text(actorFields[i].field))
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

// failureJSON are the failures as JSON texts.
var failureJSON = func() (list [failures]string) {
	for i, word := range failureWords {
		list[i] = `"` + word + `"`
	}
	return list
}()

// tokenResults are the results that are counted, in the order of request.tokens.
var tokenResults = [...]string{activity.AuthVerified, activity.AuthUnverified, activity.AuthFailed}

func (r *request) countToken(v *verdict) {
	r.failures[v.reason]++
	for i, word := range tokenResults {
		if word == v.state {
			r.tokens[i]++
		}
	}
}
