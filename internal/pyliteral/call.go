package pyliteral

import (
	"regexp"
	"strings"
)

// arguments of a call; those by name keep where they stand.
type arguments struct {
	list  []any
	named *Dict
}

// call reads (...) and gives what the callee is known to make of it. Nothing is
// called: dict and timedelta are written-down values, and the ways to ask for an
// environment variable stand for the variable.
func (p *parser) call(callee any) any {
	args := p.arguments()
	r, ok := callee.(ref)
	if !ok {
		if _, known := callee.(Unknown); known {
			return callee
		}
		return Unknown("the call of a method")
	}
	path := string(r)
	switch {
	case path == "dict" && len(args.list) == 0:
		return args.named
	case path == "timedelta" || path == "datetime.timedelta":
		if d, ok := args.duration(); ok {
			return d
		}
	case args.named.Open == "":
		if e, ok := args.env(path); ok {
			return e
		}
	}
	return Unknown("the call of " + path)
}

func (p *parser) arguments() arguments {
	a := arguments{named: NewDict()}
	p.pos++
	for !p.take(")") {
		t := p.peek()
		switch {
		case t.kind == name && p.tokens[p.pos+1].is("="):
			p.pos += 2
			a.named.Set(t.text, p.module.item(p.expression(",", ")"), t.line))
		case p.take("**"):
			p.module.unpack(a.named, p.expression(",", ")"))
		default:
			star := p.take("*")
			v := p.expression(",", ")")
			if star {
				a.named.Open = "unpacked arguments"
			}
			a.list = append(a.list, v)
		}
		if !p.take(",") && !p.peek().is(")") {
			a.named.Open = "an expression"
			p.skip(")")
			if !p.peek().is(")") {
				return a // the end of the line: the lexer allows none within brackets
			}
		}
	}
	return a
}

func (a *arguments) duration() (Duration, bool) {
	units := map[string]float64{"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 7 * 86400, "milliseconds": 1e-3}
	sum := 0.0
	for _, k := range a.named.Keys() {
		item, _ := a.named.Get(k)
		unit, ok := units[k]
		switch n := item.Value.(type) {
		case int64:
			sum += float64(n) * unit
		case float64:
			sum += n * unit
		default:
			ok = false
		}
		if !ok {
			return 0, false
		}
	}
	return Duration(sum), len(a.list) == 0 && a.named.Open == "" && len(a.named.Keys()) > 0
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

func envOf(key string, def any, hasDefault bool, cast string) any {
	if !variable.MatchString(key) {
		return Unknown("an environment variable of an unusual name")
	}
	return Env{Name: key, Default: def, HasDefault: hasDefault, Cast: cast}
}

// env knows os.environ.get, os.getenv, django-environ (env, env.str, env.bool,
// env.int, env.list) and python-decouple (config).
func (a *arguments) env(path string) (any, bool) {
	cast, ours := "", true
	switch path {
	case "os.environ.get", "environ.get", "os.getenv", "getenv", "env", "env.str", "config", "decouple.config":
	case "env.bool", "env.int", "env.list", "env.tuple":
		cast = strings.Replace(strings.TrimPrefix(path, "env."), "tuple", "list", 1)
	default:
		ours = false
	}
	if !ours || len(a.list) == 0 || len(a.list) > 2 {
		return nil, false
	}
	key, ok := a.list[0].(string)
	if !ok {
		return nil, false
	}
	var def any
	hasDefault := false
	if len(a.list) == 2 {
		if path == "env.str" || path == "env.bool" {
			return nil, false // the second argument is multiline or the like, by its version
		}
		def, hasDefault = a.list[1], true
	}
	for _, k := range a.named.Keys() {
		item, _ := a.named.Get(k)
		switch k {
		case "default":
			def, hasDefault = item.Value, true
		case "cast":
			word, _ := item.Value.(Unknown)
			cast = strings.TrimPrefix(string(word), "the name ")
			if cast != "bool" && cast != "int" && cast != "str" && cast != "list" {
				return Unknown("an environment variable that is converted"), true
			}
		default:
			return Unknown("an environment variable that is converted"), true
		}
	}
	return envOf(key, def, hasDefault, cast), true
}
