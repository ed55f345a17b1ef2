package auditapiext

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestWatchdogEndsALateStop(t *testing.T) {
	expired := make(chan struct{})
	w := watch(10*time.Millisecond, zap.NewNop(), func() { close(expired) })
	w.signals <- os.Interrupt
	<-expired
	w.end()
	w.end()
}

func TestWatchdogSleepsWithoutASignalAndAfterAStop(t *testing.T) {
	fail := func() { t.Error("a stop in time was cut") }
	quiet := watch(time.Millisecond, zap.NewNop(), fail)
	time.Sleep(20 * time.Millisecond)
	quiet.end()
	timely := watch(time.Hour, zap.NewNop(), fail)
	timely.signals <- os.Interrupt
	timely.end()
	select {
	case <-timely.done:
	default:
		require.FailNow(t, "the goroutine is left behind")
	}
}
