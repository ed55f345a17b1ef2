package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

// holdWriteLock makes SQLite refuse every write, as a stuck administrator's
// session would, until the test or release ends it.
func holdWriteLock(t *testing.T, c *collector) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(c.DataDir, "activity.db")+"?_pragma=busy_timeout(5000)")
	require.NoError(t, err)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	var once sync.Once
	release = func() {
		once.Do(func() {
			_, _ = conn.ExecContext(context.Background(), "ROLLBACK")
			_ = conn.Close()
			_ = db.Close()
		})
	}
	t.Cleanup(release)
	return release
}

// TestStoreRefusesCommitted: with the store refusing, a committed client gets
// 503 with Retry-After within 10 seconds; SIGTERM ends within 15; nothing that
// was acknowledged is missing afterwards.
func TestStoreRefusesCommitted(t *testing.T) {
	c := startCollector(t, "otelcol-config.yaml")
	release := holdWriteLock(t, c)
	event := `{"id":"018f4e9a-0000-7000-8000-0000000000%02d","datetime":"2026-01-02T03:04:05Z","kind":"system","event_name":"x","message":"m"}`
	var waiting sync.WaitGroup
	for i := range 4 {
		waiting.Go(func() {
			begin := time.Now()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.Events+"/v1/events", strings.NewReader(fmt.Sprintf(event, i)))
			if !noError(t, err) {
				return
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			if !noError(t, err) {
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
				t.Errorf("status %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("answered after %s", took)
			}
		})
	}
	waiting.Wait()
	begin := time.Now()
	c.Stop()
	require.Less(t, time.Since(begin), 15*time.Second)
	release()
	c.Start()
	for i := range 4 {
		code, a := c.Post("application/json", fmt.Sprintf(event, i))
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, 1, a.Accepted+len(a.Duplicates))
	}
	require.Equal(t, 4, c.List("system", "").Count)
}

// TestStoreRefusesSpooled: clients notice nothing; SIGTERM ends within 15
// seconds; everything arrives once the store takes writes again.
func TestStoreRefusesSpooled(t *testing.T) {
	c := startCollector(t, "deploy/spooled.yaml")
	release := holdWriteLock(t, c)
	for i := range 20 {
		code, a := c.Post("application/json", `{"kind":"system","event_name":"x","message":"m"}`)
		require.Equal(t, http.StatusAccepted, code)
		require.Equal(t, 1, a.Accepted, "event %d", i)
	}
	begin := time.Now()
	c.Stop()
	require.Less(t, time.Since(begin), 15*time.Second)
	release()
	c.Start()
	require.Eventually(t, func() bool { return c.List("system", "").Count == 20 }, 30*time.Second, 200*time.Millisecond)
	require.True(t, c.Verify("system").OK)
}

func noError(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	return err == nil
}
