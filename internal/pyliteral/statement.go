package pyliteral

import (
	"strconv"
	"strings"
)

// statement reads one that may change a name; the rest of its line is skipped.
func (p *parser) statement(block string, within bool) {
	t := p.peek()
	if t.is("from") {
		p.star()
		return
	}
	if t.is("del") {
		p.pos++
		p.target(block, within, "it is deleted")
		return
	}
	if t.kind != name || within && block == "def" {
		return // names of a function are its own
	}
	p.target(block, within, "")
}

// star notes `from .base import *`.
func (p *parser) star() {
	line := p.peek().line
	p.pos++
	var b strings.Builder
	for !p.peek().is("import") {
		t := p.peek()
		if t.kind != name && t.kind != operator {
			return
		}
		b.WriteString(t.text)
		p.pos++
	}
	p.pos++
	if p.peek().is("*") {
		p.module.Imports = append(p.module.Imports, Import{Module: b.String(), File: p.module.file, Line: line})
	}
}

// target reads a name with its indices and methods, and what happens to it.
func (p *parser) target(block string, within bool, deleted string) {
	m := p.module
	t := p.peek()
	if t.kind != name {
		return
	}
	root := t.text
	p.pos++
	var keys []string
	for p.peek().is("[") {
		p.pos++
		key, ok := p.expression("]", ":", ",").(string)
		if !ok || !p.take("]") {
			m.doubt(root, t.line, "one of its elements is changed")
			return
		}
		keys = append(keys, key)
	}
	switch {
	case deleted != "":
		m.doubt(root, t.line, deleted)
	case p.peek().is("."):
		p.pos++
		method := p.peek().text
		p.pos++
		if !p.peek().is("(") {
			return
		}
		if within {
			m.doubt(root, t.line, "it is changed within "+article(block))
			return
		}
		m.method(path{root, keys, t.line}, method, p.arguments())
	case p.peek().is(","):
		m.unpacked(p, root)
	default:
		p.assignment(path{root, keys, t.line}, block, within)
	}
}

func article(block string) string {
	switch block {
	case "":
		return "an indented block"
	case "if", "elif", "else":
		return "a condition (if)"
	case "try", "except", "finally":
		return "a try"
	case "class":
		return "a class"
	}
	return "a block (" + block + ")"
}

// path is a place in a value: a name and the keys behind it.
type path struct {
	root string
	keys []string
	line int
}

// assignment reads = , += and |= with what follows.
func (p *parser) assignment(at path, block string, within bool) {
	m := p.module
	if p.take(":") { // an annotation
		p.skip("=")
	}
	op := p.peek().text
	switch {
	case p.peek().kind != operator || op != "=" && op != "+=" && op != "|=":
		if p.peek().kind == operator && strings.HasSuffix(op, "=") && op != "==" {
			m.doubt(at.root, at.line, "it is changed by "+op)
		}
		return
	case within:
		what := "it"
		if n := len(at.keys); n > 0 {
			what = strconv.Quote(at.keys[n-1])
		}
		m.doubt(at.root, at.line, what+" is set within "+article(block))
		return
	}
	p.pos++
	targets := []path{at}
	v := p.expression("=", ",")
	for op == "=" && p.take("=") { // a = b = value: what was read was a target
		prev := p.tokens[p.pos-2]
		if prev.kind == name {
			targets = append(targets, path{root: prev.text, line: at.line})
		}
		v = p.expression("=", ",")
	}
	if p.peek().is(",") { // a tuple without brackets
		items := []any{v}
		for p.take(",") && !p.at(nil) {
			items = append(items, p.expression(","))
		}
		v = items
	}
	for _, to := range targets {
		if op != "=" {
			old, _ := m.at(to)
			v = m.join(old, v, op[:1])
		} else if len(to.keys) == 0 {
			m.settled[to.root] = len(m.doubts)
		}
		m.set(to, v)
	}
}

// unpacked notes the names of `a, b = ...`.
func (m *Module) unpacked(p *parser, root string) {
	line := p.peek().line
	names := []string{root}
	for p.take(",") {
		if p.peek().kind == name {
			names = append(names, p.peek().text)
			p.pos++
		}
	}
	if p.peek().is("=") {
		for _, n := range names {
			m.doubt(n, line, "it is set together with others")
		}
	}
}

// at gives the value of a place.
func (m *Module) at(to path) (v any, ok bool) {
	item, ok := m.names[to.root]
	for _, k := range to.keys {
		d, isDict := item.Value.(*Dict)
		if !isDict {
			return Unknown("the name " + to.root), false
		}
		item, ok = d.Get(k)
	}
	if !ok {
		return Unknown("the name " + to.root), false
	}
	return item.Value, true
}

// set writes a place. A place in a value that is not known is a doubt.
func (m *Module) set(to path, v any) {
	if len(to.keys) == 0 {
		m.assign(to.root, m.item(v, to.line))
		return
	}
	parent, _ := m.at(path{root: to.root, keys: to.keys[:len(to.keys)-1]})
	d, ok := parent.(*Dict)
	if !ok {
		m.doubt(to.root, to.line, strconv.Quote(to.keys[len(to.keys)-1])+" is set in a dict that is not known here")
		return
	}
	d.Set(to.keys[len(to.keys)-1], m.item(v, to.line))
}

// method is a call of a method that changes a value.
func (m *Module) method(to path, method string, args arguments) {
	old, _ := m.at(to)
	switch d := old.(type) {
	case *Dict:
		if m.changeDict(d, method, args, to.line) {
			return
		}
	case []any:
		if len(args.list) != 1 || len(args.named.Keys()) > 0 {
			break
		}
		switch method {
		case "append":
			m.set(to, m.join(d, []any{args.list[0]}, "+"))
			return
		case "extend":
			m.set(to, m.join(d, args.list[0], "+"))
			return
		}
	}
	switch method {
	case "update", "setdefault", "pop", "popitem", "clear", "append", "extend", "insert", "remove", "sort", "reverse", "__setitem__":
		m.doubt(to.root, to.line, "it is changed by ."+method+"()")
	}
}

func (m *Module) changeDict(d *Dict, method string, args arguments, line int) bool {
	switch {
	case method == "update" && len(args.list) <= 1:
		if len(args.list) == 1 {
			m.unpack(d, args.list[0])
		}
		m.unpack(d, args.named)
		return true
	case method == "setdefault" && len(args.list) == 2:
		key, ok := args.list[0].(string)
		if _, there := d.Get(key); ok && !there {
			d.Set(key, m.item(args.list[1], line))
		}
		return ok
	}
	return false
}
