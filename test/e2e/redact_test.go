package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/test/secrets"
)

// redactSamples is how many events with a secret are sent.
const redactSamples = 200

// corpus is the samples as events with an id and a time, so that they can be
// sent twice.
func corpus(t *testing.T) ([]secrets.Sample, []map[string]any) {
	t.Helper()
	samples, err := secrets.Samples(redactSamples, 42)
	require.NoError(t, err)
	require.Len(t, samples, redactSamples)
	events := make([]map[string]any, len(samples))
	for i, s := range samples {
		require.NoError(t, json.Unmarshal([]byte(s.Event), &events[i]))
		events[i]["id"] = fmt.Sprintf("018f4e9a-0000-7000-8000-%012d", i)
		events[i]["datetime"] = "2026-01-02T03:04:05Z"
	}
	return samples, events
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// answerText posts and gives status and body as they came.
func answerText(t *testing.T, c *collector, contentType, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.Events+"/v1/events", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(raw)
}

// assertNoSecret looks for the parts of every secret in some bytes.
func assertNoSecret(t *testing.T, where string, raw []byte, samples []secrets.Sample) {
	t.Helper()
	for i := range samples {
		for _, part := range samples[i].Parts {
			if bytes.Contains(raw, []byte(part)) {
				assert.Failf(t, "a secret survived", "in %s: %s, sent as %s", where, samples[i].Name, samples[i].Event)
			}
		}
	}
}

// assertNoSecretInFiles looks into every file below a folder, and gives how many
// bytes it saw.
func assertNoSecretInFiles(t *testing.T, folder string, samples []secrets.Sample) (seen int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		seen += len(raw)
		assertNoSecret(t, path, raw, samples)
		return err
	}))
	return seen
}

// assertNoSecretInRows reads every column of every event over the API.
func assertNoSecretInRows(t *testing.T, c *collector, samples []secrets.Sample) {
	t.Helper()
	rows := 0
	for _, kind := range []string{"crud", "login", "request", "cors", "system"} {
		l := c.List(kind, "?page_size=1000")
		rows += len(l.Results)
		assertNoSecret(t, "the rows of "+kind, []byte(encoded(t, l.Results)), samples)
	}
	require.GreaterOrEqual(t, rows, len(samples))
}

// TestNoSecretIsStored sends the corpus in each way that leaves something on
// disk: committed, refused by the store, in conflict, and malformed.
func TestNoSecretIsStored(t *testing.T) {
	samples, events := corpus(t)
	c := startCollector(t, "otelcol-config.yaml")
	code, text := answerText(t, c, "application/json", encoded(t, events))
	require.Equal(t, http.StatusOK, code, text)
	assertNoSecret(t, "the answer", []byte(text), samples)

	for i := range events { // the same key, another content: a conflict, to the dead letters
		events[i]["service"] = "another"
	}
	code, text = answerText(t, c, "application/json", encoded(t, events))
	require.Equal(t, http.StatusBadRequest, code, text)
	var a answer
	require.NoError(t, json.Unmarshal([]byte(text), &a))
	require.Len(t, a.Conflicts, len(samples))
	assertNoSecret(t, "the answer to a conflict", []byte(text), samples)

	for _, s := range samples { // what is wrong is told without what it was
		for _, body := range []string{
			s.Event[:len(s.Event)-1], encoded(t, s.Secret), `{"kind":` + encoded(t, s.Secret) + `}`,
			`{"kind":"crud","event_type":` + encoded(t, s.Secret) + `}`, `{"kind":"system","datetime":` + encoded(t, s.Secret) + `}`,
			`{"kind":"request","response_status":` + encoded(t, s.Secret) + `}`, `{` + encoded(t, s.Secret) + `:1}`,
		} {
			code, text = answerText(t, c, "application/json", body)
			require.Less(t, code, 500)
			assertNoSecret(t, "the answer to "+body, []byte(text), samples)
		}
	}
	assertNoSecretInRows(t, c, samples)
	dead := filepath.Join(c.DataDir, "dead-letters")
	require.Positive(t, assertNoSecretInFiles(t, dead, samples), "there are dead letters to look into")
	assertNoSecretInFiles(t, c.DataDir, samples) // with the write-ahead log
	c.Stop()
	require.Positive(t, assertNoSecretInFiles(t, c.DataDir, samples))
	assertNoSecret(t, "the log", []byte(c.logs.String()), samples)
}

// TestNoSecretIsQueued: the spool's files hold events that are masked already.
func TestNoSecretIsQueued(t *testing.T) {
	samples, events := corpus(t)
	c := startCollector(t, "deploy/spooled.yaml")
	release := holdWriteLock(t, c)
	code, text := answerText(t, c, "application/json", encoded(t, events))
	require.Equal(t, http.StatusAccepted, code, text)
	spool := filepath.Join(c.DataDir, "spool")
	require.Greater(t, assertNoSecretInFiles(t, spool, samples), 100*len(samples), "the events are in the queue's files")
	release()
	require.Eventually(t, func() bool {
		n := 0
		for _, kind := range []string{"crud", "login", "request", "cors", "system"} {
			n += c.List(kind, "").Count
		}
		return n >= len(samples)
	}, 30*time.Second, 200*time.Millisecond)
	assertNoSecretInRows(t, c, samples)
	c.Stop()
	assertNoSecretInFiles(t, c.DataDir, samples)
	assertNoSecret(t, "the log", []byte(c.logs.String()), samples)
}

// TestInnocentTextsSurvive: what only looks like a secret is stored as it came.
func TestInnocentTextsSurvive(t *testing.T) {
	innocents, err := secrets.Innocents()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(innocents), 100)
	c := startCollector(t, "otelcol-config.yaml")
	for _, in := range innocents {
		value := encoded(t, in.Text)
		if in.Field == "extra_data" {
			value = in.Text
		}
		kind, rest := "request", ""
		switch in.Field {
		case "message":
			kind, rest = "system", `"event_name":"a",`
		case "object_repr", "object_id":
			kind, rest = "crud", `"event_type":"update",`
		}
		code, a := c.Post("application/json", fmt.Sprintf(`{"kind":%q,%s%q:%s}`, kind, rest, in.Field, value))
		require.Equal(t, http.StatusOK, code, in.Text)
		require.Len(t, a.IDs, 1, in.Text)
		var row map[string]any
		require.Equal(t, http.StatusOK, c.Get("/api/activity/"+kind+"-events/"+a.IDs[0]+"/", &row))
		if in.Field != "extra_data" {
			assert.Equal(t, in.Text, row[in.Field], in.Field)
			continue
		}
		stored, ok := row[in.Field].(string)
		if !ok {
			stored = encoded(t, row[in.Field])
			assert.JSONEq(t, in.Text, stored)
			continue
		}
		assert.Equal(t, in.Text, stored)
	}
}
