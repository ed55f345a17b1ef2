package sqldb

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// mysqlVariable names the server to test with, MariaDB or MySQL.
const mysqlVariable = "ACTIVITYLOG_TEST_MYSQL_DSN"

var databases atomic.Int64

// mysqlConfig gives a function that makes an empty database on the server, to
// be dropped with the test.
func mysqlConfig(tb testing.TB) func(tb testing.TB) Config {
	tb.Helper()
	dsn := os.Getenv(mysqlVariable)
	if dsn == "" {
		tb.Skipf("%s is not set; make services-up starts a server and prints it", mysqlVariable)
	}
	return func(tb testing.TB) Config {
		tb.Helper()
		cc, err := mysql.ParseDSN(dsn)
		require.NoError(tb, err)
		name := fmt.Sprintf("activitylog_t%d_%d", os.Getpid(), databases.Add(1))
		server, err := sql.Open("mysql", dsn)
		require.NoError(tb, err)
		server.SetMaxIdleConns(0)
		_, err = server.ExecContext(context.Background(), "CREATE DATABASE "+name)
		require.NoError(tb, err)
		tb.Cleanup(func() {
			_, err := server.ExecContext(context.Background(), "DROP DATABASE "+name)
			require.NoError(tb, err)
			require.NoError(tb, server.Close())
		})
		cc.DBName = name
		cfg := NewDefaultConfig()
		cfg.Driver = DriverMySQL
		cfg.MySQL.DSN = configopaque.String(cc.FormatDSN())
		cfg.MySQL.TLS.Insecure = cc.TLSConfig == ""
		cfg.MySQL.Readers = 2
		cfg.MySQL.WriteTimeout = 30 * time.Second // the machine may be busy with other tests
		return cfg
	}
}

// mysqlAdmin is a connection beside the store, as a person would have it.
func mysqlAdmin(tb testing.TB, cfg Config) *sql.DB {
	tb.Helper()
	db, err := sql.Open("mysql", string(cfg.MySQL.DSN))
	require.NoError(tb, err)
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

func TestConformanceMySQL(t *testing.T) {
	conformance(t, mysqlConfig(t))
}

func mysqlCount(t *testing.T, cfg Config, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, mysqlAdmin(t, cfg).QueryRowContext(context.Background(), query, args...).Scan(&n), query)
	return n
}

func mysqlExecute(t *testing.T, cfg Config, statements ...string) {
	t.Helper()
	db := mysqlAdmin(t, cfg)
	for _, s := range statements {
		_, err := db.ExecContext(context.Background(), s)
		require.NoError(t, err, s)
	}
}

// mysqlRanges gives the partitions with what the table segments says of them,
// which must be the same.
func mysqlRanges(t *testing.T, cfg Config) catalogue {
	t.Helper()
	d, db := &mysqlDialect{}, mysqlAdmin(t, cfg)
	there, err := d.partitions(context.Background(), db)
	require.NoError(t, err)
	listed, err := d.segments(context.Background(), db)
	require.NoError(t, err)
	require.True(t, slices.EqualFunc(there, listed, sameRange), "%v, listed are %v", there, listed)
	return listed
}

func TestMySQLRefusesLossyCommits(t *testing.T) {
	const strict = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"
	for _, c := range []struct {
		name     string
		settings mysqlSettings
		unusable string
		lossy    int
	}{
		{name: "MariaDB as it comes", settings: mysqlSettings{mode: strict, flush: "1", binlog: "0", sync: "0", packet: 16 << 20}},
		{name: "MySQL as it comes", settings: mysqlSettings{mode: strict, flush: "1", binlog: "1", sync: "1", packet: 64 << 20}},
		{name: "written once a second", settings: mysqlSettings{mode: strict, flush: "0", binlog: "0", packet: 16 << 20}, lossy: 1},
		{name: "not synced", settings: mysqlSettings{mode: strict, flush: "2", binlog: "OFF", packet: 16 << 20}, lossy: 1},
		{name: "a log that is not synced", settings: mysqlSettings{mode: strict, flush: "1", binlog: "ON", sync: "1000", packet: 16 << 20}, lossy: 1},
		{name: "not strict", settings: mysqlSettings{mode: "STRICT_TRANS_TABLES", flush: "1", binlog: "0", packet: 16 << 20}, unusable: "sql_mode"},
		{name: "small packets", settings: mysqlSettings{mode: strict, flush: "1", binlog: "0", packet: 1 << 20}, unusable: "max_allowed_packet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Len(t, c.settings.lossy(), c.lossy)
			err := c.settings.unusable()
			if c.unusable == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, activity.ErrInvalid)
			require.ErrorContains(t, err, c.unusable)
		})
	}
}

func TestMySQLSessionsAreStrictWhateverTheServerSays(t *testing.T) {
	cfg := mysqlConfig(t)(t)
	st := openTest(t, cfg, Options{})
	require.NoError(t, st.Ping(context.Background()))
	var mode string
	require.NoError(t, st.writer.session.conn.QueryRowContext(context.Background(), "SELECT @@sql_mode").Scan(&mode))
	require.Contains(t, mode, "STRICT_ALL_TABLES")
	var isolation, reading string
	require.NoError(t, st.writer.session.conn.QueryRowContext(context.Background(), "SHOW VARIABLES LIKE 't%x_isolation'").Scan(new(string), &isolation))
	require.Equal(t, "READ-COMMITTED", isolation)
	require.NoError(t, st.read(context.Background(), func(c *session) error {
		return c.conn.QueryRowContext(context.Background(), "SHOW VARIABLES LIKE 't%x_isolation'").Scan(new(string), &reading)
	}))
	require.Equal(t, "REPEATABLE-READ", reading)
	_, err := st.writer.session.conn.ExecContext(context.Background(), "INSERT INTO segments (name, lo_ns, hi_ns) VALUES (REPEAT('x', 300), 0, 1)")
	require.ErrorIs(t, st.dialect.classify(err), storage.ErrContent, "nothing is cut")
}

// fullEvent has every field at its limit, counted in bytes.
func fullEvent(content int) activity.Event {
	e := newEvent(1)
	fill := func(n int) string { return strings.Repeat("é", n/2) + strings.Repeat("x", n%2) }
	for _, f := range activity.TextFields() {
		n := f.Info().Limit
		switch {
		case f == activity.FieldTruncatedFields:
			var names []string
			for _, named := range activity.TextFields() {
				names = append(names, named.String())
			}
			slices.Sort(names)
			*e.Text(f) = strings.Join(names, ",")
			continue
		case n > 65_000:
			n = content
		}
		if f.Info().Type == activity.TypeJSON {
			*e.Text(f) = `"` + fill(n-2) + `"`
		} else {
			*e.Text(f) = fill(n)
		}
	}
	for _, f := range activity.Fields() {
		switch f.Info().Type {
		case activity.TypeInt, activity.TypeTime:
			if f != activity.FieldDatetime && f != activity.FieldStoredNS && f != activity.FieldAllowed {
				*e.Int(f) = math.MinInt64
			}
		case activity.TypeOpt:
			*e.Opt(f) = activity.Some(math.MaxInt64)
		case activity.TypeText, activity.TypeJSON, activity.TypeBytes, activity.TypeKind:
		}
	}
	e.TraceID, e.SpanID = [16]byte{1}, [8]byte{2}
	e.Allowed = activity.AllowedNo
	e.IntegrityHash, e.IntegritySalts, e.IntegrityCommitments = bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 32), bytes.Repeat([]byte{9}, 64)
	return e
}

func TestMySQLHoldsEveryFieldAtItsLimit(t *testing.T) {
	st := openTest(t, mysqlConfig(t)(t), Options{})
	for i, content := range []int{65_535, 170_000} { // the default, and six fields of a mebibyte together
		e := fullEvent(content)
		e.ID[1] = byte(i)
		res := write(t, st, []activity.Event{e, newEvent(5 + i)})
		require.Equal(t, 2, res.Written)
		got, err := st.Get(context.Background(), activity.AllTenants(), e.ID)
		require.NoError(t, err)
		got.StoredNS = e.StoredNS
		require.Equal(t, e, got)
		for _, f := range []activity.Field{activity.FieldObjectID, activity.FieldUserID, activity.FieldRemoteIP, activity.FieldType, activity.FieldURL} {
			page, err := st.Page(context.Background(), activity.Tenants(e.TenantID), activity.Query{
				Limit: 10, From: e.Datetime, To: e.Datetime,
				Filters: []activity.Filter{{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{*e.Text(f)}}},
			})
			require.NoError(t, err)
			require.Len(t, page.Events, i+1, f.String())
		}
	}
}

func TestMySQLRefusesThePoisonedEventOnly(t *testing.T) {
	st := openTest(t, mysqlConfig(t)(t), Options{})
	events := newEvents(0, 1000)
	events[77].ObjectID = strings.Repeat("x", 257) // no Normalise has seen it
	events[431].Message = strings.Repeat("x", 1<<24)
	res := write(t, st, events)
	require.Equal(t, 998, res.Written)
	var refused []int
	for _, r := range res.Refused {
		refused = append(refused, r.Index)
		require.ErrorIs(t, r.Err, storage.ErrContent)
	}
	require.Equal(t, []int{77, 431}, refused)
}

// Spaces at the end, case and accents tell values from each other.
func TestMySQLComparesBytes(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, mysqlConfig(t)(t), Options{})
	words := []string{"a", "a ", "A", "á", "a\t", "a\x00"}
	var events []activity.Event
	for _, word := range words {
		e := newEvent(1)
		e.TenantID, e.UserID, e.RemoteIP, e.ObjectID, e.Type, e.URL = word, word, word, word, word, word
		e.Message = word
		events = append(events, e)
	}
	require.Equal(t, len(words), write(t, st, events).Written, "one id in each tenant")
	require.Len(t, write(t, st, events).Duplicates, len(words))
	for _, word := range words {
		for _, f := range []activity.Field{activity.FieldUserID, activity.FieldRemoteIP, activity.FieldObjectID, activity.FieldType, activity.FieldURL, activity.FieldMessage, activity.FieldTenantID} {
			page, err := st.Page(ctx, activity.AllTenants(), activity.Query{
				Limit: 10, Filters: []activity.Filter{{Fields: []activity.Field{f}, Op: activity.OpEqual, Text: []string{word}}},
			})
			require.NoError(t, err)
			require.Len(t, page.Events, 1, "%s %q", f, word)
			require.Equal(t, word, page.Events[0].TenantID)
		}
		page, err := st.Page(ctx, activity.Tenants(word), activity.Query{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Events, 1, "%q", word)
	}
}

// The character set of the comparison must fold the letters of ASCII and leave
// every other byte alone, or parts of other characters would match.
func TestMySQLContainsFoldsASCIIOnly(t *testing.T) {
	cfg := mysqlConfig(t)(t)
	db, d := mysqlAdmin(t, cfg), &mysqlDialect{}
	lower := func(c byte) byte {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}
	mysqlExecute(t, cfg, "CREATE TABLE bytes (b VARBINARY(10))")
	for c := range 256 {
		_, err := db.Exec("INSERT INTO bytes VALUES (?)", []byte{'<', byte(c), '>'})
		require.NoError(t, err)
	}
	for c := range 256 {
		var want []string
		for other := range 256 {
			if lower(byte(other)) == lower(byte(c)) {
				want = append(want, fmt.Sprintf("3C%02X3E", other))
			}
		}
		var got string
		require.NoError(t, db.QueryRow("SELECT GROUP_CONCAT(HEX(b) ORDER BY b) FROM bytes WHERE "+d.contains("b", "?"), []byte{'<', byte(c), '>'}).Scan(&got))
		require.Equal(t, strings.Join(want, ","), got, "byte %02X", c)
	}

	st := openTest(t, cfg, Options{})
	events := newEvents(0, 3)
	events[0].Message, events[1].Message, events[2].Message = "Ångström 漢字 É?", "ångström", "angstrom ?"
	write(t, st, events)
	for text, want := range map[string]int{"ångSTRÖM": 0, "Ångström": 1, "ångstRöm": 1, "ngstr": 3, "漢": 1, "字 É": 1, "字 é": 0, "?": 2, "%": 0, "_": 0} {
		page, err := st.Page(context.Background(), activity.AllTenants(), activity.Query{
			Limit: 10, Filters: []activity.Filter{{Fields: []activity.Field{activity.FieldMessage}, Op: activity.OpContains, Text: []string{text}}},
		})
		require.NoError(t, err)
		require.Len(t, page.Events, want, text)
	}
}
