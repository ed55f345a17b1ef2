package enrichprocessor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"
)

// minHMACKey is the least length of a key in bytes that makes guessing it
// pointless: the addresses are few enough to try them all.
const minHMACKey = 16

// hmacKey checks a key of hmac-sha256 that is given as text or in a file, under
// the key of the text; that of the file is the same with _file.
func (p *problems) hmacKey(key string, needed bool, text configopaque.String, file string) {
	switch {
	case text != "" && file != "":
		p.add(key, errors.New("give it or its _file, not both"))
	case text != "":
		p.add(key, checkHMACKey(string(text)))
	case needed && file == "":
		p.add(key, errors.New("hmac-sha256 needs a key; give it or its _file"))
	}
}

func checkHMACKey(key string) error {
	if len(key) < minHMACKey {
		return fmt.Errorf("must be at least %d bytes, has %d; make one with: openssl rand -hex 32", minHMACKey, len(key))
	}
	return nil
}

// loadHMACKey gives the key that hmacKey has checked.
func loadHMACKey(key string, text configopaque.String, file string) ([]byte, error) {
	if text != "" {
		return []byte(text), nil
	}
	raw, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, fmt.Errorf("enrich: %s_file: %w", key, err)
	}
	secret := strings.TrimRight(string(raw), "\r\n")
	if err := checkHMACKey(secret); err != nil {
		return nil, fmt.Errorf("enrich: %s_file: %q: %w", key, file, err)
	}
	return []byte(secret), nil
}
