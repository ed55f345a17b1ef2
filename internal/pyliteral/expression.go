package pyliteral

import (
	"strconv"
	"strings"
)

// Bounds of what a module of MaxSize can be blown up to by repetition.
const (
	maxText   = 64 << 10
	maxName   = 200
	maxItems  = 10_000
	maxCopies = 1_000_000 // elements copied by unpacking and concatenation, in all
)

// parser reads the expressions of one module. Every method leaves it at the
// first token it did not take, and none goes back.
type parser struct {
	tokens []token
	pos    int
	module *Module
}

func (p *parser) peek() *token { return &p.tokens[p.pos] }

func (p *parser) take(op string) bool {
	if !p.peek().is(op) {
		return false
	}
	p.pos++
	return true
}

// skip passes over an expression, by its brackets, to one of the operators or
// the end of the line.
func (p *parser) skip(until ...string) {
	for depth := 0; ; p.pos++ {
		t := p.peek()
		if t.kind == newline || t.kind == end {
			return
		}
		if depth == 0 && t.kind == operator {
			for _, u := range until {
				if t.text == u {
					return
				}
			}
		}
		if t.kind != operator {
			continue
		}
		switch t.text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			if depth == 0 {
				return
			}
			depth--
		}
	}
}

func (p *parser) at(until []string) bool {
	t := p.peek()
	if t.kind == newline || t.kind == end {
		return true
	}
	for _, u := range until {
		if t.kind == operator && t.text == u {
			return true
		}
	}
	return false
}

// expression reads one that ends before one of the operators. What is more than
// literals put together is Unknown as a whole.
func (p *parser) expression(until ...string) any {
	v := p.unary()
	for {
		t := p.peek()
		switch {
		case p.at(until):
			return v
		case t.is("+") || t.is("|"):
			p.pos++
			v = p.module.join(v, p.unary(), t.text)
		default:
			what := "an expression"
			switch {
			case t.is("if"):
				what = "a choice by a condition"
			case t.is("for") || t.is("async"):
				what = "a comprehension"
			case t.kind == operator:
				what = "an expression with " + t.text
			case t.kind == name:
				what = "an expression with " + keyword(t.text)
			}
			p.skip(until...)
			return Unknown(what)
		}
	}
}

// keyword names a word of the language; others are the module's own.
func keyword(s string) string {
	switch s {
	case "and", "or", "not", "in", "is", "else":
		return s
	}
	return "a name"
}

// join is + and |, as far as they put literals together.
func (m *Module) join(a, b any, op string) any {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok && op == "+" {
			return m.concat(x, y)
		}
	case []any:
		if y, ok := b.([]any); ok && op == "+" {
			if !m.spend(len(x)+len(y)) || len(x)+len(y) > maxItems {
				return Unknown("a list of very many elements")
			}
			return append(append(make([]any, 0, len(x)+len(y)), x...), y...)
		}
	case *Dict:
		if y, ok := b.(*Dict); ok && op == "|" {
			d := NewDict()
			m.unpack(d, x)
			m.unpack(d, y)
			return d
		}
	}
	for _, v := range [...]any{a, b} {
		if u, ok := v.(Unknown); ok {
			return u
		}
		if e, ok := v.(Env); ok {
			return Unknown("an expression with the environment variable " + e.Name)
		}
	}
	return Unknown("an expression with " + op)
}

func (m *Module) concat(a, b string) any {
	if len(a)+len(b) > maxText || !m.spend((len(a)+len(b))/64) {
		return Unknown("a very long string")
	}
	return a + b
}

// spend counts work that a short text can ask for again and again.
func (m *Module) spend(n int) bool {
	m.copies += n
	return m.copies <= maxCopies
}

// unpack writes what ** gives into a dict.
func (m *Module) unpack(into *Dict, v any) {
	switch x := v.(type) {
	case *Dict:
		if len(into.keys)+len(x.keys) > maxItems || !m.spend(len(x.keys)) {
			into.Open = "very many keys"
			return
		}
		into.merge(x)
	case Unknown:
		into.Open = string(x)
	default:
		into.Open = "something that is no dict"
	}
}

func (p *parser) unary() any {
	t := p.peek()
	switch {
	case t.is("-"):
		p.pos++
		if n := p.peek(); n.kind == number {
			p.pos++
			switch v := numberOf(n.text).(type) {
			case int64:
				return -v
			case float64:
				return -v
			}
		}
		return Unknown("an expression with -")
	case t.is("lambda"):
		p.skip(":")
		if p.take(":") {
			p.unary()
		}
		return Unknown("a function")
	case t.is("not") || t.is("await") || t.is("yield"):
		p.pos++
		p.skip(",", "=", ":") // expression skips the rest
		return Unknown("an expression with " + t.text)
	}
	return p.postfix(p.atom())
}

// ref is a dotted name that has not become a value yet.
type ref string

func (p *parser) atom() any {
	t := p.peek()
	switch t.kind {
	case text:
		return p.texts()
	case number:
		p.pos++
		return numberOf(t.text)
	case name:
		p.pos++
		switch t.text {
		case "True":
			return true
		case "False":
			return false
		case "None":
			return nil
		}
		if len(t.text) >= maxName {
			return Unknown("a very long name")
		}
		return ref(t.text)
	case operator:
		switch t.text {
		case "[":
			return p.list("]")
		case "(":
			return p.list(")")
		case "{":
			return p.braces()
		}
	}
	return Unknown("an expression")
}

func numberOf(s string) any {
	if n, err := strconv.ParseInt(s, 0, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64); err == nil {
		return f
	}
	return Unknown("a number")
}

// texts joins string literals that follow each other.
func (p *parser) texts() any {
	v := p.peek().value()
	for p.pos++; p.peek().kind == text; p.pos++ {
		next := p.peek().value()
		switch a := v.(type) {
		case string:
			if b, ok := next.(string); ok {
				v = p.module.concat(a, b)
				continue
			}
		case Bytes:
			if b, ok := next.(Bytes); ok && len(a)+len(b) <= maxText && p.module.spend((len(a)+len(b))/64) {
				v = a + b
				continue
			}
		}
		v = Unknown("a formatted string")
	}
	if s, ok := v.(string); ok && len(s) > maxText {
		return Unknown("a very long string")
	}
	return v
}

// postfix reads what follows a name or a value: attributes, indices, calls.
func (p *parser) postfix(v any) any {
	for {
		switch t := p.peek(); {
		case t.is("."):
			p.pos++
			r, known := v.(ref)
			if known && p.peek().kind == name && len(r)+len(p.peek().text) < maxName {
				v = r + "." + ref(p.peek().text)
			} else if _, unknown := v.(Unknown); !unknown {
				v = Unknown("a method of a value")
			}
			if p.peek().kind == name {
				p.pos++
			}
		case t.is("["):
			v = p.index(v)
		case t.is("("):
			v = p.call(v)
		default:
			if r, ok := v.(ref); ok {
				return p.module.lookup(string(r))
			}
			return v
		}
	}
}

// index reads [...]: a key of a known dict, or of the environment.
func (p *parser) index(v any) any {
	p.pos++
	key, ok := p.expression("]", ":", ",").(string)
	simple := ok && p.peek().is("]")
	p.skip("]")
	p.take("]")
	r, isRef := v.(ref)
	if isRef && (r == "os.environ" || r == "environ") && simple {
		return envOf(key, nil, false, "")
	}
	if isRef {
		v = p.module.lookup(string(r))
	}
	if d, ok := v.(*Dict); ok && simple {
		if item, there := d.Get(key); there {
			return item.Value
		}
		return Unknown("a missing key")
	}
	if u, ok := v.(Unknown); ok {
		return u
	}
	return Unknown("an element of a value")
}
