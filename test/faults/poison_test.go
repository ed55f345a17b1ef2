package faults

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	_ "github.com/jackc/pgx/v5/stdlib" // adds the rule that refuses one event
)

// poison makes a database refuse the event of the user "poison", and ends that again.
type poison struct {
	add, remove string
	// say sends a statement to a store of the server at dsn.
	say func(t *testing.T, dsn, store, statement string)
}

// poisons by backend.
func poisons() map[string]poison {
	return map[string]poison{
		"sqlite": {
			add:    "create trigger poison_%[1]s before insert on %[1]s when new.username = 'poison' begin select raise(abort, 'poisoned'); end",
			remove: "drop trigger poison_%s", say: saySQLite,
		},
		"postgres": {
			add:    "alter table activity_events add constraint poison check (username is distinct from 'poison') not valid",
			remove: "alter table activity_events drop constraint poison",
			say: func(t *testing.T, dsn, store, statement string) {
				t.Helper()
				saySQL(t, "pgx", dsn+"&search_path="+store, statement)
			},
		},
		"mysql": {
			add:    "alter table activity_events add constraint poison check (username is null or username <> 'poison')",
			remove: "alter table activity_events drop constraint poison",
			say: func(t *testing.T, dsn, store, statement string) {
				t.Helper()
				saySQL(t, "mysql", strings.Replace(dsn, "/activitylog", "/"+store, 1), statement)
			},
		},
		"clickhouse": {
			add:    "alter table activity_events add constraint poison check username != 'poison'",
			remove: "alter table activity_events drop constraint poison", say: sayClickHouse,
		},
		"mongodb": {
			add:    `{"collMod": "activity_events", "validator": {"username": {"$ne": "poison"}}}`,
			remove: `{"collMod": "activity_events", "validator": {}}`, say: sayMongo,
		},
		// An index takes values below 64 KiB only, and the poisoned event is larger.
		"cassandra": {add: "create index poison on %s.events (content)", remove: "drop index %s.poison", say: sayCassandra},
	}
}

func saySQL(t *testing.T, driver, dsn string, statements ...string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for _, s := range statements {
		_, err = db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

// saySQLite says it of each table of events.
func saySQLite(t *testing.T, _, store, statement string) {
	t.Helper()
	dsn := "file:" + filepath.Join(store, "activity.db") + "?_pragma=busy_timeout(10000)"
	db, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.QueryContext(t.Context(), "select name from sqlite_master where type = 'table' and sql like '%username%'")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var statements []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		statements = append(statements, fmt.Sprintf(statement, name))
	}
	require.NoError(t, rows.Err())
	require.NotEmpty(t, statements)
	saySQL(t, "sqlite", dsn, statements...)
}

// sayClickHouse sends one statement by HTTP.
func sayClickHouse(t *testing.T, dsn, store, statement string) {
	t.Helper()
	address := strings.TrimSuffix(dsn, "/default") + "/?database=" + store
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(statement))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode, statement)
}

// sayMongo runs a command in extended JSON.
func sayMongo(t *testing.T, dsn, store, statement string) {
	t.Helper()
	var command bson.D
	require.NoError(t, bson.UnmarshalExtJSON([]byte(statement), false, &command))
	client, err := mongo.Connect(options.Client().ApplyURI(dsn))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Disconnect(context.WithoutCancel(t.Context()))) }()
	require.NoError(t, client.Database(store).RunCommand(t.Context(), command).Err(), statement)
}

func sayCassandra(t *testing.T, dsn, store, statement string) {
	t.Helper()
	at := strings.LastIndexByte(dsn, '@')
	cluster := gocql.NewCluster(dsn[at+1:])
	cluster.Timeout = time.Minute // of a change of the schema
	if at >= 0 {
		name, password, _ := strings.Cut(dsn[:at], ":")
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: name, Password: password}
	}
	session, err := cluster.CreateSession()
	require.NoError(t, err)
	defer session.Close()
	require.NoError(t, session.Query(fmt.Sprintf(statement, store)).ExecContext(t.Context()), statement)
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
			require.True(t, can, "add its rule to poisons")
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
	p.say(t, dsn, store, p.add)
	require.Equal(t, http.StatusOK, c.post(t, batch(1000, "poison")), "nothing is refused for its content")
	assert.Equal(t, 1, lettersIn(t, s.letters(c.dir)))
	c.stop(20 * time.Second)
	assert.Equal(t, 1000, stored(t, c.config, s.id), "the other 999, and the first")

	p.say(t, dsn, store, p.remove)
	out, code := tool(t, "auditctl", "replay", "--config", c.config, "--exporter", s.id)
	require.Equal(t, 0, code, out)
	assert.Equal(t, 1001, stored(t, c.config, s.id))
	assert.Zero(t, lettersIn(t, s.letters(c.dir)))
	table.add(row{
		backend: b.name, fault: "one of 1000 events poisoned", profile: "committed", sent: 1000, answers: "200: 1", dead: 1,
	})
}

// batch renders n events; the one in the middle is of that user, and large.
func batch(n int, user string) string {
	var out strings.Builder
	for i := range n {
		event := map[string]any{"kind": "system", "event_name": "faults", "message": "event " + strconv.Itoa(i), "username": "somebody"}
		if i == n/2 {
			event["username"] = user
			event["extra_data"] = map[string]string{"note": strings.Repeat("x", 60_000)}
			event["traceback"] = strings.Repeat("y", 60_000)
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
