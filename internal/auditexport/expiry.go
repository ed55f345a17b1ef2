package auditexport

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// expireEvery is how often the dead letters are looked through for old ones.
const expireEvery = time.Hour

// expiry runs a function at once and then at an interval, until it is stopped.
type expiry struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func (x *expiry) start(every time.Duration, run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	x.cancel = cancel
	x.wg.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			run(ctx)
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// stop waits for a run under way; without a start it does nothing.
func (x *expiry) stop() {
	if x.cancel != nil {
		x.cancel()
		x.wg.Wait()
	}
}

// expire drops the dead letters past their age, and says so: their events were
// acknowledged.
func (e *auditExporter) expire(ctx context.Context) {
	n, err := e.letters.Expire() //nolint:contextcheck // its wait has a bound of its own
	if n > 0 {
		e.set.Instruments.DeadLettersExpired.Add(ctx, int64(n))
		e.logger.Warn("dead letters were dropped: they are older than dead_letter::max_age",
			zap.Int("events", n), zap.Duration("max_age", e.set.Delivery.DeadLetter.MaxAge))
	}
	if err != nil {
		e.logger.Error("old dead letters could not be dropped; the next try is in an hour", zap.Error(err))
	}
}
