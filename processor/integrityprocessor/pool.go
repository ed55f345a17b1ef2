package integrityprocessor

import (
	"sync"
	"sync/atomic"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
)

// chunk is how many records a goroutine takes at a time: about a quarter of a
// millisecond of work, well above the price of starting a goroutine.
const chunk = 128

// pool runs batches. The goroutine that brings a batch always works on it; others
// help while there are slots free, so that no request waits for another.
type pool struct {
	helpers chan struct{} // one slot for each goroutine beyond the callers
	sealers sync.Pool     // *sealer
}

func newPool(workers int) *pool {
	return &pool{
		helpers: make(chan struct{}, workers-1),
		sealers: sync.Pool{New: func() any { return new(sealer) }},
	}
}

// run seals the batch and returns when every goroutine it started has ended. On
// an error the batch is left partly sealed and must be dropped.
func (p *pool) run(b *batch) (tally, error) {
	j := job{batch: b}
	for more := (len(b.records) - 1) / chunk; more > 0 && p.acquire(); more-- {
		j.wait.Add(1)
		go func() {
			defer j.wait.Done()
			defer p.release()
			p.work(&j)
		}()
	}
	p.work(&j)
	j.wait.Wait()
	return j.total, j.err
}

func (p *pool) acquire() bool {
	select {
	case p.helpers <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p *pool) release() { <-p.helpers }

// job is one batch under way.
type job struct {
	batch *batch
	next  atomic.Int64 // the first record nobody took
	wait  sync.WaitGroup

	mu    sync.Mutex
	total tally
	err   error // the first one
}

func (p *pool) work(j *job) {
	s := p.sealers.Get().(*sealer) //nolint:forcetypeassert // New gives nothing else
	defer p.sealers.Put(s)
	var done tally
	err := j.drain(s, &done)
	s.event = activity.Event{} // an idle sealer must not hold a request's memory
	j.mu.Lock()
	defer j.mu.Unlock()
	j.total.add(done)
	if j.err == nil {
		j.err = err
	}
}

// drain takes chunks until none is left. The first error ends the whole job.
func (j *job) drain(s *sealer, done *tally) error {
	records := j.batch.records
	for {
		end := int(j.next.Add(chunk))
		start := end - chunk
		if start >= len(records) {
			return nil
		}
		for i := start; i < min(end, len(records)); i++ {
			salts := (*[canonical.SaltsSize]byte)(j.batch.salts[i*canonical.SaltsSize:])
			if err := s.seal(records[i], salts, done); err != nil {
				j.next.Store(int64(len(records)))
				return err
			}
		}
	}
}
