package sqldb

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// postgresKillVariable is a command that kills the server of postgresVariable
// (-9) and starts it again. It is set where no other test uses the server.
const postgresKillVariable = "ACTIVITYLOG_TEST_POSTGRES_RESTART"

func TestPostgresKilledServerLosesNothingThatWasPromised(t *testing.T) {
	restart := os.Getenv(postgresKillVariable)
	if restart == "" {
		t.Skipf("%s is not set: the server of the other tests is not killed", postgresKillVariable)
	}
	ctx := context.Background()
	st := openTest(t, postgresConfig(t)(t), Options{})
	promised, failed := 0, 0
	killed := make(chan error, 1)
	for round := range 3 {
		go func() {
			time.Sleep(300 * time.Millisecond)
			killed <- exec.Command("sh", "-c", restart).Run()
		}()
		for after := 0; after < 20; {
			_, err := st.Write(ctx, newEvents(promised, promised+50))
			if err != nil {
				require.ErrorIs(t, err, storage.ErrRetryable)
				failed++
				time.Sleep(20 * time.Millisecond)
			} else {
				promised += 50
			}
			select {
			case err := <-killed:
				require.NoError(t, err)
				after = 1
			default:
				if after > 0 {
					after++
				}
			}
		}
		n, err := st.Count(ctx, activity.AllTenants(), activity.Query{}, 1_000_000)
		require.NoError(t, err, "a connection that was lost is replaced by the read that finds out")
		require.EqualValues(t, promised, n.N, "round %d", round)
	}
	require.Positive(t, failed, "no kill was seen")
	t.Logf("%d events promised and there, %d writes failed meanwhile", promised, failed)
}
