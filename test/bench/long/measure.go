package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/test/bench/process"
)

const (
	fillBatch    = 10_000
	measureBatch = 1000
	pages        = 200
	// step is the time between two events: ten million are spread over 116 days,
	// so that partitions and segments are those of a real store.
	step = time.Second
	// perEvent is what an event takes on disk at most, indexes included.
	perEvent = 2 << 10
)

// series is one store at growing sizes.
type series struct {
	name   string
	points []point
}

type point struct {
	size          int
	rate          float64 // events/s in batches of measureBatch
	p50, p99      float64 // of the first page, in milliseconds
	rss           float64 // of this process, driver and maker of events, in MiB
	filledPerSecs float64 // while it was filled up to here
}

// feeder makes sealed events, ascending in time.
type feeder struct {
	stream  *loadgen.Stream
	encoder canonical.Encoder
	made    int
	rate    float64 // of the last fill
}

func newFeeder() (*feeder, error) {
	g, err := loadgen.New(loadgen.Config{Seed: 3, Run: "long", Times: loadgen.Steady(time.Now().Add(-120*24*time.Hour), step)})
	if err != nil {
		return nil, err
	}
	return &feeder{stream: g.Stream(0)}, nil
}

func (f *feeder) batch(n int) []activity.Event {
	events := f.stream.Batch(n)
	now := time.Now().UnixNano()
	var salts [canonical.SaltsSize]byte
	for i := range events {
		events[i].ReceivedAt = now + int64(i)
		salts[0], salts[16] = byte(i)|1, byte(i)|1
		f.encoder.Seal(&events[i], &salts)
	}
	f.made += n
	return events
}

// fill writes until the store holds size events.
func (f *feeder) fill(ctx context.Context, st storage.Writer, size int) error {
	begin, first := time.Now(), f.made
	for f.made < size {
		if err := write1(ctx, st, f.batch(min(fillBatch, size-f.made))); err != nil {
			return err
		}
	}
	f.rate = float64(f.made-first) / time.Since(begin).Seconds()
	return nil
}

func write1(ctx context.Context, st storage.Writer, events []activity.Event) error {
	res, err := st.Write(ctx, events)
	if err == nil && res.Written != len(events) {
		err = fmt.Errorf("%d of %d events were written", res.Written, len(events))
	}
	return err
}

// measure writes in batches of a thousand up to size, the making of events not
// counted, and then reads first pages.
func measure(ctx context.Context, s *settings, st storage.Store, f *feeder, size int) (point, error) {
	p := point{size: size, filledPerSecs: f.rate}
	var took time.Duration
	for written := 0; written < s.measured; written += measureBatch {
		events := f.batch(measureBatch)
		begin := time.Now()
		if err := write1(ctx, st, events); err != nil {
			return p, err
		}
		took += time.Since(begin)
	}
	p.rate = float64(s.measured) / took.Seconds()
	times := make([]float64, pages)
	for i := range times {
		begin := time.Now()
		page, err := st.Page(ctx, activity.Tenants(""), activity.Query{Kinds: []activity.Kind{activity.Kinds()[i%5]}, Limit: 100})
		if err != nil {
			return p, err
		}
		if len(page.Events) == 0 {
			return p, errors.New("a page is empty: it measures nothing")
		}
		times[i] = time.Since(begin).Seconds() * 1000
	}
	slices.Sort(times)
	p.p50, p.p99 = times[len(times)/2], times[len(times)*99/100]
	var err error
	p.rss, err = process.RSS(os.Getpid())
	return p, err
}

// enoughDisk refuses to begin what would fill the disk.
func enoughDisk(dir string, s *settings) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("look at the disk: %w", err)
	}
	need := uint64(s.sizes[len(s.sizes)-1]) * perEvent * uint64(len(s.backends))
	if free := st.Bavail * uint64(st.Bsize); free < need {
		return fmt.Errorf("%s has %d GiB free and the run may take %d GiB: choose another disk with BENCH_DIR, or fewer -sizes", dir, free>>30, need>>30)
	}
	return nil
}
