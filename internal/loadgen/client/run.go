package client

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen/acklog"
)

// grace is how long a run that was asked to end still waits for its requests.
const grace = 20 * time.Second

// Pauses between two attempts.
const (
	firstPause = 25 * time.Millisecond
	lastPause  = time.Second
)

// Bursts: the rate is burstFactor times as high for burstLength of every burstEvery.
const (
	burstEvery  = 10 * time.Second
	burstLength = time.Second
	burstFactor = 5
)

// Run sends events until the options or ctx end it, finishes the requests under
// way, and reports. The error says that the run itself failed, not its requests.
func Run(ctx context.Context, g *loadgen.Generator, o Options) (Report, error) {
	if err := o.Validate(); err != nil {
		return Report{}, err
	}
	s, err := newSender(&o)
	if err != nil {
		return Report{}, err
	}
	r := &run{options: &o, sender: s, stats: newStats()}
	if o.Rate > 0 {
		r.limiter = rate.NewLimiter(rate.Limit(o.Rate), max(o.Batch, int(o.Rate/10)))
	}
	report, err := r.all(ctx, g)
	return report, errors.Join(err, s.close())
}

type run struct {
	options *Options
	sender  sender
	limiter *rate.Limiter // nil for no bound
	stats   *stats
	sent    atomic.Int64
}

func (r *run) all(ctx context.Context, g *loadgen.Generator) (Report, error) {
	begin, cpu := time.Now(), cpuSeconds()
	// Two contexts: the first ends the making of requests, the second the
	// waiting for their answers.
	making, stop := context.WithCancel(ctx)
	defer stop()
	if r.options.Duration > 0 {
		making, stop = context.WithTimeout(making, r.options.Duration)
		defer stop()
	}
	sending, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	defer context.AfterFunc(making, func() { time.AfterFunc(grace, abandon) })()

	var clients, helpers sync.WaitGroup
	errs := make([]error, r.options.Clients)
	for i := range r.options.Clients {
		clients.Go(func() {
			c := &client{run: r, number: i, stream: g.Stream(i)}
			if errs[i] = c.loop(making, sending); errs[i] != nil {
				stop()
			}
		})
	}
	if r.options.Bursts {
		helpers.Go(func() { r.burst(making) })
	}
	clients.Wait()
	elapsed := time.Since(begin)
	stop()
	helpers.Wait()
	err := errors.Join(errs...)
	if err == nil && r.options.Log != nil {
		err = r.options.Log.Finish()
	}
	return r.stats.summary(elapsed, cpuSeconds()-cpu), err
}

func (r *run) burst(ctx context.Context) {
	normal := rate.Limit(r.options.Rate)
	for {
		if !pause(ctx, burstEvery-burstLength) {
			return
		}
		r.limiter.SetLimit(burstFactor * normal)
		if !pause(ctx, burstLength) {
			return
		}
		r.limiter.SetLimit(normal)
	}
}

// take reserves the events of a request; 0 when the run has had all of its.
func (r *run) take(ctx context.Context) int {
	n := r.options.Batch
	if r.options.Events > 0 {
		left := r.options.Events - r.sent.Add(int64(n)) + int64(n)
		n = int(max(0, min(int64(n), left)))
	}
	if n > 0 && r.limiter != nil && r.limiter.WaitN(ctx, n) != nil {
		return 0
	}
	if ctx.Err() != nil {
		return 0
	}
	return n
}

// client is one connection with one request under way.
type client struct {
	run      *run
	number   int
	stream   *loadgen.Stream
	requests int
	batch    loadgen.Batch
	lines    []byte
}

func (c *client) loop(making, sending context.Context) error {
	for {
		n := c.run.take(making)
		if n == 0 {
			return nil
		}
		c.stream.Render(c.run.options.format(), n, &c.batch)
		c.requests++
		begin := time.Now()
		out := c.deliver(making, sending)
		c.run.stats.done(&out, time.Since(begin), len(c.batch.Refs))
		if err := c.record(&out); err != nil {
			return err
		}
		if !out.taken && !c.run.options.Retry {
			pause(making, firstPause) // a client that fails at once must not spin
		}
	}
}

// deliver sends the batch, again where that is wanted and cannot double it.
func (c *client) deliver(making, sending context.Context) outcome {
	o := c.run.options
	key := ""
	if o.IdempotencyKey {
		key = o.Run + "-" + strconv.Itoa(c.number) + "-" + strconv.Itoa(c.requests)
	}
	deadline := time.Now().Add(o.RetryFor)
	arrived := false // an earlier attempt may have
	for wait := firstPause; ; wait = min(2*wait, lastPause) {
		attempt, cancel := context.WithTimeout(sending, o.Timeout)
		out := c.run.sender.send(attempt, &c.batch, key)
		cancel()
		c.run.stats.answered(out.status)
		out.refused = out.refused && !arrived
		arrived = arrived || !out.unsent
		if out.taken || out.refused || !o.Retry || !out.unsent && !o.repeatable() {
			return out
		}
		wait := max(wait, out.retryAfter)
		if time.Now().Add(wait).After(deadline) || !pause(sending, wait) {
			return out
		}
		if out.unsent && making.Err() != nil {
			return out // nothing of it is anywhere: no reason to stay
		}
		c.run.stats.retried()
	}
}

func (c *client) record(out *outcome) error {
	log := c.run.options.Log
	if log == nil {
		return nil
	}
	c.lines = c.lines[:0]
	told := 0 // ids of the answer used so far
	for i := range c.batch.Refs {
		ref := &c.batch.Refs[i]
		verdict, detail, id := acklog.Unknown, out.status, ref.ID
		code, rejected := out.rejected[i]
		switch {
		case rejected:
			verdict, detail = acklog.Rejected, code
		case out.refused:
			verdict = acklog.Rejected
		case out.taken && told < len(out.ids):
			verdict, id = acklog.Acknowledged, out.ids[told]
			told++
		case out.taken:
			verdict = acklog.Acknowledged
		}
		if out.uncertain {
			verdict, id = acklog.Unknown, activity.ID{}
		}
		c.lines = acklog.AppendLine(c.lines, verdict, c.number, ref, id, detail)
	}
	return log.Write(c.lines)
}

// pause reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
