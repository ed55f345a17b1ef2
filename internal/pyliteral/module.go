package pyliteral

// Module is what the assignments of one or more files leave behind.
type Module struct {
	names map[string]Item
	// Imports are the modules whose names are all taken (from x import *).
	Imports []Import

	doubts  []Doubt
	settled map[string]int // the doubts before it are moot: the name was set anew
	order   []string
	file    string
	copies  int
}

// Import is one `from Module import *`.
type Import struct {
	Module, File string
	Line         int
}

// Doubt is a change of a name that happens on a condition, or in a way that is
// not understood.
type Doubt struct {
	Name, File string
	Line       int
	What       string
}

// New makes an empty module.
func New() *Module { return &Module{names: map[string]Item{}, settled: map[string]int{}} }

// Names lists the assigned names in the order of their first assignment.
func (m *Module) Names() []string { return m.order }

// Get gives the value of a name at the end of the module.
func (m *Module) Get(name string) (item Item, ok bool) {
	item, ok = m.names[name]
	return item, ok
}

// Set gives a name a value, as an assignment does.
func (m *Module) Set(name string, item Item) { m.assign(name, item) }

func (m *Module) item(v any, line int) Item { return Item{Value: v, File: m.file, Line: line} }

func (m *Module) assign(name string, item Item) {
	if _, there := m.names[name]; !there {
		m.order = append(m.order, name)
	}
	m.names[name] = item
}

// lookup gives the value behind a dotted name.
func (m *Module) lookup(path string) any {
	if item, ok := m.names[path]; ok {
		return item.Value
	}
	return Unknown("the name " + path)
}

// Doubts lists the changes that cannot be followed, in their order.
func (m *Module) Doubts() []Doubt {
	var open []Doubt
	for i, d := range m.doubts {
		if i >= m.settled[d.Name] {
			open = append(open, d)
		}
	}
	return open
}

func (m *Module) doubt(name string, line int, what string) {
	m.doubts = append(m.doubts, Doubt{Name: name, File: m.file, Line: line, What: what})
}

// Read takes in a Python file, on top of those read before. Its errors wrap
// ErrSyntax.
func (m *Module) Read(file, src string) error {
	tokens, err := scan(src)
	if err != nil {
		return err
	}
	m.file = file
	p := &parser{tokens: tokens, module: m}
	block := ""     // the keyword of the block that an indented line is in
	within := false // that block, also for the statements of its first line
	for p.peek().kind != end {
		t := p.peek()
		if t.kind == newline {
			within = within && t.text == ";"
			p.pos++
			continue
		}
		first := p.pos == 0 || tokens[p.pos-1].kind == newline && tokens[p.pos-1].text != ";"
		if first {
			within = t.column > 0
		}
		if opens(t) && (t.text != "match" && t.text != "case" || p.header()) {
			if !within || block == "" {
				block = t.text
				if block == "async" {
					block = "def"
				}
			}
			p.skip(":")
			within = true
			if !p.take(":") {
				p.skip()
			}
			continue
		}
		p.statement(block, within)
		for p.skip(); p.peek().kind == operator; p.skip() {
			p.pos++ // the closing bracket of what a statement was left in
		}
	}
	return nil
}

func opens(t *token) bool {
	if t.kind != name {
		return false
	}
	switch t.text {
	case "if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class", "async", "match", "case":
		return true
	}
	return false
}

// header reports whether a line that begins with a soft keyword is a header:
// its last token is a colon.
func (p *parser) header() bool {
	i := p.pos
	for p.tokens[i].kind != newline && p.tokens[i].kind != end {
		i++
	}
	return p.tokens[i-1].is(":")
}
