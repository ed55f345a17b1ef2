package activitylogreceiver

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/identity"
)

// identify gives the event its id and datetime and closes its extra_data.
func (d *decoder) identify(index int) *refusal {
	e := &d.draft.event
	var add []addition
	if !d.draft.unknown.empty() {
		add = append(add, addition{extraAttributes, d.draft.unknown.String()})
	}
	if d.draft.context != "" {
		add = append(add, addition{extraCloudEvent, d.draft.context})
	}
	at, refused := d.datetime()
	if refused != nil {
		return refused
	}
	if d.draft.id != "" && e.ID.IsZero() {
		id, exact := identity.FromText(d.draft.id)
		if id.IsZero() {
			return refuse(codeInvalidField, "id: %s identifies nothing", shown(d.draft.id))
		}
		if !exact {
			add = append(add, addition{extraID, quoted(d.draft.id)})
		}
		e.ID = id
	}
	if e.ID.IsZero() {
		if refused := d.newIdentity(index, at.IsZero()); refused != nil {
			return refused
		}
	} else if at.IsZero() {
		var ok bool
		if at, ok = identity.Time(d.draft.id); !ok {
			return refuse(codeDatetimeWithID, "datetime: an event with an id needs it, unless the id is a UUIDv7 or a ULID")
		}
	}
	if at.IsZero() {
		at = d.now
	}
	if refused := d.inRange(at); refused != nil {
		return refused
	}
	e.Datetime = at.UnixNano()
	e.ExtraData = extend(e.ExtraData, add)
	return nil
}

// newIdentity names an event whose client gave no id.
func (d *decoder) newIdentity(index int, noTime bool) *refusal {
	if d.key != "" {
		if noTime {
			return refuse(codeDatetimeWithKey, "datetime: an event under an Idempotency-Key needs it")
		}
		d.draft.event.ID = identity.FromKey(d.key, index)
		return nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		// crypto/rand does not fail on the systems Go supports; if it ever
		// does, the event is refused rather than given a guessable id.
		return refuse(codeInvalidField, "id: none could be made: %s", err)
	}
	d.draft.event.ID = activity.ID(id)
	return nil
}

// datetime reads the client's datetime, the zero time when there is none.
func (d *decoder) datetime() (time.Time, *refusal) {
	s := strings.TrimSpace(d.draft.datetime)
	if s == "" {
		return time.Time{}, nil
	}
	var at time.Time
	if err := at.UnmarshalText([]byte(s)); err != nil || strings.Contains(s, ",") {
		return at, refuse(codeInvalidField, "datetime: want RFC 3339 such as 2026-01-31T23:59:59.5Z, got %s", shown(s))
	}
	return at, d.inRange(at)
}

// inRange refuses a time that is before 1970, too old or too far ahead.
func (d *decoder) inRange(at time.Time) *refusal {
	earliest := d.now.Add(-d.maxAge)
	if epoch := time.Unix(0, 0); earliest.Before(epoch) {
		earliest = epoch
	}
	latest := d.now.Add(d.maxFuture)
	if at.Before(earliest) || at.After(latest) {
		return refuse(codeDatetime, "datetime: %s is not between %s and %s",
			at.UTC().Format(time.RFC3339), earliest.UTC().Format(time.RFC3339), latest.UTC().Format(time.RFC3339))
	}
	return nil
}
