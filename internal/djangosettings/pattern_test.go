package djangosettings

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		python, want string
		match, not   string
	}{
		{`^/admin/`, `^/admin/`, "/admin/x", "/x/admin/"},
		{`/static/`, `^/static/`, "/static/x", "/x/static/"},
		{`^/favicon\.ico$`, `^/favicon\.ico$`, "/favicon.ico", "/favicon.icon"},
		{`^/a|/b`, `^(?:^/a|/b)`, "/b", "/x/b"},
		{`(?i)^/API/`, `^(?i)^/API/`, "/api/", "/x"},
		{`/x\Z`, `^/x\z`, "/x", "/xx"},
		{`\d{,3}/`, `^\d{0,3}/`, "12/", "1234/"},
		{`[{,3]`, `^[{,3]`, ",", "a"},
		{`[]a]/`, `^[]a]/`, "]/", "b/"},
		{`[^]a]/`, `^[^]a]/`, "b/", "]/"},
		{`[\]|]+/`, `^(?:[\]|]+/)`, "|]/", "a/"},
		{`\(?/x`, `^\(?/x`, "(/x", "x"},
		{`(?P<lang>de|en)/`, `^(?:(?P<lang>de|en)/)`, "de/", "fr/"},
		{`\\1/`, `^\\1/`, `\1/`, "/"},
		{``, `^`, "anything", ""},
	} {
		got, err := pattern(tt.python)
		require.NoError(t, err, tt.python)
		assert.Equal(t, tt.want, got)
		assert.Regexp(t, got, tt.match)
		if tt.not != "" {
			assert.NotRegexp(t, got, tt.not)
		}
	}
	for python, why := range map[string]string{
		`^/(?!api/)`: "negative look-ahead", `^/(?=api)`: "look-ahead", `(?<=/)x`: "look-behind", `(?<!/)x`: "negative look-behind",
		`(a)\1`: "back-reference", `(?P<x>a)(?P=x)`: "back-reference", `(a)?(?(1)b)`: "conditional", `a(?#b)`: "comment", `(?>a)`: "atomic",
		`(?x) a`: "flag", `(?a:\w)`: "flag", `a++`: "RE2 does not take it", `(`: "RE2 does not take it", `\u00e9`: "RE2 does not take it",
		`[[:alpha:]]`: "[:", `\pL`: "Python does not have", `(?<n>a)`: "Python does not have", `a{1,2000}`: "RE2 does not take it",
	} {
		_, err := pattern(python)
		require.Error(t, err, python)
		require.ErrorContains(t, err, why, python)
	}
}
