package activitylog

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// AuditGroup is the attribute group that makes a log record an event.
const AuditGroup = "activity"

// Handler makes events of audit records and passes every other record on to
// next. An audit record has a group "activity" with a member "kind":
//
//	slog.InfoContext(ctx, "order exported", slog.Group("activity",
//		"kind", "crud", "event_type", "export", "content_type", "shop.order", "object_id", "17"))
//
// The members are those of docs/events.md, for every kind but request; the
// record's message becomes the message of a system event and extra_data.message
// of others, its level severity_number, its other attributes extra_data. Audit
// records are not passed on: what they hold is for the audit log. They count
// from slog.LevelInfo on, even where next takes no such level.
func (s *Sender) Handler(next slog.Handler) slog.Handler {
	return &handler{sender: s, next: next}
}

type handler struct {
	sender *Sender
	next   slog.Handler
	groups []string       // open, outermost first
	attrs  map[string]any // of With, nested in their groups; never changed
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *h
	out.next = h.next.WithAttrs(attrs)
	out.attrs = nest(h.attrs, h.groups, attrs)
	return &out
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	out := *h
	out.next = h.next.WithGroup(name)
	out.groups = slices.Concat(h.groups, []string{name})
	return &out
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if h.mayAudit(&r) {
		attrs := make([]slog.Attr, 0, r.NumAttrs())
		r.Attrs(func(a slog.Attr) bool {
			attrs = append(attrs, a)
			return true
		})
		all := nest(h.attrs, h.groups, attrs)
		if audit, ok := all[AuditGroup].(map[string]any); ok && audit["kind"] != nil {
			delete(all, AuditGroup)
			h.sender.recordMembers(ctx, &r, audit, all)
			return nil
		}
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// mayAudit saves other records the work.
func (h *handler) mayAudit(r *slog.Record) bool {
	if r.Level < slog.LevelInfo {
		return false
	}
	if h.attrs[AuditGroup] != nil || (len(h.groups) > 0 && h.groups[0] == AuditGroup) {
		return true
	}
	found := false
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == AuditGroup || a.Key == "" // a group without a name is inlined
		return !found
	})
	return found
}

// recordMembers records an event that is given by its JSON members; rest becomes
// its extra_data.
func (s *Sender) recordMembers(ctx context.Context, r *slog.Record, members, rest map[string]any) {
	e := Event{Datetime: r.Time, SeverityNumber: min(max(int(r.Level)+9, 1), 24)} // slog's -4, 0, 4, 8 are 5, 9, 13, 17
	if members["kind"] == KindSystem {
		e.Message = r.Message
	} else if r.Message != "" {
		rest["message"] = r.Message
	}
	if given, ok := members["extra_data"].(map[string]any); ok {
		maps.Copy(rest, given)
		delete(members, "extra_data")
	}
	if len(rest) > 0 {
		e.ExtraData = rest
	}
	e.ID = text(members["id"])
	// Whom the record names did it, and not whoever makes the request.
	e.UserID, e.Username = text(members["user_id"]), text(members["username"])
	delete(members, "headers")
	s.record(ctx, &e, members)
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// nest gives a copy of a tree with attributes added below groups.
func nest(tree map[string]any, groups []string, attrs []slog.Attr) map[string]any {
	out := maps.Clone(tree)
	if out == nil {
		out = map[string]any{}
	}
	if len(groups) > 0 {
		below, _ := out[groups[0]].(map[string]any)
		if inner := nest(below, groups[1:], attrs); len(inner) > 0 {
			out[groups[0]] = inner
		}
		return out
	}
	for _, a := range attrs {
		v := a.Value.Resolve()
		switch {
		case v.Kind() == slog.KindGroup && a.Key == "":
			maps.Copy(out, nest(nil, nil, v.Group()))
		case v.Kind() == slog.KindGroup:
			below, _ := out[a.Key].(map[string]any)
			out[a.Key] = nest(below, nil, v.Group())
		case a.Key != "":
			out[a.Key] = plain(v)
		}
	}
	return out
}

// plain gives a value as JSON shall have it.
func plain(v slog.Value) any {
	switch v.Kind() {
	case slog.KindDuration:
		return v.Duration().String()
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	}
	if err, ok := v.Any().(error); ok {
		return err.Error()
	}
	return v.Any()
}
