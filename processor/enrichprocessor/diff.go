package enrichprocessor

import (
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// noChanges is changed_fields of an update that is known to have changed
// nothing; where it is not known, changed_fields is empty.
const noChanges = "{}"

// diff makes changed_fields of the object before and after, unless the client
// said it itself. The object after becomes the snapshot when there is none.
func (e *enricher) diff(r *request, in *intake) {
	ev := &in.event
	in.unchanged = strings.TrimSpace(ev.ChangedFields) == noChanges
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
	changes, ok := r.differ.changedFields(in.before, in.after)
	if !ok {
		in.note("_diff", `"before and after are not two JSON objects"`)
		return
	}
	ev.ChangedFields, in.unchanged = changes, changes == noChanges
}

// present makes nothing of a null: what was created has no before, and what was
// deleted no after.
func present(text string) string {
	if strings.TrimSpace(text) == "null" {
		return ""
	}
	return text
}

// diffGrowth bounds the changes of nested members, whose paths repeat the names
// above them, to a multiple of what was compared.
const diffGrowth = 2

// changedFields gives {"field": [old, new]}, {} for no change. Members of
// objects within objects are fields of their own, "address.city"; so are those
// of lists of objects as long as before, "lines.0.price". Any other list is one
// value. A dot or backslash within a name is escaped by a backslash.
//
// Values stand as they were written. Their white space and order of members do
// not count, numbers are compared as written, and a member that is absent is
// one that is null. False means that the texts are not two JSON objects.
func (d *differ) changedFields(before, after string) (string, bool) {
	before, after = activity.CleanText(before), activity.CleanText(after)
	if !activity.ValidJSON(before) || !activity.ValidJSON(after) {
		return "", false
	}
	d.trees.reset()
	a, b := d.trees.parse(before), d.trees.parse(after)
	if !a.isObject() || !b.isObject() {
		return "", false
	}
	var path [128]byte
	d.out, d.nested, d.limit, d.overflow = d.out[:0], true, diffGrowth*(len(before)+len(after)), false
	d.objects(path[:0], &a, &b)
	if d.overflow {
		d.out, d.nested, d.overflow = d.out[:0], false, false
		d.objects(path[:0], &a, &b)
	}
	if len(d.out) == 0 {
		return noChanges, true
	}
	d.out = append(d.out, '}')
	return string(d.out), true
}

// differ writes the members of changed_fields. The zero value is ready; its room
// serves one pair of objects after the other.
type differ struct {
	trees    treeParser
	out      []byte
	nested   bool // look into members; else a field is a member of the object itself
	limit    int  // bytes of out, when nested
	overflow bool
}

// objects compares two objects whose members are sorted by name.
func (d *differ) objects(path []byte, a, b *jsonTree) {
	i, j := 0, 0
	for (i < len(a.members) || j < len(b.members)) && !d.overflow {
		switch {
		case j == len(b.members) || i < len(a.members) && a.members[i].name < b.members[j].name:
			d.values(path, a.members[i].name, &a.members[i].value, &jsonNull)
			i++
		case i == len(a.members) || b.members[j].name < a.members[i].name:
			d.values(path, b.members[j].name, &jsonNull, &b.members[j].value)
			j++
		default:
			d.values(path, a.members[i].name, &a.members[i].value, &b.members[j].value)
			i, j = i+1, j+1
		}
	}
}

func (d *differ) values(parent []byte, name string, a, b *jsonTree) {
	if a.raw == b.raw {
		return
	}
	path := appendStep(parent, name)
	switch {
	case d.nested && a.isObject() && b.isObject():
		d.objects(path, a, b)
	case d.nested && len(a.items) == len(b.items) && a.holdsObjects() && b.holdsObjects():
		for i := range a.items {
			d.values(path, strconv.Itoa(i), &a.items[i], &b.items[i])
		}
	case !a.equal(b):
		d.change(path, a, b)
	}
}

func (d *differ) change(path []byte, a, b *jsonTree) {
	open := byte(',')
	if len(d.out) == 0 {
		open = '{'
	}
	d.out = append(d.out, open)
	d.out = append(appendString(d.out, string(path[1:])), ":["...)
	d.out = append(append(d.out, a.raw...), ',')
	d.out = append(append(d.out, b.raw...), ']')
	d.overflow = d.nested && len(d.out) > d.limit+len(path)
}

// appendStep adds a name to a path. Every step begins with a dot; the first is
// not written. Paths share their bytes: one is done with before the next begins.
func appendStep(path []byte, name string) []byte {
	path = append(path, '.')
	for i := range len(name) {
		if name[i] == '.' || name[i] == '\\' {
			path = append(path, '\\')
		}
		path = append(path, name[i])
	}
	return path
}
