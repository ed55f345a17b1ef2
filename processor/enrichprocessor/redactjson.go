package enrichprocessor

import (
	"math"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// json gives valid JSON with its secrets replaced: the values of members whose
// names say so, and what is found in names and in other values. Text without a
// secret is given back as it is, to the byte.
func (p *redaction) json(text string) string {
	w := jsonRewrite{p: p, text: text}
	return w.run()
}

// changes is json for changed_fields, whose members are pairs: each of the two
// values is replaced.
func (p *redaction) changes(text string) string {
	w := jsonRewrite{p: p, text: text, pairs: true}
	return w.run()
}

// jsonRewrite is one pass over a JSON text.
type jsonRewrite struct {
	p      *redaction
	text   string
	pairs  bool // the members of the object itself are [old, new]
	nested bool // within a string of another
	out    []byte
	kept   int // text before it is in out
	depth  int
}

func (w *jsonRewrite) run() string {
	for i := 0; i < len(w.text); {
		switch c := w.text[i]; {
		case c == '{' || c == '[':
			w.depth++
			i++
		case c == '}' || c == ']':
			w.depth--
			i++
		case c == '"':
			i = w.str(i)
		case c == '-' || c >= '0' && c <= '9':
			i = w.number(i)
		default:
			i++
		}
	}
	if w.out == nil {
		return w.text
	}
	return string(append(w.out, w.text[w.kept:]...))
}

// upTo writes the text before i that is kept.
func (w *jsonRewrite) upTo(i int) {
	if w.out == nil {
		w.out = make([]byte, 0, len(w.text)+len(pseudonymPrefix)+2*pseudonymBytes)
	}
	w.out = append(w.out, w.text[w.kept:i]...)
}

// str treats the string at i, and its value if it is a name, and gives the index
// to go on at.
func (w *jsonRewrite) str(i int) int {
	end := endOfString(w.text, i)
	colon := skipSpace(w.text, end)
	if colon >= len(w.text) || w.text[colon] != ':' {
		w.search(i, end)
		return end
	}
	start := skipSpace(w.text, colon+1)
	name := memberName(w.text[i:end])
	if w.p.names.ignores(name) {
		return endOfValue(w.text, start)
	}
	pair := w.pairs && w.depth == 1
	if !w.p.names.secret(name) && (!pair || !w.p.names.secretPath(name)) {
		w.search(i, end)
		return start
	}
	stop := endOfValue(w.text, start)
	value := w.text[start:stop]
	switch {
	case value == "null" || w.p.keeps(memberText(value)):
		w.search(i, end)
	case w.p.action == actionRemove:
		w.p.found[secretName]++
		return w.remove(i, stop)
	default:
		w.search(i, end)
		w.upTo(start)
		if pair {
			w.pair(value)
		} else {
			w.value(value)
		}
		w.kept = stop
	}
	return stop
}

// memberText is what a value means: the text of a string, else its JSON.
func memberText(value string) string {
	if value != "" && value[0] == '"' {
		return memberName(value)
	}
	return value
}

// value writes what takes the place of a value.
func (w *jsonRewrite) value(value string) {
	w.out = append(w.out, '"')
	w.out = append(w.p.appendSecret(w.out, memberText(value), secretName), '"')
}

// pair writes what takes the place of [old, new]; a null stays, for it is no
// secret that there was nothing.
func (w *jsonRewrite) pair(value string) {
	t := parseTree(value)
	if len(t.items) != 2 {
		t.items = []jsonTree{{raw: value}, {raw: value}}
	}
	for i, open := range [...]byte{'[', ','} {
		w.out = append(w.out, open)
		if raw := t.items[i].raw; raw == "null" || w.p.keeps(memberText(raw)) {
			w.out = append(w.out, raw...)
		} else {
			w.value(raw)
		}
	}
	w.out = append(w.out, ']')
}

// remove leaves out the member from i to stop, with one of the commas beside it.
func (w *jsonRewrite) remove(i, stop int) int {
	w.upTo(i)
	if behind := skipSpace(w.text, stop); behind < len(w.text) && w.text[behind] == ',' {
		stop = skipSpace(w.text, behind+1)
	} else if trimmed := strings.TrimRight(string(w.out), " \t\r\n"); strings.HasSuffix(trimmed, ",") {
		w.out = w.out[:len(trimmed)-1]
	}
	w.kept = stop
	return stop
}

// search replaces the secrets within the string from i to end.
func (w *jsonRewrite) search(i, end int) {
	if end-i < shortestSecret+len(`""`) {
		return
	}
	raw := w.text[i+1 : end-1]
	if strings.IndexByte(raw, '\\') < 0 {
		// What is found is cut out of the text as it is written.
		if text := w.p.text(raw, w.p.search); len(text) != len(raw) || text != raw {
			w.upTo(i + 1)
			w.out = append(w.out, text...)
			w.kept = end - 1
		}
		return
	}
	meant := memberName(w.text[i:end])
	if text := w.within(meant); text != meant {
		w.upTo(i)
		w.out = appendString(w.out, text)
		w.kept = end
	}
}

// within treats the meaning of a string: JSON of its own, once, or a text.
func (w *jsonRewrite) within(text string) string {
	if t := strings.TrimSpace(text); !w.nested && t != "" && (t[0] == '{' || t[0] == '[') &&
		depthOf(text) <= activity.MaxJSONDepth && activity.ValidJSON(text) {
		inner := jsonRewrite{p: w.p, text: text, nested: true}
		return inner.run()
	}
	return w.p.text(text, w.p.search)
}

// longestCard is that of a number with sign, point and exponent; a longer one is
// no card.
const longestCard = 30

// number replaces a number that is a card's, also one written as a float.
func (w *jsonRewrite) number(i int) int {
	end := endOfValue(w.text, i)
	digits := w.text[i:end]
	if len(digits) < shortestCard || len(digits) > longestCard || !w.p.search.has(secretCard) {
		return end
	}
	if strings.ContainsAny(digits, ".eE") {
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1e19 {
			return end
		}
		digits = strconv.FormatFloat(f, 'f', 0, 64)
	}
	if cardEnd(digits, 0) != len(digits) || w.p.keeps(digits) {
		return end
	}
	w.upTo(i)
	w.out = append(w.p.appendSecret(append(w.out, '"'), digits, secretCard), '"')
	w.kept = end
	return end
}
