// Package secrets is a corpus of events that carry secrets, and of events that
// look as if they did. Its tables name the forms and the places; the secrets
// themselves are made when a test runs, so that none stands in the repository.
package secrets

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Sample is an event with a secret in it.
type Sample struct {
	Name string
	// Secret as it is written, and the parts of it that must be found nowhere:
	// of letters, digits and signs that no encoding in use changes.
	Secret string
	Parts  []string
	// Event is the JSON that a client sends.
	Event string
}

// Innocent is a text that holds no secret, for a field of an event.
type Innocent struct{ Field, Text string }

//go:embed testdata
var files embed.FS

const (
	named = "named" // found by its name alone
	shape = "shape" // found by its form, wherever it stands
)

// Samples makes n samples, each with another secret: every form and every place
// in turn. The same seed gives the same samples.
func Samples(n int, seed uint64) ([]Sample, error) {
	forms, err := table("testdata/secrets.tsv")
	if err != nil {
		return nil, err
	}
	places, err := table("testdata/places.tsv")
	if err != nil {
		return nil, err
	}
	m := &maker{rand.New(rand.NewPCG(seed, 1))}
	var out []Sample
	for i := 0; len(out) < n; i++ {
		form, place := forms[i%len(forms)], places[(i+i/len(forms))%len(places)]
		if form[1] == named && place[0] == shape {
			continue // nothing could find it there
		}
		secret, parts := m.secret(form[2])
		event, err := put(place[2], place[1], secret)
		if err != nil {
			return nil, fmt.Errorf("%s in %s: %w", form[0], place[2], err)
		}
		out = append(out, Sample{Name: fmt.Sprintf("%d %s %s", i, form[0], place[1]), Secret: secret, Parts: parts, Event: event})
	}
	return out, nil
}

// Innocents gives the texts that must survive.
func Innocents() ([]Innocent, error) {
	rows, err := table("testdata/innocent.tsv")
	var out []Innocent
	for _, r := range rows {
		out = append(out, Innocent{r[0], strings.ReplaceAll(strings.ReplaceAll(r[1], `\n`, "\n"), "~", "")})
	}
	return out, err
}

// table reads rows of columns divided by tabs. Lines that begin with # are none.
func table(name string) ([][]string, error) {
	raw, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	columns := 0
	for i, line := range strings.Split(string(raw), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		row := strings.Split(line, "\t")
		if columns == 0 {
			columns = len(row)
		}
		if len(row) != columns {
			return nil, fmt.Errorf("%s:%d has %d columns, not %d", name, i+1, len(row), columns)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// put writes a secret into an event in the encoding of its place.
func put(event, encoding, secret string) (string, error) {
	inJSON := func(s string) string {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			return ""
		}
		return strings.TrimSpace(b.String())[1 : b.Len()-2]
	}
	text := inJSON(secret)
	switch encoding {
	case "string":
		text = inJSON(text)
	case "query":
		text = url.QueryEscape(secret)
	case "nested":
		text = url.QueryEscape(url.QueryEscape(secret))
	case "path":
		text = inJSON(url.PathEscape(secret))
	}
	event = strings.ReplaceAll(event, "@@", text)
	if !json.Valid([]byte(event)) {
		return "", fmt.Errorf("no JSON: %s", event)
	}
	return event, nil
}

type maker struct{ r *rand.Rand }

var (
	atoms   = regexp.MustCompile(`\{([adhUu])(\d+)\}`)
	cards   = regexp.MustCompile(`\{card (\d+) (\d+) ?(.?)\}`)
	jsons   = regexp.MustCompile(`\{json (\{[^}]*\})\}`)
	base64s = regexp.MustCompile(`\{b64 ([^}]*)\}`)
	parts   = regexp.MustCompile(`\[\[(.*?)\]\]`)
)

var letters = map[string]string{
	"a": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	"d": "0123456789", "h": "0123456789abcdef", "U": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
	"u": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
}

// secret makes a secret of a form.
func (m *maker) secret(form string) (secret string, needles []string) {
	s := strings.ReplaceAll(strings.ReplaceAll(form, "~", ""), `\n`, "\n")
	s = strings.ReplaceAll(s, "{jwt}", `{json {"alg":"HS256","typ":"JWT"}}.{json {"sub":"{a8}","exp":1999999999}}.{u43}`)
	s = atoms.ReplaceAllStringFunc(s, func(a string) string {
		f := atoms.FindStringSubmatch(a)
		n, _ := strconv.Atoi(f[2])
		return m.text(letters[f[1]], n)
	})
	s = jsons.ReplaceAllStringFunc(s, func(a string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(jsons.FindStringSubmatch(a)[1]))
	})
	s = base64s.ReplaceAllStringFunc(s, func(a string) string {
		return base64.RawStdEncoding.EncodeToString([]byte(base64s.FindStringSubmatch(a)[1]))
	})
	s = cards.ReplaceAllStringFunc(s, func(a string) string {
		f := cards.FindStringSubmatch(a)
		n, _ := strconv.Atoi(f[2])
		return grouped(m.card(f[1], n), f[3])
	})
	for _, p := range parts.FindAllStringSubmatch(s, -1) {
		needles = append(needles, needle(p[1]))
		if strings.Contains(p[1], " ") {
			needles = append(needles[:len(needles)-1], p[1], strings.ReplaceAll(p[1], " ", "+"), strings.ReplaceAll(p[1], " ", "%20"))
		}
	}
	return parts.ReplaceAllString(s, "$1"), needles
}

// needle gives the longest piece of a part that no encoding changes.
func needle(part string) string {
	longest := ""
	for _, piece := range strings.FieldsFunc(part, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
	}) {
		if len(piece) > len(longest) {
			longest = piece
		}
	}
	return longest
}

// text gives n letters, a digit among them.
func (m *maker) text(of string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = of[m.r.IntN(len(of))]
	}
	if n > 8 {
		b[n/2] = "23456789"[m.r.IntN(8)]
	}
	return string(b)
}

// card gives a number with a right check digit.
func (m *maker) card(issuer string, n int) string {
	d := []byte(issuer + m.text(letters["d"], n-len(issuer)-1))
	sum := 0
	for i := range d {
		v := int(d[len(d)-1-i] - '0')
		if i%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return string(append(d, byte('0'+(10-sum%10)%10)))
}

func grouped(digits, sign string) string {
	if sign == "" {
		return digits
	}
	sign = strings.ReplaceAll(sign, "_", " ")
	return digits[:4] + sign + digits[4:8] + sign + digits[8:12] + sign + digits[12:]
}
