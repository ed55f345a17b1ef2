package auth

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBearer(t *testing.T) {
	b := NewBearer("s3cret")
	for _, c := range []struct {
		name    string
		headers []string
		ok      bool
	}{
		{"right", []string{"Bearer s3cret"}, true},
		{"lower-case scheme", []string{"bearer s3cret"}, true},
		{"upper-case scheme", []string{"BEARER s3cret"}, true},
		{"white space around the token", []string{"Bearer   s3cret "}, true},
		{"missing", nil, false},
		{"empty", []string{""}, false},
		{"wrong", []string{"Bearer secret"}, false},
		{"longer", []string{"Bearer s3cret1"}, false},
		{"shorter", []string{"Bearer s3cre"}, false},
		{"other case", []string{"Bearer S3CRET"}, false},
		{"two tokens", []string{"Bearer s3cret s3cret"}, false},
		{"no scheme", []string{"s3cret"}, false},
		{"no token", []string{"Bearer"}, false},
		{"empty token", []string{"Bearer "}, false},
		{"another scheme", []string{"Basic s3cret"}, false},
		{"two headers, both right", []string{"Bearer s3cret", "Bearer s3cret"}, false},
		{"two headers, one right", []string{"Bearer wrong", "Bearer s3cret"}, false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/?access_token=s3cret", http.NoBody)
		r.Header["Authorization"] = c.headers
		scope, err := b.Authenticate(r)
		if !c.ok {
			require.ErrorIs(t, err, ErrUnauthenticated, c.name)
			assert.True(t, scope.Empty(), c.name)
			continue
		}
		require.NoError(t, err, c.name)
		assert.True(t, scope.All(), c.name)
	}
}

func TestReadTokenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "blank": " \n\t\n", "large": strings.Repeat("x", maxToken+1)} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := ReadToken(path)
		require.ErrorContains(t, err, path)
		_, err = EnsureToken(path)
		require.Error(t, err, "a file that is there is never replaced")
		now, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(now))
	}
	_, err := ReadToken(filepath.Join(dir, "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = ReadToken(dir)
	require.Error(t, err)
	path := filepath.Join(dir, "good")
	require.NoError(t, os.WriteFile(path, []byte("\n  the-token \r\n"), 0o600))
	token, err := ReadToken(path)
	require.NoError(t, err)
	assert.Equal(t, "the-token", token)
}

func TestEnsureTokenMakesItOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "api-token")
	first, err := EnsureToken(path)
	require.NoError(t, err)
	assert.Len(t, first, 43, "32 bytes in base64url")
	for name, mode := range map[string]os.FileMode{path: 0o600, dir: 0o700 | os.ModeDir} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode(), name)
	}
	second, err := EnsureToken(path)
	require.NoError(t, err)
	assert.Equal(t, first, second)
	other, err := EnsureToken(filepath.Join(dir, "other"))
	require.NoError(t, err)
	assert.NotEqual(t, first, other)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "nothing else is left behind")
}

func TestConcurrentStartsAgreeOnOneToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "api-token")
	tokens := make([]string, 16)
	var group sync.WaitGroup
	for i := range tokens {
		group.Go(func() {
			token, err := EnsureToken(path)
			assert.NoError(t, err)
			tokens[i] = token
		})
	}
	group.Wait()
	for _, token := range tokens {
		assert.Equal(t, tokens[0], token)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func TestEnsureTokenSaysWhereItCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := EnsureToken(filepath.Join(file, "data", "api-token"))
	require.ErrorContains(t, err, file)
}
