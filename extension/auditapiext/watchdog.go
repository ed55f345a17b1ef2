package auditapiext

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// watchdog ends the process when a stop on SIGTERM or SIGINT takes too long.
//
// The Collector stops its receivers one after another and without a deadline,
// and a stock one waits for its clients: a connection that never finishes its
// request would hold the process until an orchestrator kills it in the middle
// of a commit. What is unanswered then was never acknowledged.
type watchdog struct {
	signals chan os.Signal
	stop    chan struct{}
	done    chan struct{} // closed when the goroutine has returned
	once    sync.Once
}

// watch starts a watchdog; expired is called once, when a stop has taken limit.
func watch(limit time.Duration, logger *zap.Logger, expired func()) *watchdog {
	w := &watchdog{signals: make(chan os.Signal, 1), stop: make(chan struct{}), done: make(chan struct{})}
	signal.Notify(w.signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		defer close(w.done)
		select {
		case <-w.stop:
			return
		case <-w.signals:
		}
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-w.stop:
		case <-timer.C:
			logger.Warn("A client holds a receiver open; stopping without it", zap.Duration("after", limit))
			expired()
		}
	}()
	return w
}

// end stops the watchdog: everything before the extension has stopped in time.
func (w *watchdog) end() {
	w.once.Do(func() {
		signal.Stop(w.signals)
		close(w.stop)
	})
	<-w.done
}
