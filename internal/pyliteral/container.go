package pyliteral

// list reads [...] or (...); (x) is x itself.
func (p *parser) list(closing string) any {
	p.pos++
	items, comma, unknown := []any{}, false, Unknown("")
	for !p.take(closing) {
		star := p.take("*") || p.take("**")
		v := p.expression(",", closing)
		switch x := v.(type) {
		case []any:
			if star {
				if len(items)+len(x) > maxItems || !p.module.spend(len(x)) {
					unknown = "a list of very many elements"
				} else {
					items = append(items, x...)
				}
				break
			}
			items = append(items, x)
		case Unknown:
			if star || x == "a comprehension" {
				unknown = x
			}
			items = append(items, x)
		default:
			if star {
				unknown = "an unpacked value"
			}
			items = append(items, v)
		}
		if len(items) > maxItems {
			unknown = "a list of very many elements"
			items = items[:0]
		}
		switch {
		case p.take(","):
			comma = true
		case !p.peek().is(closing):
			return Unknown("an expression")
		}
	}
	switch {
	case unknown != "":
		return unknown
	case closing == ")" && !comma && len(items) == 1:
		return items[0]
	}
	return items
}

// braces reads a dict or a set; a set is its list.
func (p *parser) braces() any {
	p.pos++
	d, items := NewDict(), []any{}
	for !p.take("}") {
		line := p.peek().line
		if p.take("**") {
			p.module.unpack(d, p.expression(",", "}"))
		} else {
			key := p.expression(",", ":", "}")
			if p.take(":") {
				value := p.expression(",", "}")
				if value == Unknown("a comprehension") {
					p.skip("}")
					p.take("}")
					return value
				}
				if k, ok := key.(string); ok {
					d.Set(k, p.module.item(value, line))
				} else {
					d.Open = "a key that is no text"
				}
			} else {
				if key == Unknown("a comprehension") {
					p.skip("}")
					p.take("}")
					return key
				}
				items = append(items, key)
			}
		}
		if len(d.keys) > maxItems || len(items) > maxItems {
			p.skip("}")
			p.take("}")
			return Unknown("very many elements")
		}
		if !p.take(",") && !p.peek().is("}") {
			return Unknown("an expression")
		}
	}
	if len(items) > 0 {
		return items
	}
	return d
}
