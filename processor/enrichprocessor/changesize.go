package enrichprocessor

import (
	"slices"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// fitChanges brings changed_fields within its limit, once its secrets are
// replaced: the largest values give way to their size and digest, so that the
// names of what changed stay. If that is not enough, all of it is cut as any
// other text is.
func (in *intake) fitChanges(limit int) {
	ev := &in.event
	size := len(ev.ChangedFields)
	if size <= limit || !activity.ValidJSON(ev.ChangedFields) {
		return
	}
	t := parseTree(ev.ChangedFields)
	var values []*jsonTree
	for i := range t.members {
		if pair := &t.members[i].value; len(pair.items) == 2 {
			values = append(values, &pair.items[0], &pair.items[1])
		}
	}
	slices.SortStableFunc(values, func(a, b *jsonTree) int { return len(b.raw) - len(a.raw) })
	for _, v := range values {
		if size <= limit || len(v.raw) < minJSONLimit {
			break
		}
		before := len(v.raw)
		v.raw = digest(ev, activity.FieldChangedFields, v.raw)
		size += len(v.raw) - before
	}
	var b strings.Builder
	for i, m := range t.members {
		b.WriteByte("{,"[min(i, 1)])
		b.Write(appendString(nil, m.name))
		b.WriteByte(':')
		if len(m.value.items) == 2 {
			b.WriteString("[" + m.value.items[0].raw + "," + m.value.items[1].raw + "]")
		} else {
			b.WriteString(m.value.raw)
		}
	}
	if size <= limit && t.isObject() {
		ev.ChangedFields = b.String() + "}"
		in.cut++
	}
}
