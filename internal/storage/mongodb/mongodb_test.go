package mongodb

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dsnVariable names the server that tests run against.
const dsnVariable = "ACTIVITYLOG_TEST_MONGODB_DSN"

// testConfig is a database of its own, dropped with the test.
func testConfig(tb testing.TB) Config {
	tb.Helper()
	text := os.Getenv(dsnVariable)
	if text == "" {
		tb.Skipf("%s names no server; make services-up starts one", dsnVariable)
	}
	cfg := NewDefaultConfig()
	cfg.DSN = configopaque.String(text)
	cfg.TLS.Insecure = true
	// The stand-in answers nobody else for up to 11 s while it works on a large
	// command: what a test opens meanwhile waits, as the collector would.
	cfg.ConnectTimeout = 30 * time.Second
	cfg.Database = "activity_test_" + uuid.NewString()
	return cfg
}

// openTest opens and migrates a store, and drops its database with the test.
func openTest(tb testing.TB, cfg Config, opts Options) *store {
	tb.Helper()
	opened, err := Open(context.Background(), cfg, opts)
	require.NoError(tb, err)
	st := opened.(*store)
	tb.Cleanup(func() {
		require.NoError(tb, st.Close())
		drop(tb, cfg)
	})
	if !opts.ReadOnly {
		require.NoError(tb, st.Migrate(context.Background()))
	}
	return st
}

func drop(tb testing.TB, cfg Config) {
	tb.Helper()
	opened, err := Open(context.Background(), cfg, Options{})
	require.NoError(tb, err)
	require.NoError(tb, opened.(*store).db.Drop(context.Background()))
	require.NoError(tb, opened.Close())
}

var base = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC).UnixNano()

// newEvent makes the i-th of a series of events, one second apart.
func newEvent(i int) activity.Event {
	e := activity.Event{
		Kind: activity.Kinds()[i%5], Datetime: base + int64(i)*int64(time.Second), ReceivedAt: base + int64(i)*int64(time.Second) + 1,
		Service: "shop", UserID: fmt.Sprintf("user-%d", i%7), Username: fmt.Sprintf("Name %d", i%7), RemoteIP: fmt.Sprintf("10.0.0.%d", i%11),
		ObjectID: strconv.Itoa(i % 13), ContentType: "shop.order", URL: fmt.Sprintf("/orders/%d", i), Method: "GET", ResponseStatus: 200,
		Message: "hello", Action: "test",
	}
	e.ID[0] = byte(i * 37)
	binary.BigEndian.PutUint64(e.ID[8:], uint64(i)+1)
	if e.Kind == activity.KindRequest {
		e.ResponseTimeUS = activity.Some(int64(i*7919) % 100_000)
	}
	if e.Kind == activity.KindLogin {
		e.Type = failedLogin
	}
	return e
}

func newEvents(from, to int) []activity.Event {
	var out []activity.Event
	for i := from; i < to; i++ {
		out = append(out, newEvent(i))
	}
	return out
}

func write(tb testing.TB, st storage.Store, events []activity.Event) storage.WriteResult {
	tb.Helper()
	res, err := st.Write(context.Background(), events)
	require.NoError(tb, err)
	return res
}
