package faults

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	_ "github.com/jackc/pgx/v5/stdlib" // adds the rule that refuses one event
)

// poison makes a database refuse the events of one user, and ends that again.
type poison struct {
	add, remove string
	// tables asks for the names of the tables that the statements are for, which
	// name theirs as %s; "" is one statement for all.
	tables string
	// driver and dsn of database/sql; "" sends the statements by ClickHouse's HTTP.
	driver string
	dsn    func(dsn, store string) string
}

// poisons by backend. What is not here has no rule that a table could be given.
func poisons() map[string]poison {
	return map[string]poison{
		"sqlite": {
			driver: "sqlite", dsn: func(_, store string) string {
				return "file:" + filepath.Join(store, "activity.db") + "?_pragma=busy_timeout(10000)"
			},
			tables: "select name from sqlite_master where type = 'table' and sql like '%username%'",
			add:    "create trigger poison_%[1]s before insert on %[1]s when new.username = 'poison' begin select raise(abort, 'poisoned'); end", remove: "drop trigger poison_%s",
		},
		"postgres": {
			driver: "pgx", dsn: func(dsn, store string) string { return dsn + "&search_path=" + store },
			add: "alter table activity_events add constraint poison check (username is distinct from 'poison') not valid", remove: "alter table activity_events drop constraint poison",
		},
		"mysql": {
			driver: "mysql", dsn: func(dsn, store string) string { return strings.Replace(dsn, "/activitylog", "/"+store, 1) },
			add: "alter table activity_events add constraint poison check (username is null or username <> 'poison')", remove: "alter table activity_events drop constraint poison",
		},
		"clickhouse": {
			dsn: func(dsn, store string) string { return strings.TrimSuffix(dsn, "/default") + "/?database=" + store },
			add: "alter table activity_events add constraint poison check username != 'poison'", remove: "alter table activity_events drop constraint poison",
		},
	}
}

func (p *poison) execute(t *testing.T, dsn, store, statement string) {
	t.Helper()
	if p.driver == "" {
		clickhouse(t, p.dsn(dsn, store), statement)
		return
	}
	db, err := sql.Open(p.driver, p.dsn(dsn, store))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	statements := []string{statement}
	if p.tables != "" {
		statements = nil
		rows, err := db.QueryContext(t.Context(), p.tables)
		require.NoError(t, err)
		defer func() { require.NoError(t, rows.Close()) }()
		for rows.Next() {
			var name string
			require.NoError(t, rows.Scan(&name))
			statements = append(statements, fmt.Sprintf(statement, name))
		}
		require.NoError(t, rows.Err())
		require.NotEmpty(t, statements)
	}
	for _, s := range statements {
		_, err = db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

// clickhouse sends one statement by HTTP.
func clickhouse(t *testing.T, address, statement string) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u.String(), strings.NewReader(statement))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode, statement)
}

// TestPoison sends 1000 events of which the database refuses one: the others
// are stored, the one is in the dead letters, and auditctl replay stores it
// once the cause is gone.
func TestPoison(t *testing.T) {
	if testing.Short() {
		t.Skip("part of the matrix: make test-faults")
	}
	for _, b := range chosen(t) {
		t.Run(b.name, func(t *testing.T) {
			p, can := poisons()[b.name]
			if !can {
				table.add(row{backend: b.name, fault: "one of 1000 events poisoned", note: "its tables take no rule that refuses one event"})
				return
			}
			poisonOne(t, &b, &p)
		})
	}
}

func poisonOne(t *testing.T, b *backend, p *poison) {
	t.Helper()
	store, dsn, via := unique(), "", ""
	s := sink{id: b.exporter + "/" + b.name}
	if b.script == "" {
		store = filepath.Join(t.TempDir(), "store")
		s.driver = fmt.Sprintf("    driver: sqlite\n    sqlite: {directory: %q}\n", store)
	} else {
		var err error
		dsn = b.dsn(t)
		via, err = b.address(dsn)
		require.NoError(t, err)
		s.driver = b.driver(t, dsn, store, via)
	}
	c := newCollector(t, s)
	c.start()
	require.Equal(t, http.StatusOK, c.post(t, batch(1, "nobody")), "the store must be there before it gets a rule")
	p.execute(t, dsn, store, p.add)
	require.Equal(t, http.StatusOK, c.post(t, batch(1000, "poison")), "nothing is refused for its content")
	assert.Equal(t, 1, lettersIn(t, s.letters(c.dir)))
	c.stop(20 * time.Second)
	assert.Equal(t, 1000, stored(t, c.config, s.id), "the other 999, and the first")

	p.execute(t, dsn, store, p.remove)
	out, code := tool(t, "auditctl", "replay", "--config", c.config, "--exporter", s.id)
	require.Equal(t, 0, code, out)
	assert.Equal(t, 1001, stored(t, c.config, s.id))
	assert.Zero(t, lettersIn(t, s.letters(c.dir)))
	table.add(row{
		backend: b.name, fault: "one of 1000 events poisoned", profile: "committed", sent: 1000, answers: "200: 1", dead: 1,
	})
}

// batch renders n events; the one in the middle is of that user.
func batch(n int, user string) string {
	var out strings.Builder
	for i := range n {
		event := map[string]any{"kind": "system", "event_name": "faults", "message": "event " + strconv.Itoa(i), "username": "somebody"}
		if i == n/2 {
			event["username"] = user
		}
		line, err := json.Marshal(event)
		if err != nil {
			panic(err) // texts and nothing else
		}
		out.Write(append(line, '\n'))
	}
	return out.String()
}

// post sends NDJSON and gives the status.
func (c *collector) post(t *testing.T, body string) int {
	t.Helper()
	// The store may not be there yet: 503 until then.
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		code := c.attempt(t, body)
		if code != http.StatusServiceUnavailable || time.Now().After(end) {
			return code
		}
	}
}

func (c *collector) attempt(t *testing.T, body string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.events+"/v1/events", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = resp.Body.Close()
	return resp.StatusCode
}
