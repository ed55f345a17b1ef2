package deadletter

import (
	"errors"
	"path/filepath"
	"strings"
	"time"
)

// Config says where the dead letters are and how many are kept.
type Config struct {
	// Directory is made with mode 0700; the files in it have mode 0600. Empty
	// leaves it to the component: DefaultDirectory.
	Directory string `mapstructure:"directory"`
	// MaxBytes bounds the files together. When they are full nothing more is
	// taken, so that nothing is acknowledged and lost.
	MaxBytes int64 `mapstructure:"max_bytes"`
	// MaxAge is how long a dead letter is kept; 0 = for ever. Expire drops whole
	// segments, so that one may stay up to an eighth longer.
	MaxAge time.Duration `mapstructure:"max_age"`
}

// DefaultDirectory is where an exporter keeps its dead letters when no directory
// is configured: beside a database that lies in a folder, and for one on a
// server in a folder of its own, for example data/dead-letters/auditmongo_eu.
func DefaultDirectory(folder, exporter string) string {
	if folder != "" {
		return filepath.Join(folder, "dead-letters")
	}
	return filepath.Join("data", "dead-letters", strings.ReplaceAll(exporter, "/", "_"))
}

// NewDefaultConfig gives 256 MiB, kept for ever, in a directory still to be
// named: what was acknowledged does not go away by itself.
func NewDefaultConfig() Config {
	return Config{MaxBytes: 256 << 20}
}

// minBytes holds the largest event, escaped.
const minBytes = 8 << 20

// Validate joins every problem and names the key.
func (c *Config) Validate() error {
	var errs []error
	if c.MaxBytes < minBytes {
		errs = append(errs, errors.New("max_bytes: must be at least 8388608, which holds the largest event"))
	}
	if c.MaxAge < 0 {
		errs = append(errs, errors.New("max_age: must not be negative; 0 keeps for ever"))
	}
	return errors.Join(errs...)
}
