package e2e

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var idempotencyCases = []backendCase{
	{"the same event again", func(t *testing.T, r *room) {
		t.Helper()
		e := r.event("crud", 1)
		require.Empty(t, r.send(e).Duplicates)
		first := r.rows("crud")
		again := r.send(e)
		assert.Equal(t, first, r.rows("crud"), "the first acceptance stays, with its seal")
		if !r.silentDuplicates {
			assert.Equal(t, []string{r.id(1)}, again.Duplicates)
		}
	}},
	{"the same event after a restart, by another instance", func(t *testing.T, r *room) {
		t.Helper()
		e := r.event("login", 1)
		r.send(e)
		first := r.rows("login")
		r.Stop()
		r.Start()
		e["producer"] = "pod-2"
		again := r.send(e)
		assert.Equal(t, first, r.rows("login"))
		if !r.silentDuplicates {
			assert.Equal(t, []string{r.id(1)}, again.Duplicates)
		}
	}},
	{"the same event twice in a request", func(t *testing.T, r *room) {
		t.Helper()
		e := r.event("request", 1)
		answer := r.send(e, r.event("request", 2), e)
		assert.ElementsMatch(t, []string{r.id(1), r.id(2)}, idsOf(r.rows("request")))
		if !r.silentDuplicates {
			assert.Equal(t, []string{r.id(1)}, answer.Duplicates)
		}
	}},
	{"other content under a key", func(t *testing.T, r *room) {
		t.Helper()
		e := r.event("system", 1)
		r.send(e)
		first := r.rows("system")
		e["message"] = "something else"
		r.contradict(e)
		assert.Equal(t, first, r.rows("system"), "the first stays")
		out, code := r.Tool("auditctl", "verify", "--config", r.collector.config, "--exporter", r.exporter, "--tenant", r.tenant)
		assert.Equal(t, 0, code, out)
		assert.Contains(t, out, "total 1, verified 1")
	}},
	{"one id, a month apart", func(t *testing.T, r *room) {
		t.Helper()
		late, early := r.event("crud", 1), r.event("crud", 1)
		early["datetime"] = epoch.AddDate(0, -1, 0).Format(time.RFC3339Nano)
		early["object_repr"] = "a month ago"
		answer := r.send(early, late)
		assert.Empty(t, answer.Duplicates)
		assert.Empty(t, answer.Conflicts)
		rows := r.rows("crud")
		require.Equal(t, []string{r.id(1), r.id(1)}, idsOf(rows))
		assert.Equal(t, "a month ago", rows[1]["object_repr"])
		var row map[string]any
		require.Equal(t, http.StatusOK, r.Get("/api/activity/crud-events/"+r.id(1)+"/", &row))
		assert.Equal(t, rows[0], row, "the newest of them")
	}},
}

// body reads an answer as it is.
func (r *room) body(path string) []byte {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.API+path, http.NoBody)
	require.NoError(r.t, err)
	req.Header.Set("Authorization", "Bearer "+r.Token())
	resp, err := http.DefaultClient.Do(req)
	require.NoError(r.t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	require.Equal(r.t, http.StatusOK, resp.StatusCode, string(raw))
	return raw
}

var fileCases = func() (cases []backendCase) {
	for _, kind := range kinds {
		cases = append(cases, backendCase{kind + " as JSON, lines and CSV", func(t *testing.T, r *room) {
			t.Helper()
			files(t, r, kind)
		}})
	}
	return cases
}()

// files: every form of export has the rows of the list, cell by cell.
func files(t *testing.T, r *room, kind string) {
	t.Helper()
	r.fill(40, kind)
	for _, order := range []string{"datetime", "-datetime"} {
		want := r.rows(kind, "ordering", order)
		require.Len(t, want, 40)
		var rows []map[string]any
		require.NoError(t, json.Unmarshal(r.body(r.path(kind, "export_json/", "ordering", order)), &rows))
		assert.Equal(t, want, rows)
		lines := bytes.Split(bytes.TrimSpace(r.body(r.path(kind, "export_ndjson/", "ordering", order))), []byte("\n"))
		require.Len(t, lines, len(want))
		cells, err := csv.NewReader(bytes.NewReader(r.body(r.path(kind, "export_csv/", "ordering", order)))).ReadAll()
		require.NoError(t, err)
		require.Len(t, cells, len(want)+1)
		for i, line := range lines {
			raw := map[string]json.RawMessage{}
			require.NoError(t, json.Unmarshal(line, &raw))
			for column, name := range cells[0] {
				assert.Equal(t, cellText(t, raw[name]), cells[i+1][column], "row %d, %s", i, name)
			}
			assert.Len(t, raw, len(cells[0]))
		}
	}
}

// cellText is how a value of JSON is written in a CSV file.
func cellText(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	switch text := string(raw); {
	case text == "null":
		return ""
	case strings.HasPrefix(text, `"`):
		var s string
		require.NoError(t, json.Unmarshal(raw, &s))
		return s
	default:
		return text
	}
}

var refusalCases = []backendCase{
	{"an unknown parameter", func(t *testing.T, r *room) {
		t.Helper()
		assert.Contains(t, r.refused(r.path("crud", "", "colour", "red"), http.StatusBadRequest, "invalid"), "colour")
	}},
	{"an unknown order", func(t *testing.T, r *room) {
		t.Helper()
		r.refused(r.path("crud", "", "ordering", "username"), http.StatusBadRequest, "invalid")
	}},
	{"a page beyond the limit", func(t *testing.T, r *room) {
		t.Helper()
		r.refused(r.path("crud", "", "page_size", "1001"), http.StatusBadRequest, "invalid")
		r.refused(r.path("crud", "", "page", "2000", "page_size", "50"), http.StatusBadRequest, "invalid")
	}},
	{"an event that is not there", func(t *testing.T, r *room) {
		t.Helper()
		r.refused("/api/activity/crud-events/"+r.id(77)+"/", http.StatusNotFound, "not_found")
	}},
	{"an event of another kind", func(t *testing.T, r *room) {
		t.Helper()
		r.fill(1, "crud")
		r.refused("/api/activity/login-events/"+r.id(0)+"/", http.StatusNotFound, "not_found")
	}},
	{"what is lacking has the code unsupported", func(t *testing.T, r *room) {
		t.Helper()
		r.fill(2, "crud")
		lacked := slices.DeleteFunc(r.parameters("crud"), func(name string) bool { return !r.lacks("crud", name) })
		for _, name := range lacked {
			if strings.HasSuffix(name, "__icontains") {
				detail := r.refused(r.path("crud", "", name, "x"), http.StatusUnprocessableEntity, "unsupported")
				assert.Greater(t, len(detail), 30, "it says what to ask instead")
			}
		}
		if len(lacked) == 0 {
			assert.Len(t, r.rows("crud", "username__icontains", "name"), 2, "nothing is declared lacking, so it is answered")
		}
	}},
}

var lifeCases = []backendCase{
	{"every seal fits", func(t *testing.T, r *room) {
		t.Helper()
		r.fill(30, kinds...)
		for _, kind := range kinds {
			var report struct {
				Total, Verified, Tampered, Unsealed int
				OK                                  bool
			}
			require.Equal(t, http.StatusOK, r.Get(r.path(kind, "verify_integrity/", "level", "full"), &report))
			assert.Equal(t, 30, report.Total, kind)
			assert.Equal(t, 30, report.Verified, kind)
			assert.True(t, report.OK, kind)
			var one struct{ Status string }
			id, _ := r.rows(kind)[0]["id"].(string)
			require.Equal(t, http.StatusOK, r.Get("/api/activity/"+kind+"-events/"+id+"/verify_integrity/", &one))
			assert.Equal(t, "ok", one.Status, kind)
		}
		out, code := r.Tool("auditctl", "verify", "--config", r.collector.config, "--exporter", r.exporter, "--tenant", r.tenant)
		assert.Equal(t, 0, code, out)
		assert.Contains(t, out, "total 150, verified 150, tampered 0, unsealed 0")
	}},
	{"events outlive a restart and a kill", func(t *testing.T, r *room) {
		t.Helper()
		r.fill(10, "request")
		want := r.rows("request")
		r.Stop()
		r.Start()
		assert.Equal(t, want, r.rows("request"))
		r.Kill()
		r.Start()
		assert.Equal(t, want, r.rows("request"))
	}},
	{"many events in a request", func(t *testing.T, r *room) {
		t.Helper()
		r.fill(200, kinds...)
		for _, kind := range kinds {
			assert.Len(t, r.rows(kind), 200, kind)
		}
	}},
	{"the schema is printed and is there", func(t *testing.T, r *room) {
		t.Helper()
		out, code := r.Tool("auditctl", "migrate", "--print", "--config", r.collector.config, "--exporter", r.exporter)
		assert.Equal(t, 0, code, out)
		assert.Regexp(t, `(?i)create (table|collection)|createIndexes|"create"`, out)
	}},
	{"auditctl finds the store by its driver, too", func(t *testing.T, r *room) {
		t.Helper()
		r.fill(3, "login")
		args := []string{"verify", "--driver", r.driver, "--tenant", r.tenant}
		if dsn, given := secretOf(r.collector); given {
			file := filepath.Join(t.TempDir(), "dsn")
			require.NoError(t, os.WriteFile(file, []byte(dsn+"\n"), 0o600))
			args = append(args, "--dsn-file", file)
		} else {
			args = append(args, "--sqlite-directory", r.DataDir)
		}
		for name := range r.env {
			if strings.HasSuffix(name, "_INSECURE") {
				args = append(args, "--insecure")
			}
		}
		out, code := r.Tool("auditctl", args...)
		assert.Equal(t, 0, code, out)
		assert.Contains(t, out, "total 3, verified 3")
	}},
	{"dead letters can be sent again", func(t *testing.T, r *room) {
		t.Helper()
		before := r.left()
		e := r.event("crud", 1)
		r.send(e)
		e["object_repr"] = "another"
		r.contradict(e)
		want := before + 1
		if r.silentDuplicates {
			want = before // the store cannot tell, and keeps the earliest
		}
		assert.Equal(t, want, r.left(), "a conflict stays a dead letter")
		assert.Equal(t, "Order 1", r.rows("crud")[0]["object_repr"])
	}},
	{"old events are deleted, or that is refused", func(t *testing.T, r *room) {
		t.Helper()
		old, young := r.event("cors", 1), r.event("cors", 2)
		old["datetime"] = time.Now().AddDate(0, -4, 0).UTC().Format(time.RFC3339Nano)
		r.send(old, young)
		r.Stop() // SQLite has one writer
		defer r.Start()
		out, code := r.Tool("auditctl", "cleanup", "--config", r.collector.config, "--exporter", r.exporter, "--days", "60", "--tenant", r.tenant)
		if r.lacks("", "retention") {
			assert.Equal(t, 2, code, out)
			assert.Contains(t, out, "not supported by this store")
			return
		}
		require.Equal(t, 0, code, out)
		assert.Contains(t, out, "deleted 1 events")
		r.Start()
		assert.Equal(t, []string{r.id(2)}, idsOf(r.rows("cors")))
		r.Stop()
	}},
}

// left gives how many dead letters a replay leaves.
func (r *room) left() int {
	r.t.Helper()
	r.Stop() // SQLite has one writer
	defer r.Start()
	out, code := r.Tool("auditctl", "replay", "--config", r.collector.config, "--exporter", r.exporter)
	require.LessOrEqual(r.t, code, 1, out)
	_, tail, found := strings.Cut(out, "left ")
	require.True(r.t, found, out)
	n, err := strconv.Atoi(strings.TrimSpace(tail))
	require.NoError(r.t, err, out)
	return n
}
