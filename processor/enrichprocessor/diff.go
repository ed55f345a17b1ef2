package enrichprocessor

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// diff makes changed_fields of the object before and after, unless the client
// said it itself. The object after becomes the snapshot when there is none.
func (e *enricher) diff(in *intake) {
	ev := &in.event
	in.before, in.after = present(in.before), present(in.after)
	if in.before == "" && in.after == "" {
		return
	}
	if depthOf(in.before) > activity.MaxJSONDepth || depthOf(in.after) > activity.MaxJSONDepth {
		in.note("_diff", `"before or after is nested too deep"`)
		return
	}
	if ev.ObjectJSONRepr == "" {
		ev.ObjectJSONRepr = in.after
		if in.after == "" {
			ev.ObjectJSONRepr = in.before
		}
	}
	if ev.ChangedFields != "" || in.before == "" || in.after == "" {
		return
	}
	changes, ok := changedFields(in.before, in.after)
	if !ok {
		in.note("_diff", `"before and after are not two JSON objects"`)
		return
	}
	ev.ChangedFields = changes
}

// present makes nothing of a null: what was created has no before, and what was
// deleted no after.
func present(text string) string {
	if strings.TrimSpace(text) == "null" {
		return ""
	}
	return text
}

// changedFields gives {"field": [old, new]}, sorted by field, "" for no change;
// a field on one side only has null on the other.
func changedFields(before, after string) (string, bool) {
	var a, b map[string]json.RawMessage
	if json.Unmarshal([]byte(before), &a) != nil || json.Unmarshal([]byte(after), &b) != nil || a == nil || b == nil {
		return "", false
	}
	var names []string
	for name, old := range a {
		if next, ok := b[name]; !ok || !equalJSON(old, next) {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", true
	}
	slices.Sort(names)
	out := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, name), ":["...)
		out = appendRaw(out, a[name])
		out = append(out, ',')
		out = appendRaw(out, b[name])
		out = append(out, ']')
	}
	return string(append(out, '}')), true
}

func appendRaw(dst []byte, raw json.RawMessage) []byte {
	if raw == nil {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}

// equalJSON compares texts without their white space and order of members;
// numbers are compared as written.
func equalJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	ca, errA := canonicalJSON(a)
	cb, errB := canonicalJSON(b)
	return errA == nil && errB == nil && bytes.Equal(ca, cb)
}

func canonicalJSON(raw json.RawMessage) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}
