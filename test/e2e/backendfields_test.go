package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fresh are the columns that differ with every event and run; they are checked
// by what they must be.
var fresh = []string{"id", "datetime", "received_at", "tenant_id", "integrity_hash", "integrity_salts", "integrity_commitments"}

var fieldCases = func() (cases []backendCase) {
	for _, kind := range kinds {
		cases = append(cases, backendCase{"every field of a " + kind + " event", func(t *testing.T, r *room) {
			t.Helper()
			everyField(t, r, kind)
		}})
	}
	return append(cases, backendCase{"texts as they were", textsAsTheyWere}, backendCase{"numbers at their bounds", numbersAtTheirBounds})
}()

// everyField compares the row of an event that says everything with the one in
// testdata/rows, which is the same for every database.
func everyField(t *testing.T, r *room, kind string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "events", kind+".json"))
	require.NoError(t, err)
	e := said(exactly(t, raw))
	at := epoch.Add(123456789 * time.Nanosecond)
	e["id"], e["tenant_id"], e["datetime"] = r.id(0), r.tenant, at.Format(time.RFC3339Nano)
	before := time.Now()
	require.Equal(t, []string{r.id(0)}, r.send(e).IDs)
	answered := r.body("/api/activity/" + kind + "-events/" + r.id(0) + "/")
	var listed struct{ Results []json.RawMessage }
	require.NoError(t, json.Unmarshal(r.body(r.path(kind, "")), &listed))
	require.Len(t, listed.Results, 1)
	assert.Equal(t, strings.TrimSpace(string(answered)), string(listed.Results[0]), "the list gives the same row")
	row := exactly(t, answered)

	assert.Equal(t, r.id(0), row["id"])
	assert.Equal(t, r.tenant, row["tenant_id"])
	assert.Equal(t, at.Format(time.RFC3339Nano), row["datetime"])
	received, err := time.Parse(time.RFC3339Nano, fmt.Sprint(row["received_at"]))
	require.NoError(t, err)
	assert.WithinRange(t, received, before.Add(-time.Second), time.Now().Add(time.Second))
	assert.Len(t, row["integrity_hash"], 64)
	for _, name := range fresh {
		delete(row, name)
	}
	got, err := json.MarshalIndent(row, "", "  ")
	require.NoError(t, err)
	golden := filepath.Join("testdata", "rows", kind+".json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got)+"\n", "run UPDATE_GOLDEN=1 on sqlite when the change is meant")
}

// exactly reads an object without rounding its numbers.
func exactly(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	numbers := json.NewDecoder(bytes.NewReader(raw))
	numbers.UseNumber()
	out := map[string]any{}
	require.NoError(t, numbers.Decode(&out))
	return out
}

func textsAsTheyWere(t *testing.T, r *room) {
	t.Helper()
	texts := []string{
		"👩‍👩‍👧 é é 漢字", "'; DROP TABLE activity_events; --", " spaces ", "\n\t\r", `back\slash "quotes"`, "%_", "${x} {{y}} {z:String} ?", "ẞß İı",
		strings.Repeat("x", 65_535), strings.Repeat("é", 32_767),
	}
	var events []said
	for i, text := range texts {
		e := r.event("system", i)
		e["message"], e["traceback"] = text, text
		if len(text) < 200 {
			e["username"], e["user_id"] = text, text
		}
		events = append(events, e)
	}
	r.send(events...)
	for i, text := range texts {
		var row map[string]any
		require.Equal(t, http.StatusOK, r.Get("/api/activity/system-events/"+r.id(i)+"/", &row))
		assert.Equal(t, text, row["message"], "text %d", i)
		assert.Equal(t, text, row["traceback"], "text %d", i)
		assert.Equal(t, events[i]["username"], row["username"], "text %d", i)
		assert.Equal(t, false, row["is_tampered"], "text %d", i)
	}
}

func numbersAtTheirBounds(t *testing.T, r *room) {
	t.Helper()
	zero, none, large := r.event("request", 1), r.event("request", 2), r.event("request", 3)
	zero["response_time_ms"], zero["request_body_size"], zero["response_body_size"] = 0, 0, 0
	delete(none, "response_time_ms")
	delete(none, "request_body_size")
	delete(none, "response_body_size")
	large["response_body_size"], large["producer_seq"] = int64(1)<<53-1, int64(1)<<53-1
	r.send(zero, none, large)
	read := func(n int) (row map[string]any) {
		require.Equal(t, http.StatusOK, r.Get("/api/activity/request-events/"+r.id(n)+"/", &row))
		return row
	}
	for _, name := range []string{"response_time_ms", "request_body_size", "response_body_size"} {
		assert.Equal(t, 0.0, read(1)[name], name)
		assert.Nil(t, read(2)[name], name)
	}
	assert.Equal(t, float64(1<<53-1), read(3)["response_body_size"])
	assert.Equal(t, float64(1<<53-1), read(3)["producer_seq"])
}
