package activitylogreceiver

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Members of extra_data that the receiver adds. What the client wrote itself
// keeps its bytes.
const (
	extraAttributes = "_attributes" // members without a column, by name
	extraID         = "_id"         // the client's id when the event's is derived from it
	extraCloudEvent = "_cloudevent" // the context attributes of the CloudEvent
	extraValue      = "_extra_data" // the client's extra_data when members cannot be added to it
)

// addition is one member to add to extra_data.
type addition struct {
	name string
	text string // JSON
}

// extend gives extra_data with the additions behind the client's own members.
// An extra_data that is no object, or that uses one of the names itself, is
// moved whole under extraValue.
func extend(extra string, add []addition) string {
	if len(add) == 0 {
		return extra
	}
	var b strings.Builder
	size := len(extra) + 32
	for _, a := range add {
		size += len(a.name) + len(a.text) + 4
	}
	b.Grow(size)
	b.WriteByte('{')
	switch {
	case extra == "":
	case canExtend(value(extra), add):
		b.WriteString(extra[1 : len(extra)-1])
	default:
		b.WriteString(`"` + extraValue + `":` + extra)
	}
	empty := strings.Trim(b.String()[1:], " \t\r\n") == ""
	for _, a := range add {
		if !empty {
			b.WriteByte(',')
		}
		empty = false
		b.WriteString(`"` + a.name + `":` + a.text)
	}
	b.WriteByte('}')
	return b.String()
}

func canExtend(v value, add []addition) bool {
	if !v.isObject() {
		return false
	}
	free := true
	err := eachMember(v, func(name string, _ value) error {
		for _, a := range add {
			free = free && name != a.name
		}
		return nil
	})
	return err == nil && free
}

// quoted gives s as a JSON string.
func quoted(s string) string {
	// The error only tells that bytes were replaced.
	b, _ := jsontext.AppendQuote(nil, s)
	return string(b)
}

// object collects members into the text of one JSON object.
type object struct{ b bytes.Buffer }

func (o *object) add(name string, text value) {
	if o.b.Len() == 0 {
		o.b.WriteByte('{')
	} else {
		o.b.WriteByte(',')
	}
	o.b.WriteString(quoted(name))
	o.b.WriteByte(':')
	o.b.WriteString(string(text))
}

func (o *object) empty() bool { return o.b.Len() == 0 }

func (o *object) String() string { return o.b.String() + "}" }
