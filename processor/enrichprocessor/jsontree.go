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
	var p treeParser
	t := p.parse(text)
	return &t
}

// treeParser keeps the room of its trees for the next ones. The zero value is
// ready.
type treeParser struct {
	text    string
	members []jsonMember // of all objects
	items   []jsonTree   // of all lists
	// What has been read of the objects and lists that are not at their end.
	openMembers []jsonMember
	openItems   []jsonTree
}

// reset gives the room of the trees up.
func (p *treeParser) reset() { p.members, p.items = p.members[:0], p.items[:0] }

func (p *treeParser) parse(text string) jsonTree {
	p.text = text
	t, _ := p.value(skipSpace(text, 0))
	return t
}

// value reads the value at i and gives the index behind it.
func (p *treeParser) value(i int) (t jsonTree, end int) {
	switch p.text[i] {
	case '{':
		t.members, end = p.object(i)
	case '[':
		t.items, end = p.list(i)
	default:
		end = endOfValue(p.text, i)
	}
	t.raw = p.text[i:end]
	return t, end
}

func (p *treeParser) list(i int) (items []jsonTree, end int) {
	open := len(p.openItems)
	for i = skipSpace(p.text, i+1); p.text[i] != ']'; i = next(p.text, end) {
		var item jsonTree
		item, end = p.value(i)
		p.openItems = append(p.openItems, item)
	}
	from := len(p.items)
	p.items = append(p.items, p.openItems[open:]...)
	p.openItems = p.openItems[:open]
	return p.items[from:], i + 1
}

func (p *treeParser) object(i int) (members []jsonMember, end int) {
	open := len(p.openMembers)
	for i = skipSpace(p.text, i+1); p.text[i] != '}'; i = next(p.text, end) {
		end = endOfString(p.text, i)
		m := jsonMember{name: memberName(p.text[i:end])}
		m.value, end = p.value(skipSpace(p.text, skipSpace(p.text, end)+1))
		p.openMembers = append(p.openMembers, m)
	}
	list, from := p.openMembers[open:], len(p.members)
	slices.SortStableFunc(list, func(a, b jsonMember) int { return strings.Compare(a.name, b.name) })
	for k, m := range list {
		if k+1 == len(list) || list[k+1].name != m.name {
			p.members = append(p.members, m)
		}
	}
	p.openMembers = p.openMembers[:open]
	return p.members[from:], i + 1
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
