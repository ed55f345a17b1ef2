package faults

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	_ "modernc.org/sqlite" // the lock of another process
)

// site is where a fault happens: one backend as one test uses it.
type site struct {
	backend backend
	dsn     string
	proxy   *proxy // nil where nothing can stand between
	disk    string // a small disk that holds the data, or ""
	env     []string
	folders []string // of the stores, with SQLite
	locks   []*sql.DB
}

// fault is one way in which a database fails.
type fault struct {
	key, name string
	// lasts is how long it is let to.
	lasts time.Duration
	// short runs it in make test too.
	short bool
	// on says why a backend cannot have it, "" when it can.
	on    func(b *backend) string
	begin func(t *testing.T, s *site)
	end   func(t *testing.T, s *site)
	// answers: a committed exporter still answers that it stored.
	answers bool
	// disk wants the data on a small disk of its own.
	disk bool
	// between wants a proxy before the server.
	between bool
}

func faults() []fault {
	server := func(b *backend) string {
		if b.script == "" {
			return "SQLite has no server; see the collector killed"
		}
		return ""
	}
	return []fault{
		{
			key: "killed", name: "killed -9, back after 10 s", lasts: 10 * time.Second, short: true, on: server,
			begin: func(t *testing.T, s *site) { t.Helper(); service(t, s.backend.script, "kill", s.env...) },
			end:   func(t *testing.T, s *site) { t.Helper(); service(t, s.backend.script, "up", s.env...) },
		},
		{
			key: "stopped", name: "stopped for two minutes", lasts: 2 * time.Minute, on: func(*backend) string { return "" },
			begin: func(t *testing.T, s *site) { t.Helper(); s.hang(t) },
			end:   func(t *testing.T, s *site) { t.Helper(); s.goOn(t) },
		},
		{
			key: "refusing", name: "refusing connections for 20 s", lasts: 20 * time.Second, on: server, between: true,
			begin: func(_ *testing.T, s *site) { s.proxy.refuse() },
			end:   func(t *testing.T, s *site) { t.Helper(); s.proxy.accept() },
		},
		{
			key: "slow", name: "slow, 300 ms more a message for 20 s", lasts: 20 * time.Second, on: server, between: true, answers: true,
			begin: func(_ *testing.T, s *site) { s.proxy.slow(300 * time.Millisecond) },
			end:   func(_ *testing.T, s *site) { s.proxy.slow(0) },
		},
		{
			key: "full", name: "disk full for 20 s", lasts: 20 * time.Second, disk: true, on: fullDisk,
			begin: func(t *testing.T, s *site) { t.Helper(); fill(t, s.disk, s.backend.roomLeft) },
			end: func(t *testing.T, s *site) {
				t.Helper()
				require.NoError(t, os.Remove(filepath.Join(s.disk, ballast)))
				if s.backend.script != "" {
					service(t, s.backend.script, "up", s.env...) // some end when their log cannot be written
				}
			},
		},
	}
}

// fullDisk: a small disk is a file system in memory, which only root may mount.
func fullDisk(*backend) string {
	if os.Getuid() != 0 {
		return "a small disk needs root to mount it"
	}
	return ""
}

// hang stops the server's processes, or takes SQLite's write lock away.
func (s *site) hang(t *testing.T) {
	t.Helper()
	if s.backend.script != "" {
		service(t, s.backend.script, "pause", s.env...)
		return
	}
	for _, folder := range s.folders {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(folder, "activity.db")+"?_pragma=busy_timeout(10000)&_txlock=immediate")
		require.NoError(t, err)
		db.SetMaxOpenConns(1)
		_, err = db.ExecContext(t.Context(), "begin immediate")
		require.NoError(t, err)
		s.locks = append(s.locks, db)
	}
}

func (s *site) goOn(t *testing.T) {
	t.Helper()
	if s.backend.script != "" {
		service(t, s.backend.script, "resume", s.env...)
		return
	}
	for _, db := range s.locks {
		_, err := db.ExecContext(t.Context(), "rollback")
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
	s.locks = nil
}

// ballast fills a disk.
const ballast = "ballast"

// smallDisk mounts a file system in memory.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "activitylog-disk-") //nolint:usetesting // a server's user may not enter the test's folder
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "mode=755,size="+size, "none", dir).CombinedOutput()
	require.NoError(t, err, string(out))
	t.Cleanup(func() {
		require.NoError(t, exec.Command("umount", "--lazy", dir).Run())
		require.NoError(t, os.Remove(dir))
	})
	return dir
}

// fill leaves so many bytes of room on a disk.
func fill(t *testing.T, disk string, left uint64) {
	t.Helper()
	var now syscall.Statfs_t
	f, err := os.Create(filepath.Join(disk, ballast))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	for piece := []byte(strings.Repeat("x", 1<<20)); len(piece) > 0; {
		require.NoError(t, syscall.Statfs(disk, &now))
		if now.Bavail*uint64(now.Bsize) < left {
			return
		}
		n, err := f.Write(piece)
		if err != nil {
			require.ErrorContains(t, err, "no space left")
			piece = piece[:len(piece)/2]
			continue
		}
		require.Positive(t, n)
	}
}
