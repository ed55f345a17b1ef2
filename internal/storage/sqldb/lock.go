package sqldb

import (
	"fmt"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// lockFile marks a folder as written by one process. The lock is the
// operating system's: it goes with the process, whatever way that ends.
const lockFile = "activity.lock"

func lockDirectory(dir string) (*flock.Flock, error) {
	name := filepath.Join(dir, lockFile)
	l := flock.New(name, flock.SetPermissions(fileMode))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w: %w", name, err, storage.ErrRetryable)
	}
	if !ok {
		return nil, fmt.Errorf("%s is locked: another process writes to this folder; stop it, or choose another sqlite::directory: %w",
			name, storage.ErrLocked)
	}
	return l, nil
}
