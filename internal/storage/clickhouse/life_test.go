package clickhouse

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/migration"
)

var allTenants = activity.AllTenants()

func sealedWith(e activity.Event, salt byte) activity.Event {
	var salts [32]byte
	for i := range salts {
		salts[i] = salt
	}
	var enc canonical.Encoder
	enc.Seal(&e, &salts)
	return e
}

func scanned(t *testing.T, st storage.Store, q activity.Query) []activity.Event {
	t.Helper()
	var out []activity.Event
	for r, err := range st.Scan(context.Background(), allTenants, q) {
		require.NoError(t, err)
		require.Empty(t, r.Derived)
		out = append(out, r.Event)
	}
	return out
}

func TestTheEarliestAcceptanceWinsInEitherOrder(t *testing.T) {
	first := newEvent(1)
	first.ReceivedAt = base + 100
	second := first
	second.ReceivedAt += 50
	second.Message = "accepted later, with other content"
	first, second = sealedWith(first, 1), sealedWith(second, 2)
	for name, order := range map[string][]activity.Event{"earliest first": {first, second}, "latest first": {second, first}} {
		t.Run(name, func(t *testing.T) {
			st := openTest(t, testConfig(t), Options{})
			for _, e := range order {
				write(t, st, []activity.Event{e})
			}
			for range 2 { // before and after a merge
				got := scanned(t, st, activity.Query{})
				require.Len(t, got, 1)
				require.Equal(t, first.IntegrityHash, got[0].IntegrityHash)
				var enc canonical.Encoder
				require.Equal(t, canonical.Verified, enc.Verify(&got[0]))
				// what the loser said finds nothing, also by an index
				page, err := st.Page(context.Background(), allTenants, activity.Query{Limit: 5, Filters: []activity.Filter{
					{Fields: []activity.Field{activity.FieldMessage}, Op: activity.OpEqual, Text: []string{second.Message}},
				}})
				require.NoError(t, err)
				require.Empty(t, page.Events)
				run(t, st, "OPTIMIZE TABLE activity_events FINAL")
			}
			require.EqualValues(t, 1, number(t, st, "SELECT toInt64(count()) FROM activity_events"))
		})
	}
}

func TestOfEqualAcceptancesTheFirstStoredStays(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	write(t, st, newEvents(1, 2))
	before := scanned(t, st, activity.Query{})
	write(t, st, newEvents(1, 2))
	require.Equal(t, before, scanned(t, st, activity.Query{}))
}

func TestPagesOfALargeTableAreWholeWhateverTheWindow(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	const n = 3 * windowRows
	for at := 0; at < n; at += 12_288 {
		events := newEvents(at, at+12_288)
		for i := range events { // half of them in the last hour of a year
			if k := at + i; k < n/2 {
				events[i].Datetime = base + int64(k)*int64(time.Hour)/5
			} else {
				events[i].Datetime = base + 365*24*int64(time.Hour) + int64(k)*int64(time.Millisecond)
			}
		}
		write(t, st, events)
	}
	for _, order := range []activity.Order{activity.NewestFirst, activity.OldestFirst} {
		all := scanned(t, st, activity.Query{Order: order})
		require.Len(t, all, n)
		for _, filters := range [][]activity.Filter{nil, {{Fields: []activity.Field{activity.FieldUserID}, Op: activity.OpEqual, Text: []string{"user-3"}}}} {
			q := activity.Query{Order: order, Limit: activity.MaxLimit, Filters: filters}
			for at, pages := 0, 0; pages < 8; pages++ {
				page, err := st.Page(context.Background(), allTenants, q)
				require.NoError(t, err)
				for i := range page.Events {
					for filters != nil && all[at].UserID != "user-3" {
						at++
					}
					require.Equal(t, all[at].ID, page.Events[i].ID)
					at++
				}
				q.After = page.Next
			}
		}
		offset, err := st.Page(context.Background(), allTenants, activity.Query{Order: order, Limit: 3, Offset: 9000})
		require.NoError(t, err)
		require.Equal(t, all[9000].ID, offset.Events[0].ID)
	}
	count, err := st.Count(context.Background(), allTenants, activity.Query{Budget: time.Minute}, n)
	require.NoError(t, err)
	require.Equal(t, activity.Count{N: n, Exact: true}, count)

	// A budget that is too small gives part of the answer and where to go on.
	q := activity.Query{Limit: 100, Budget: 3 * time.Millisecond, Filters: []activity.Filter{
		{Fields: []activity.Field{activity.FieldURL}, Op: activity.OpContains, Text: []string{"/orders/77"}},
	}}
	want := 0
	for _, e := range scanned(t, st, activity.Query{}) {
		if strings.Contains(e.URL, "/orders/77") {
			want++
		}
	}
	incomplete, got := 0, 0
	for {
		page, err := st.Page(context.Background(), allTenants, q)
		require.NoError(t, err)
		got += len(page.Events)
		if !page.Complete {
			incomplete++
			q.Budget *= 2
		}
		if q.After = page.Next; q.After.IsZero() {
			break
		}
	}
	require.Positive(t, incomplete)
	require.Equal(t, want, got)
}

func TestAnAggregateOverItsBudgetIsNoAnswer(t *testing.T) {
	cfg := testConfig(t)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 10_000))
	q := activity.Query{Budget: time.Nanosecond}
	_, err := st.Aggregate(context.Background(), allTenants, q, activity.GroupBy{Fields: []activity.Field{activity.FieldURL}, Top: 5})
	require.ErrorIs(t, err, storage.ErrBudget)
	cfg.MaxMemoryMiB = 1
	small := openTest(t, cfg, Options{})
	_, err = small.Aggregate(context.Background(), allTenants, activity.Query{},
		activity.GroupBy{Fields: []activity.Field{activity.FieldID, activity.FieldURL, activity.FieldReceivedAt}, Top: 5})
	require.ErrorIs(t, err, storage.ErrBudget)
}

func TestAScanThatIsLeftEndsItsQuery(t *testing.T) {
	st := openTest(t, testConfig(t), Options{})
	write(t, st, newEvents(0, 12_000))
	n := 0
	for _, err := range st.Scan(context.Background(), allTenants, activity.Query{}) {
		require.NoError(t, err)
		if n++; n == 5000 {
			break
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n = 0
	var last error
	for _, err := range st.Scan(ctx, allTenants, activity.Query{}) {
		if last = err; err == nil {
			if n++; n == 5000 {
				cancel()
			}
		}
	}
	require.ErrorIs(t, last, context.Canceled)
	require.Less(t, n, 12_000)
}

func TestTheSchemaIsOnlyMadeWhereThatIsAllowed(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t)
	cfg.CreateSchema = false
	st, err := Open(ctx, cfg, Options{})
	require.NoError(t, err)
	err = st.Migrate(ctx)
	require.ErrorIs(t, err, storage.ErrSchemaTooOld)
	require.ErrorContains(t, err, "auditctl migrate")
	_, err = Open(ctx, cfg, Options{ReadOnly: true})
	require.ErrorIs(t, err, storage.ErrSchemaTooOld)

	// An administrator runs what Print prints.
	var text strings.Builder
	require.NoError(t, Print(cfg, &text))
	for _, statement := range migration.Statements(text.String()) {
		require.NoError(t, st.(*store).conn.Exec(ctx, statement), statement)
	}
	require.NoError(t, st.Migrate(ctx))
	write(t, st, newEvents(0, 5))
	require.NoError(t, st.Close())

	reader := openTest(t, cfg, Options{ReadOnly: true})
	require.Len(t, scanned(t, reader, activity.Query{}), 5)
	_, err = reader.Write(ctx, newEvents(0, 1))
	require.ErrorIs(t, err, storage.ErrReadOnly)
	_, err = reader.Erase(ctx, allTenants, storage.Erasure{UserID: "user-1", Group: activity.GroupPersonal, Limit: 1})
	require.ErrorIs(t, err, storage.ErrReadOnly)
	r := storage.Retention{Before: newEvent(3).Datetime, Limit: 10}
	_, err = reader.DeleteBefore(ctx, allTenants, r)
	require.ErrorIs(t, err, storage.ErrReadOnly)
	r.DryRun = true
	res, err := reader.DeleteBefore(ctx, allTenants, r)
	require.NoError(t, err)
	require.EqualValues(t, 3, res.Deleted)
}

func TestOlderBinaryWorksOnAdditiveSchemaOnly(t *testing.T) {
	ctx := context.Background()
	st := openTest(t, testConfig(t), Options{})
	first, err := os.ReadFile(filepath.Join("schema", "0001_events.sql"))
	require.NoError(t, err)
	all, err := migration.Read(fstest.MapFS{
		"m/0001_events.sql": {Data: first},
		"m/0002_mood.sql":   {Data: []byte("-- version 2, works with 1: a mood\n\nALTER TABLE activity_events ADD COLUMN IF NOT EXISTS mood String;\n")},
		"m/0003_break.sql":  {Data: []byte("-- version 3, works with 3: it's over\n\nALTER TABLE activity_events DROP COLUMN IF EXISTS mood;\n")},
	}, "m/*.sql")
	require.NoError(t, err)
	require.NoError(t, st.migrate(ctx, all[:2]))
	require.NoError(t, st.Migrate(ctx), "the older binary accepts the additive schema")
	write(t, st, newEvents(0, 3))
	require.NoError(t, st.migrate(ctx, all))
	require.ErrorIs(t, st.Migrate(ctx), storage.ErrSchemaTooNew)
}

func TestTwoProcessesMigrateAtOnce(t *testing.T) {
	cfg := testConfig(t)
	done := make(chan error)
	for range 4 {
		st, err := Open(context.Background(), cfg, Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		go func() { done <- st.Migrate(context.Background()) }()
	}
	for range 4 {
		require.NoError(t, <-done)
	}
}

func TestTheFeedGivesWhatHasSettled(t *testing.T) {
	ctx := context.Background()
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	cfg := testConfig(t)
	st := openTest(t, cfg, Options{Now: clock})
	write(t, st, newEvents(0, 30))
	got, err := st.Feed(ctx, allTenants, activity.FeedPosition{}, 100)
	require.NoError(t, err)
	require.Empty(t, got, "an insert of another collector may be under way")
	ahead.Store(int64(cfg.settle()) + int64(time.Second))
	write(t, st, newEvents(30, 40))
	var at activity.FeedPosition
	seen := 0
	for {
		got, err := st.Feed(ctx, allTenants, at, 7)
		require.NoError(t, err)
		if len(got) == 0 {
			break
		}
		for i := range got {
			require.Greater(t, got[i].StoredNS, at.StoredNS)
			at = activity.FeedPosition{StoredNS: got[i].StoredNS, ID: got[i].ID}
			seen++
		}
	}
	require.Equal(t, 30, seen)
}

func TestReadsDoNotKeepAnInsertWaiting(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxOpenConns = 2
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 12_000))
	for range cfg.MaxOpenConns {
		next, stop := iter.Pull2(st.Scan(context.Background(), allTenants, activity.Query{}))
		t.Cleanup(stop)
		_, err, ok := next()
		require.NoError(t, err)
		require.True(t, ok)
	}
	require.Equal(t, 5, write(t, st, newEvents(12_000, 12_005)).Written)
}
