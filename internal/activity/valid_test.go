package activity

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var jsonSeeds = []string{
	``, ` `, `null`, `nul`, `true `, "\n[ ]\r\t", `{}`, `{"a":1,"b":[1,2,{"c":null}]}`, `{"a":1,}`, `[1,]`, `[,1]`, `{"a" : "b" , "c":false}`,
	`{a:1}`, `{"a"}`, `{"a":}`, `{1:2}`, `"`, `"a\"b"`, `"\x"`, `"\u00e9"`, `"\u00E9\ud800"`, `"\u00g9"`, `"\u00`, `"\`, "\"\x01\"", "\"\xff\"",
	`0`, `-0`, `-`, `01`, `1.`, `1.5`, `.5`, `1e`, `1e+`, `1E-9`, `-12.30e+4`, `1 2`, `[] []`, `[1 2]`, `{"a":1 "b":2}`, `[`, `{`, `]`, `}`, `[}`, `{]`, "\u00a01",
}

func TestValidJSON(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, s := range append([]string{deep(maxValidDepth), deep(maxValidDepth + 1), strings.Repeat(`{"a":`, 1<<20)}, jsonSeeds...) {
		assert.Equal(t, json.Valid([]byte(s)), ValidJSON(s), "%.80q", s)
	}
}

func FuzzValidJSON(f *testing.F) {
	for _, s := range jsonSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		assert.Equal(t, json.Valid([]byte(s)), ValidJSON(s))
	})
}
