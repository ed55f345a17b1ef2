package auth

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	tokenBytes = 32
	maxToken   = 4096
)

// ReadToken reads a token file; white space around the token is not part of it.
func ReadToken(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("read the API token: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("read the API token: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" || len(raw) > maxToken {
		return "", fmt.Errorf("the API token file %s must hold 1 to %d bytes; delete it to have one generated", path, maxToken)
	}
	return token, nil
}

// EnsureToken reads the token file, or makes it with mode 0600 and a random
// token when there is none. Of two processes that try at once one makes it and
// both read the same.
func EnsureToken(path string) (string, error) {
	token, err := ReadToken(path)
	if !errors.Is(err, os.ErrNotExist) {
		return token, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make the folder of the API token: %w", err)
	}
	if err := generate(path); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("make the API token: %w", err)
	}
	return ReadToken(path)
}

// generate writes the token aside and links it into place, so that the file is
// never seen half written and never replaces another.
func generate(path string) error {
	secret := make([]byte, tokenBytes)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".api-token-*") // O_EXCL, 0600
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(base64.RawURLEncoding.EncodeToString(secret) + "\n")
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Link(tmp.Name(), path)
	}
	return errors.Join(err, os.Remove(tmp.Name()))
}
