package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// undated hides the deadline of a context, which still ends it: the driver would
// put its own max_execution_time, five seconds beyond the deadline, in the place
// of ours.
type undated struct{ context.Context }

func (undated) Deadline() (time.Time, bool) { return time.Time{}, false }

// driverContext carries what the driver reads of a context.
func driverContext(ctx context.Context, options ...ch.QueryOption) context.Context {
	return ch.Context(undated{ctx}, options...)
}

// seconds is a duration as the settings take it.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// readSettings bound a query on the server.
func (s *store) readSettings(limit time.Duration) ch.Settings {
	return ch.Settings{
		"max_execution_time": seconds(limit),
		"max_memory_usage":   s.config.MaxMemoryMiB << 20,
		// A key lives in one partition, so partitions need no merge with each other.
		"do_not_merge_across_partitions_select_final": 1,
		"low_cardinality_allow_in_native_format":      0,
		"max_block_size":                              4096,
		// Whatever the profile of the user says, half an answer is none.
		"timeout_overflow_mode":  "throw",
		"result_overflow_mode":   "throw",
		"read_overflow_mode":     "throw",
		"set_overflow_mode":      "throw",
		"sort_overflow_mode":     "throw",
		"group_by_overflow_mode": "throw",
		"distinct_overflow_mode": "throw",
		// HTTP: what nobody waits for ends. Native connections are cancelled by the driver.
		"cancel_http_readonly_queries_on_client_close": 1,
	}
}

// unlimited is the limit of a query whose reader sets the pace.
const unlimited = time.Duration(0)

// query runs fn for every row. limit bounds the time on the server, the context
// the waiting.
func (s *store) query(ctx context.Context, limit time.Duration, b *builder, fn func(driver.Rows) error) (err error) {
	caller := ctx
	ctx, cancel := withLimit(ctx, limit)
	defer cancel()
	defer func() {
		if err != nil && caller.Err() == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("%w: the server did not answer within %s", storage.ErrBudget, limit)
		}
	}()
	rows, err := s.conn.Query(driverContext(ctx, ch.WithSettings(s.readSettings(limit))), b.sql.String(), b.args...)
	if err != nil {
		return spent(err)
	}
	for rows.Next() {
		if err = ctx.Err(); err == nil { // the driver may still hold blocks
			err = fn(rows)
		}
		if err != nil {
			cancel() // what is left of the answer is not read
			return errors.Join(err, ignoreCancelled(rows.Close()))
		}
	}
	return spent(errors.Join(rows.Err(), rows.Close()))
}

func withLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == unlimited {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit+time.Second)
}

func ignoreCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// spent says that the time on the server was used up.
func spent(err error) error {
	var e *ch.Exception
	if errors.As(err, &e) && e.Code == codeTimeout {
		return fmt.Errorf("%w: the server stopped the query", storage.ErrBudget)
	}
	return classify(err)
}

// exec runs a statement. Over HTTP an error may come after the first bytes of an
// answer, where the driver does not look: the answer waits for the end.
func (s *store) exec(ctx context.Context, limit time.Duration, settings ch.Settings, b *builder) error {
	ctx, cancel := context.WithTimeout(ctx, limit+time.Second)
	defer cancel()
	all := ch.Settings{"max_execution_time": seconds(limit), "timeout_overflow_mode": "throw"}
	if s.http {
		all["wait_end_of_query"] = 1
	}
	for k, v := range settings {
		all[k] = v
	}
	return classify(s.conn.Exec(driverContext(ctx, ch.WithSettings(all)), b.sql.String(), b.args...))
}
