package enrichprocessor

import (
	"slices"
	"strings"
)

// jsonTree is a JSON value together with its text. It is made in one pass.
type jsonTree struct {
	raw     string
	members []jsonMember // of an object, by name; of equal names the last
	items   []jsonTree   // of a list
}

type jsonMember struct {
	name  string
	value jsonTree
}

var jsonNull = jsonTree{raw: "null"}

// parseTree reads valid JSON that is not nested deeper than the limit.
func parseTree(text string) *jsonTree {
	var t jsonTree
	t.parse(text, skipSpace(text, 0))
	return &t
}

// parse reads the value at i and gives the index behind it.
func (t *jsonTree) parse(text string, i int) int {
	begin := i
	switch text[i] {
	case '{':
		i = t.parseMembers(text, i)
	case '[':
		for i = skipSpace(text, i+1); text[i] != ']'; {
			t.items = append(t.items, jsonTree{})
			i = next(text, t.items[len(t.items)-1].parse(text, i))
		}
		i++
	default:
		i = endOfValue(text, i)
	}
	t.raw = text[begin:i]
	return i
}

func (t *jsonTree) parseMembers(text string, i int) int {
	for i = skipSpace(text, i+1); text[i] != '}'; {
		end := endOfString(text, i)
		t.members = append(t.members, jsonMember{name: memberName(text[i:end])})
		i = skipSpace(text, skipSpace(text, end)+1)
		i = next(text, t.members[len(t.members)-1].value.parse(text, i))
	}
	slices.SortStableFunc(t.members, func(a, b jsonMember) int { return strings.Compare(a.name, b.name) })
	kept := t.members[:0]
	for k, m := range t.members {
		if k+1 == len(t.members) || t.members[k+1].name != m.name {
			kept = append(kept, m)
		}
	}
	t.members = kept
	return i + 1
}

// next gives the index of the next member or item, or of the closing bracket.
func next(text string, i int) int {
	i = skipSpace(text, i)
	if text[i] == ',' {
		i = skipSpace(text, i+1)
	}
	return i
}

func (t *jsonTree) isObject() bool { return t.raw[0] == '{' }

// holdsObjects reports whether the value is a list of nothing but objects.
func (t *jsonTree) holdsObjects() bool {
	return len(t.items) > 0 && !slices.ContainsFunc(t.items, func(item jsonTree) bool { return !item.isObject() })
}

// equal compares without white space, order of members and members that are
// null; numbers as written, strings as what they mean.
func (t *jsonTree) equal(o *jsonTree) bool {
	if t.raw == o.raw {
		return true
	}
	if t.raw[0] != o.raw[0] {
		return false
	}
	switch t.raw[0] {
	case '{':
		return equalMembers(t.members, o.members)
	case '[':
		if len(t.items) != len(o.items) {
			return false
		}
		for i := range t.items {
			if !t.items[i].equal(&o.items[i]) {
				return false
			}
		}
		return true
	case '"':
		return memberName(t.raw) == memberName(o.raw)
	}
	return false
}

func equalMembers(a, b []jsonMember) bool {
	i, j := 0, 0
	for {
		for i < len(a) && a[i].value.raw == jsonNull.raw {
			i++
		}
		for j < len(b) && b[j].value.raw == jsonNull.raw {
			j++
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if a[i].name != b[j].name || !a[i].value.equal(&b[j].value) {
			return false
		}
		i, j = i+1, j+1
	}
}
