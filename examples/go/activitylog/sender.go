package activitylog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Options of a Sender. Endpoint, Service and SpoolDir are required; a zero
// value elsewhere means the default.
type Options struct {
	Endpoint string // http://127.0.0.1:4319/v1/events
	Token    string // sent to the collector as a bearer token, when it asks for one
	Service  string // the name of this service in every event

	// SpoolDir is a directory of this process alone. It is made, mode 0700.
	SpoolDir   string
	SpoolBytes int64 // on disk at most; default 256 MiB. Beyond it the newest are dropped and counted
	QueueBytes int64 // in memory at most, default 16 MiB; the same

	BatchEvents   int           // a request at most; default 500
	FlushInterval time.Duration // how long an event waits for others; default 200ms
	Timeout       time.Duration // of one attempt; default 3s

	// Headers that are reported, in lower case; default DefaultHeaders.
	Headers []string
	// Trace gives the trace of a context, in hex, where the service has one of
	// its own. By default the collector reads the request's traceparent.
	Trace  func(context.Context) (traceID, spanID string)
	Client *http.Client // default: a client of its own
	Logger *slog.Logger // for the sender's own troubles; default slog.Default()
}

// maxBatchBytes keeps a request well below what a collector takes (20 MiB).
const maxBatchBytes = 4 << 20

// Stats counts events since the start.
type Stats struct {
	Recorded   int64 // taken by Record
	Sent       int64 // the collector has them, those it had before included
	Duplicates int64 // of Sent: had been sent before
	Conflicts  int64 // the collector has another event under this id
	Rejected   int64 // refused by the collector for good; in rejected.jsonl while there is room
	Dropped    int64 // lost: no room in memory or on disk, not JSON, or recorded after Close
	Damaged    int64 // lost: lines of the spool that a crash had cut
	Waiting    int64 // in memory only: what a crash of this process would lose
	SpoolBytes int64 // on disk
}

// Sender takes events and brings them to the collector in the background.
type Sender struct {
	opts Options
	ctx  context.Context // ends with the time that Close has
	stop context.CancelFunc
	post poster

	sequence atomic.Int64
	stats    struct {
		recorded, sent, duplicates, conflicts, rejected, dropped, damaged, spoolBytes atomic.Int64
	}

	mu      sync.Mutex
	pending []record
	taken   int   // of which the background goroutine is taking care
	bytes   int64 // of pending
	closed  bool

	full    chan struct{}   // a batch waits
	flushes chan chan error // somebody waits for all that is pending
	closing chan struct{}
	done    chan struct{}

	// Of the background goroutine alone.
	spool    *spool
	head     []record  // what is left to send of its oldest file, once that is read
	away     int       // attempts that have failed since the last that did not
	retryAt  time.Time // no attempt before
	toldAt   time.Time // of the last complaint about lost events
	told     int64
	finalErr error
}

// New starts a Sender. Close it.
func New(opts Options) (*Sender, error) {
	if u, err := url.Parse(opts.Endpoint); err != nil || u.Host == "" {
		return nil, errors.New("activitylog: Endpoint must be a URL such as http://127.0.0.1:4319/v1/events")
	}
	if opts.Service == "" || opts.SpoolDir == "" {
		return nil, errors.New("activitylog: Service and SpoolDir are required")
	}
	instance, err := newInstance()
	if err != nil {
		return nil, err
	}
	orDefault(&opts.SpoolBytes, 256<<20)
	orDefault(&opts.QueueBytes, 16<<20)
	orDefault(&opts.BatchEvents, 500)
	orDefault(&opts.FlushInterval, 200*time.Millisecond)
	orDefault(&opts.Timeout, 3*time.Second)
	orDefault(&opts.Client, &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()})
	if opts.Headers == nil {
		opts.Headers = DefaultHeaders()
	}
	spool, err := openSpool(opts.SpoolDir, opts.SpoolBytes)
	if err != nil {
		return nil, err
	}
	s := &Sender{
		opts: opts, spool: spool, post: poster{opts.Client, opts.Endpoint, opts.Token, opts.Timeout, opts.Service, instance},
		full: make(chan struct{}, 1), flushes: make(chan chan error), closing: make(chan struct{}), done: make(chan struct{}),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.stats.spoolBytes.Store(spool.bytes)
	go s.run()
	return s, nil
}

func orDefault[T comparable](p *T, v T) {
	if zero := *new(T); *p == zero {
		*p = v
	}
}

// newInstance names this process among all that run the service: sequence
// numbers count within it.
func newInstance() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	id, err := uuid.NewRandom()
	return host + "/" + id.String()[:8], err
}

// log is asked for each time: a service may set its default after New.
func (s *Sender) log() *slog.Logger {
	if s.opts.Logger != nil {
		return s.opts.Logger
	}
	return slog.Default()
}

// Record takes an event. It never blocks on the collector or the disk and never
// fails: what cannot be kept is counted in Stats and logged. Before, After and
// ExtraData are read before it returns.
func (s *Sender) Record(ctx context.Context, e Event) { s.record(ctx, &e, nil) }

// record takes an event with members that go before its own, by JSON name.
func (s *Sender) record(ctx context.Context, e *Event, members map[string]any) {
	s.stats.recorded.Add(1)
	seq := s.sequence.Add(1) // of those that are lost, too: the gap shows
	err := e.fill(ctx, time.Now(), s.opts.Trace)
	var body []byte
	if err == nil {
		body, err = s.encode(e, seq, members)
	}
	if err != nil {
		s.stats.dropped.Add(1)
		s.log().Error("activitylog: an event is no JSON and is lost", "kind", e.Kind, "action", e.Action, "error", err)
		return
	}
	s.enqueue(record{id: e.ID, body: body, headers: e.Headers})
}

// encode makes the JSON of an event. A MarshalJSON that panics is the event's
// trouble, not the request's.
func (s *Sender) encode(e *Event, seq int64, members map[string]any) (body []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %T", v)
		}
	}()
	body, err = json.Marshal(struct {
		*Event
		Service  string `json:"service"`
		Producer string `json:"producer"`
		Seq      int64  `json:"producer_seq"` // a gap in it is a lost event
	}{e, s.post.service, s.post.instance, seq})
	if err != nil || members == nil {
		return body, err
	}
	var all map[string]any
	numbers := json.NewDecoder(bytes.NewReader(body))
	numbers.UseNumber()
	if err := numbers.Decode(&all); err != nil {
		return nil, err
	}
	maps.Copy(all, members)
	return json.Marshal(all)
}

func (s *Sender) enqueue(r record) {
	size := int64(r.size())
	s.mu.Lock()
	if s.closed || s.bytes+size > s.opts.QueueBytes {
		s.mu.Unlock()
		s.stats.dropped.Add(1)
		return
	}
	s.pending = append(s.pending, r)
	s.bytes += size
	full := len(s.pending) >= s.opts.BatchEvents
	s.mu.Unlock()
	if full {
		select {
		case s.full <- struct{}{}:
		default:
		}
	}
}

// Stats gives the counts of this moment.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	waiting := int64(len(s.pending) + s.taken)
	s.mu.Unlock()
	return Stats{
		Recorded: s.stats.recorded.Load(), Sent: s.stats.sent.Load(), Duplicates: s.stats.duplicates.Load(),
		Conflicts: s.stats.conflicts.Load(), Rejected: s.stats.rejected.Load(), Dropped: s.stats.dropped.Load(),
		Damaged: s.stats.damaged.Load(), Waiting: waiting, SpoolBytes: s.stats.spoolBytes.Load(),
	}
}

// Flush waits until everything recorded before it is with the collector or on
// disk.
func (s *Sender) Flush(ctx context.Context) error {
	reply := make(chan error, 1)
	select {
	case s.flushes <- reply:
	case <-s.done:
		return errors.New("activitylog: closed")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close takes no more events and ends when those it has are with the collector
// or, when that takes longer than ctx allows, on disk. An error says what is
// lost.
func (s *Sender) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		close(s.closing)
	}
	defer context.AfterFunc(ctx, s.stop)()
	<-s.done
	return s.finalErr
}

// run is the one goroutine that talks to the collector and to the disk.
func (s *Sender) run() {
	defer close(s.done)
	tick := time.NewTicker(s.opts.FlushInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.full:
		case reply := <-s.flushes:
			reply <- s.forward()
			continue
		case <-s.closing:
			s.finish()
			return
		}
		if s.forward() == nil {
			s.drain()
		}
		s.complain()
	}
}

func (s *Sender) finish() {
	defer s.stop()
	if err := s.forward(); err != nil {
		s.finalErr = fmt.Errorf("activitylog: %d events are lost: %w", len(s.pending), err)
	}
	if err := s.spool.close(); err != nil && s.finalErr == nil {
		s.finalErr = err
	}
	s.complain()
	s.opts.Client.CloseIdleConnections()
}

// take gives the oldest events that fit into one request.
func (s *Sender) take() []record {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, 0
	for n < len(s.pending) && n < s.opts.BatchEvents && (n == 0 || size+s.pending[n].size() <= maxBatchBytes) {
		size += s.pending[n].size()
		n++
	}
	batch := slices.Clone(s.pending[:n])
	s.pending = slices.Delete(s.pending, 0, n)
	s.bytes -= int64(size)
	s.taken = n
	return batch
}

// release ends what take began; a batch that could not even be written to disk
// goes back to where it was.
func (s *Sender) release(batch []record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = 0
	s.pending = slices.Concat(batch, s.pending)
	for i := range batch {
		s.bytes += int64(batch[i].size())
	}
}

// forward brings what waits in memory to the collector, or to the spool while
// it is away. It does not wait for what is in the spool already: under load that
// would never be empty again, and the collector sorts by time. An error is the
// disk's.
func (s *Sender) forward() error {
	s.mu.Lock()
	todo := len(s.pending)
	s.mu.Unlock()
	for todo > 0 {
		batch := s.take()
		todo -= len(batch)
		batch = s.deliver(batch)
		full, err := s.spool.append(batch)
		s.stats.spoolBytes.Store(s.spool.bytes)
		if err != nil {
			s.release(batch)
			s.log().Error("activitylog: events cannot be written to the spool", "error", err)
			return err
		}
		s.stats.dropped.Add(int64(len(full)))
		s.release(nil)
	}
	return nil
}

// drain sends what is on disk, oldest first, as long as the collector takes it
// and nobody waits.
func (s *Sender) drain() {
	for !s.spool.empty() && !s.stopping() {
		if len(s.head) == 0 && !s.read() {
			return
		}
		for len(s.head) > 0 {
			n := min(len(s.head), s.opts.BatchEvents)
			rest := s.deliver(s.head[:n])
			s.head = slices.Concat(rest, s.head[n:])
			if len(rest) > 0 || s.forward() != nil || s.stopping() {
				return // this process goes on where it was, the next one with the whole file
			}
		}
		if err := s.spool.done(true); err != nil {
			s.log().Error("activitylog: a file of the spool cannot be removed", "error", err)
			s.delay(0)
			return
		}
		s.stats.spoolBytes.Store(s.spool.bytes)
	}
}

// read gets the oldest file into memory. One that cannot be read is put aside.
func (s *Sender) read() bool {
	batch, damaged, err := s.spool.oldest()
	if err != nil {
		s.log().Error("activitylog: a file of the spool cannot be read and is put aside as .unreadable", "error", err, "aside", s.spool.done(false))
		s.stats.spoolBytes.Store(s.spool.bytes)
		return false
	}
	s.stats.damaged.Add(int64(damaged))
	s.head = batch
	return true
}

func (s *Sender) stopping() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// complain says, at most once a minute, that events are lost.
func (s *Sender) complain() {
	lost := s.stats.dropped.Load() + s.stats.damaged.Load()
	if lost == s.told || time.Since(s.toldAt) < time.Minute {
		return
	}
	s.log().Error("activitylog: events are lost", "now", lost-s.told, "since_start", lost)
	s.told, s.toldAt = lost, time.Now()
}
