package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// parseKinds takes kinds and the model names of django-activitylog-jwt; none or
// "all" is every kind.
func parseKinds(words []string) ([]activity.Kind, error) {
	var kinds []activity.Kind
	for _, word := range words {
		if strings.EqualFold(word, "all") {
			return nil, nil
		}
		kind, ok := activity.ParseKind(strings.TrimSuffix(strings.ToLower(word), "event"))
		if !ok {
			return nil, fmt.Errorf("%w: %q is no kind; the kinds are crud, login, request, cors, system", activity.ErrInvalid, word)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// parseTime takes RFC 3339 or a date (its first instant, UTC); "" is open. The
// answer is Unix nanoseconds.
func parseTime(flag, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixNano(), nil
		}
	}
	return 0, fmt.Errorf("%w: --%s %q: write a date (2026-01-31) or an RFC 3339 time (2026-01-31T12:00:00Z)", activity.ErrInvalid, flag, text)
}

// scopeOf is every tenant unless one is chosen; "default" is the default tenant.
func scopeOf(tenant string) activity.Scope {
	switch tenant {
	case "":
		return activity.AllTenants()
	case "default":
		return activity.Tenants("")
	}
	return activity.Tenants(tenant)
}
