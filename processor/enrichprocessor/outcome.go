package enrichprocessor

import (
	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// OTLP severity numbers that events get when their sender gives none.
const (
	severityInfo  = 9
	severityWarn  = 13
	severityError = 17
)

// derive fills what follows from the rest of the event.
func derive(ev *activity.Event, foreign bool) {
	if ev.Kind == activity.KindSystem {
		if foreign {
			fill(&ev.Type, "log")
		}
		fill(&ev.Category, "custom")
	}
	if ev.Outcome == "" {
		ev.Outcome = outcomeOf(ev)
	}
	if ev.SeverityNumber < 1 || ev.SeverityNumber > 24 {
		ev.SeverityNumber = severityOf(ev)
	}
	if ev.Action == "" {
		switch ev.Kind {
		case activity.KindCRUD, activity.KindLogin, activity.KindSystem:
			ev.Action = ev.Type
		case activity.KindRequest, activity.KindCORS:
			ev.Action = ev.Method
		}
	}
	if ev.ActorType == "" {
		ev.ActorType = actorTypeOf(ev)
	}
}

func outcomeOf(ev *activity.Event) string {
	switch ev.Kind {
	case activity.KindRequest:
		switch s := ev.ResponseStatus; {
		case s == 401 || s == 403:
			return activity.OutcomeDenied
		case s >= 400:
			return activity.OutcomeFailure
		case s >= 100:
			return activity.OutcomeSuccess
		}
	case activity.KindLogin:
		switch ev.Type {
		case "":
			return activity.OutcomeUnknown
		case "login_failed", "mfa_failed":
			return activity.OutcomeFailure
		}
		return activity.OutcomeSuccess
	case activity.KindCORS:
		switch ev.Allowed {
		case activity.AllowedYes:
			return activity.OutcomeSuccess
		case activity.AllowedNo:
			return activity.OutcomeDenied
		}
	case activity.KindCRUD:
		return activity.OutcomeSuccess
	case activity.KindSystem:
		if ev.SeverityNumber >= severityError {
			return activity.OutcomeFailure
		}
	}
	return activity.OutcomeUnknown
}

func severityOf(ev *activity.Event) int64 {
	switch {
	case ev.Kind == activity.KindRequest && ev.ResponseStatus >= 500:
		return severityError
	case ev.Outcome == activity.OutcomeFailure || ev.Outcome == activity.OutcomeDenied:
		return severityWarn
	}
	return severityInfo
}

func actorTypeOf(ev *activity.Event) string {
	switch {
	case ev.UserID != "" || ev.Username != "" && !failedLogin(ev):
		return activity.ActorUser
	case ev.Kind == activity.KindSystem:
		return activity.ActorSystem
	case ev.Kind == activity.KindRequest || ev.Kind == activity.KindCORS:
		return activity.ActorAnonymous
	}
	return activity.ActorUnknown
}
