package canonical

import (
	"slices"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Version is the schema_version that Seal writes. It changes only when the bytes
// of an existing event would change; a new field takes a new key instead.
const Version = 1

// Keys of the event map that are no column of their own.
const (
	keyPersonal = 33 // commitment of the personal group
	keyContent  = 34 // commitment of the content group
)

// entry is one key of a map. Field 0 stands for a commitment.
type entry struct {
	key   uint64
	head  [2]byte // the key as CBOR; keys are below 256
	size  int     // bytes of head in use
	typ   activity.Type
	bias  int64
	field activity.Field
	part  int // of a commitment: 0 personal, 1 content
}

// The three maps, in ascending order of their keys.
var (
	eventSchema    = schema(activity.GroupEvent, commitment(keyPersonal, 0), commitment(keyContent, 1))
	personalSchema = schema(activity.GroupPersonal)
	contentSchema  = schema(activity.GroupContent)
)

func schema(g activity.Group, entries ...entry) []entry {
	for _, f := range activity.Fields() {
		if info := f.Info(); info.Group == g {
			entries = append(entries, newEntry(entry{key: info.Key, typ: info.Type, bias: info.Bias, field: f}))
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return int(a.key) - int(b.key) }) //nolint:gosec // keys are small
	return entries
}

func commitment(key uint64, part int) entry {
	return newEntry(entry{key: key, typ: activity.TypeBytes, part: part})
}

func newEntry(e entry) entry {
	e.size = copy(e.head[:], appendHead(nil, majorUint, e.key))
	return e
}

func schemaOf(g activity.Group) []entry {
	switch g {
	case activity.GroupEvent:
		return eventSchema
	case activity.GroupPersonal:
		return personalSchema
	case activity.GroupContent:
		return contentSchema
	case activity.GroupNone:
	}
	return nil
}
