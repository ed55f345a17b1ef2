package clickhouse

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// A profile of the user that says "break" would make part of an answer, or of a
// statement, look like the whole.
func TestNothingEndsInTheMiddleUnsaid(t *testing.T) {
	ctx := context.Background()
	cfg := testConfig(t)
	p := behind(t, &cfg)
	st := openTest(t, cfg, Options{})
	write(t, st, newEvents(0, 5))
	_, err := st.Get(ctx, allTenants, newEvent(1).ID)
	require.NoError(t, err)
	_, err = st.DeleteBefore(ctx, allTenants, storage.Retention{Before: newEvent(3).Datetime, Limit: 10})
	require.NoError(t, err)
	for _, c := range []struct{ match, mode string }{
		{"INSERT INTO activity_events", "timeout"},
		{"CREATE TABLE", "timeout"},
		{"DELETE FROM", "timeout"},
		{"FROM activity_events FINAL", "timeout"},
		{"FROM activity_events FINAL", "result"},
		{"FROM activity_events FINAL", "set"},
	} {
		all := p.seen(c.match)
		require.NotEmpty(t, all, c.match)
		for _, r := range all {
			require.Equal(t, "throw", r.settings.Get(c.mode+"_overflow_mode"), r.statement)
		}
	}
}
