package clickhouse

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// run executes statements as an administrator would.
func run(t *testing.T, st *store, statements ...string) {
	t.Helper()
	for _, s := range statements {
		require.NoError(t, st.conn.Exec(context.Background(), s), s)
	}
}

func number(t *testing.T, st *store, query string) (n int64) {
	t.Helper()
	require.NoError(t, st.conn.QueryRow(context.Background(), query).Scan(&n), query)
	return n
}

func TestClassifyRealErrors(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 10))
	run(t, st, "ALTER TABLE activity_events ADD CONSTRAINT no_poison CHECK message != 'poison'")
	ask := func(cfg Config, statement string) error {
		other := openTest(t, cfg, Options{ReadOnly: false})
		return other.query(ctx, 2*time.Second, (&builder{}).add(statement), func(driver.Rows) error { return nil })
	}
	direct := func(statement string) error {
		return st.exec(ctx, 5*time.Second, nil, (&builder{}).add(statement))
	}
	unmigrated := func(change func(*Config)) error {
		c := cfg
		change(&c)
		other, err := Open(ctx, c, Options{})
		require.NoError(t, err)
		defer func() { require.NoError(t, other.Close()) }()
		_, err = other.Write(ctx, newEvents(0, 1))
		return err
	}
	small := cfg
	small.MaxMemoryMiB = 1
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	admin, err := cfg.target()
	require.NoError(t, err)
	injected := func(f fault) error {
		return unmigrated(func(c *Config) { behind(t, c).plan(f) })
	}

	for name, c := range map[string]struct {
		err  error
		code int32 // 0 = none of the server's
		want []error
	}{
		"a refused value":        {direct("INSERT INTO activity_events (message) VALUES ('poison')"), 469, []error{storage.ErrContent}},
		"a word outside an enum": {direct("INSERT INTO activity_events (kind) SELECT materialize('zzz')"), 691, []error{storage.ErrContent}},
		"too many partitions": {
			direct("INSERT INTO activity_events (datetime_ns) SETTINGS max_partitions_per_insert_block = 2 SELECT number * 3000000000000000 FROM numbers(9)"),
			252,
			[]error{storage.ErrOverloaded, storage.ErrRetryable},
		},
		"too slow":  {ask(cfg, "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"), 0, []error{storage.ErrBudget}},
		"too large": {ask(small, "SELECT groupArray(number) FROM numbers(10000000)"), 241, []error{storage.ErrOverloaded, storage.ErrRetryable}},
		"no such database": {
			unmigrated(func(c *Config) {
				c.DSN = configopaque.String("http://" + admin.username + "@" + admin.addresses[0] + "/no_such_database")
			}),
			81,
			[]error{storage.ErrRetryable},
		},
		"a wrong password": {unmigrated(func(c *Config) { c.Password = "wrong" }), 516, []error{storage.ErrRetryable}},
		"no server": {
			unmigrated(func(c *Config) { c.DSN = configopaque.String("http://u:hidden@" + closed.Addr().String() + "/audit") }),
			0,
			[]error{storage.ErrRetryable},
		},
		"too many queries":  {injected(fault{match: "INSERT", code: "202"}), 202, []error{storage.ErrOverloaded, storage.ErrRetryable}},
		"a read-only table": {injected(fault{match: "INSERT", code: "242"}), 242, []error{storage.ErrReadOnly, storage.ErrRetryable}},
		"a full disk":       {injected(fault{match: "INSERT", code: "243"}), 243, []error{storage.ErrRetryable}},
		"a cut connection":  {injected(fault{match: "INSERT"}), 0, []error{storage.ErrRetryable}},
		"a balancer":        {injected(fault{match: "INSERT", text: "no backend is up"}), 0, []error{storage.ErrRetryable}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, want := range c.want {
				require.ErrorIs(t, c.err, want)
			}
			if len(c.want) == 1 && !errors.Is(c.want[0], storage.ErrContent) {
				require.NotErrorIs(t, c.err, storage.ErrContent)
			}
			var e *serverError
			if c.code != 0 {
				require.ErrorAs(t, c.err, &e)
				require.Equal(t, c.code, e.code, c.err)
			}
			for _, secret := range []string{"hidden", "secret-value", "wrong@", "user-0", "param_"} {
				require.NotContains(t, c.err.Error(), secret)
			}
		})
	}
	require.NoError(t, classify(nil))
	require.NotErrorIs(t, classify(storage.ErrSchemaTooOld), storage.ErrRetryable)
}

func TestOnePoisonedEventOfAThousandIsNamed(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	run(t, st, "ALTER TABLE activity_events ADD CONSTRAINT no_poison CHECK message != 'poison'")
	events := newEvents(0, 1000)
	events[617].Message = "poison"
	res := write(t, st, events)
	require.Equal(t, 999, res.Written)
	require.Len(t, res.Refused, 1)
	require.Equal(t, 617, res.Refused[0].Index)
	require.ErrorIs(t, res.Refused[0].Err, storage.ErrContent)
	require.EqualValues(t, 999, number(t, st, "SELECT toInt64(count()) FROM activity_events"))
}

func TestAnUnknownKindIsRefusedAlone(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	events := newEvents(0, 3)
	events[1].Kind = 0
	res := write(t, st, events)
	require.Equal(t, 2, res.Written)
	require.Equal(t, 1, res.Refused[0].Index)
}

func TestALostAnswerIsRetriedWithoutADouble(t *testing.T) {
	cfg := testConfig(t)
	openTest(t, cfg, Options{})
	p := behind(t, &cfg)
	st := openTest(t, cfg, Options{})
	p.plan(fault{match: "INSERT INTO activity_events", after: true}, fault{match: "INSERT INTO activity_events", code: "202"})
	_, err := st.Write(context.Background(), newEvents(0, 50))
	require.ErrorIs(t, err, storage.ErrRetryable)
	_, err = st.Write(context.Background(), newEvents(0, 50))
	require.ErrorIs(t, err, storage.ErrOverloaded)
	require.Equal(t, 50, write(t, st, newEvents(0, 50)).Written)
	n, err := st.Count(context.Background(), activity.AllTenants(), activity.Query{}, 1000)
	require.NoError(t, err)
	require.Equal(t, activity.Count{N: 50, Exact: true}, n)
	require.EqualValues(t, 100, number(t, st, "SELECT toInt64(count()) FROM activity_events"), "the lost answer was of a stored insert")
}

func TestErrorsHoldNoValues(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t)
	p := behind(t, &cfg)
	st := openTest(t, cfg, Options{})
	ask := func() error {
		_, err := st.Count(ctx, allTenants, activity.Query{Filters: []activity.Filter{
			{Fields: []activity.Field{activity.FieldUserID}, Op: activity.OpEqual, Text: []string{"the-person"}},
		}}, 10)
		return err
	}
	require.NoError(t, ask()) // it has a connection, and knows the table's extent
	p.plan(fault{})
	cut := ask()
	run(t, st, "ALTER TABLE activity_events DROP INDEX by_user", "ALTER TABLE activity_events DROP COLUMN user_id")
	for _, err := range []error{cut, ask()} {
		require.ErrorIs(t, err, storage.ErrRetryable)
		require.NotContains(t, err.Error(), "the-person")
		require.Less(t, len(err.Error()), 500)
	}
}
