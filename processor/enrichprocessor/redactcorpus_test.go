package enrichprocessor

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/test/secrets"
)

func samples(tb testing.TB) []secrets.Sample {
	tb.Helper()
	list, err := secrets.Samples(1000, 7)
	require.NoError(tb, err)
	return list
}

// A JSON text is searched as extra_data is, whatever its members are called.
func TestCorpusInJSON(t *testing.T) {
	for _, action := range []string{actionMask, actionRemove, actionHMAC} {
		p := redactionOf(t, func(c *RedactConfig) { c.Action, c.HMACKey = action, "a key of sixteen bytes" })
		for _, s := range samples(t) {
			got := p.json(s.Event)
			assert.True(t, json.Valid([]byte(got)), got)
			for _, part := range s.Parts {
				assert.NotContains(t, got, part, "%s: %s", s.Name, s.Event)
			}
			assert.Equal(t, got, p.json(got), "twice is once")
		}
	}
}

func TestInnocents(t *testing.T) {
	list, err := secrets.Innocents()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(list), 100)
	p := redactionOf(t, nil)
	for _, in := range list {
		var got string
		switch in.Field {
		case "url":
			got = p.url(in.Text)
		case "query_string":
			got = p.query(in.Text)
		case "extra_data":
			got = p.json(in.Text)
		case "user_id", "object_id":
			got = p.text(in.Text, p.search.without(secretEmail, secretCard))
		default:
			got = p.text(in.Text, p.search)
			quoted := jsonString(in.Text)
			assert.Equal(t, quoted, p.json(quoted))
		}
		assert.Equal(t, in.Text, got)
	}
	assert.Zero(t, p.found)
}

// FuzzRedact: what comes out of JSON is JSON, a second time changes nothing, and
// a secret among hostile texts does not survive.
func FuzzRedact(f *testing.F) {
	for _, s := range samples(f)[:120] {
		f.Add(s.Event, "x", uint16(0))
	}
	f.Add(`{"a":["b",{"c":4111111111111111e0}]}`, `\" \\`, uint16(3))
	list := samples(f)
	var all [3]*redaction
	for i, action := range []string{actionMask, actionRemove, actionHMAC} {
		all[i] = redactionOf(f, func(c *RedactConfig) { c.Action, c.HMACKey = action, "a key of sixteen bytes" })
	}
	f.Fuzz(func(t *testing.T, text, around string, n uint16) {
		s := list[int(n)%len(list)]
		for _, p := range all {
			p.text(text, p.search)
			p.query(text)
			p.url(text)
			if depthOf(text) < 60 && json.Valid([]byte(text)) {
				got := p.json(text)
				require.True(t, json.Valid([]byte(got)), "%q to %q", text, got)
				p.changes(text)
			}
			nested := jsonString(around)
			hostile := `{` + nested + `:[` + nested + `,{"x":` + s.Event + `}],"y":` + jsonString(s.Event) + `}`
			got := p.json(hostile)
			require.True(t, json.Valid([]byte(got)), hostile)
			for _, part := range s.Parts {
				require.NotContains(t, got, part, hostile)
			}
		}
	})
}

// Time grows with the length of the text alone.
func BenchmarkRedactHostile(b *testing.B) {
	p := redactionOf(b, nil)
	for name, piece := range map[string]string{
		"urls": "://", "colons": "token::", "equals": "a=", "quotes": "password '", "basic": "Basic ", "pem": "-----BEGIN ",
		"digits": "4111-", "keys": "ghp_", "dollars": "md5$", "elements": "password>", "lists": "token=[", "jwt": "eyJ.", "percents": "%41%zz",
	} {
		for _, size := range []string{"1x", "4x"} {
			text := strings.Repeat(piece, map[string]int{"1x": 16 << 10, "4x": 64 << 10}[size]/len(piece))
			b.Run(name+"/"+size, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					p.text(text, p.search)
				}
			})
		}
	}
}

// BenchmarkRedact is what an ordinary event costs.
func BenchmarkRedact(b *testing.B) {
	p := redactionOf(b, nil)
	extra := `{"cart":{"items":[{"sku":"A-17","qty":2,"price":"19.90"}],"total":39.8},"feature":"checkout","note":"left at the door, please ring twice"}`
	agent := "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
	message := "order 17 of customer ada was paid in 3 parts: card, voucher and cash; see invoice 2026-000017"
	b.ReportAllocs()
	for b.Loop() {
		p.json(extra)
		p.text(agent, p.search)
		p.text(message, p.search)
		p.query("page=2&sort=-created&q=tea")
		p.url("/orders/4bf92f35-77b3-4da6-a3ce-929d0e0e4736/items")
	}
}
