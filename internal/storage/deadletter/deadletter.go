package deadletter

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// parts is into how many segments the bytes and the age are divided.
const parts = 8

// replayBatch and replayBytes bound the entries that Replay gives to write at
// once.
const (
	replayBatch = 256
	replayBytes = 8 << 20
)

// lockTime bounds the wait for the segments: whoever appends has a client that
// waits. lockPoll is how often the lock of another process is tried.
const (
	lockTime = 2 * time.Second
	lockPoll = 5 * time.Millisecond
)

// Log is a directory of dead letters. It is safe for concurrent use, also by
// several processes.
type Log struct {
	config Config
	now    func() time.Time

	turn   chan struct{} // holds one while closed or change is used; a wait for it can end
	closed bool
	change *flock.Flock // held while a segment is changed

	tasks sync.Mutex   // held around every use of task
	task  *flock.Flock // held by a replay or an erasure from end to end
}

// Open makes the directory when it is not there.
func Open(c Config, now func() time.Time) (*Log, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("dead letters: %w", err)
	}
	if c.Directory == "" {
		return nil, errors.New("dead letters: no directory is chosen")
	}
	if err := os.MkdirAll(c.Directory, 0o700); err != nil {
		return nil, fmt.Errorf("make the dead-letter directory: %w", err)
	}
	lock := func(name string) *flock.Flock {
		return flock.New(filepath.Join(c.Directory, name), flock.SetPermissions(0o600))
	}
	return &Log{config: c, now: now, turn: make(chan struct{}, 1), change: lock("change.lock"), task: lock("task.lock")}, nil
}

// Close waits for a change under way and releases the locks.
func (l *Log) Close() error {
	l.tasks.Lock()
	defer l.tasks.Unlock()
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	l.closed = true
	return errors.Join(l.change.Close(), l.task.Close())
}

// locked runs fn with the segments to itself. When others hold them for longer
// than lockTime it returns storage.ErrRetryable. The bound is its own: a caller
// that has stored something already must still be able to note it.
func (l *Log) locked(fn func() error) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), lockTime)
	defer cancel()
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return fmt.Errorf("wait for the dead letters: %w: %w", storage.ErrRetryable, ctx.Err())
	}
	if l.closed {
		return fmt.Errorf("dead letters: %w", storage.ErrClosed)
	}
	if _, err := l.change.TryLockContext(ctx, lockPoll); err != nil {
		return fmt.Errorf("lock the dead letters (does another process hold %s?): %w: %w", l.change.Path(), storage.ErrRetryable, err)
	}
	defer func() { err = errors.Join(err, l.change.Unlock()) }()
	return fn()
}

// exclusive runs a replay or an erasure, which exclude each other: a replay
// must not send what has been erased meanwhile.
func (l *Log) exclusive(fn func() error) (err error) {
	l.tasks.Lock()
	defer l.tasks.Unlock()
	l.turn <- struct{}{}
	closed := l.closed
	<-l.turn
	if closed {
		return fmt.Errorf("dead letters: %w", storage.ErrClosed)
	}
	if err := l.task.Lock(); err != nil {
		return fmt.Errorf("lock the dead letters: %w", err)
	}
	defer func() { err = errors.Join(err, l.task.Unlock()) }()
	return fn()
}

// Append makes the entries durable, all of them or none. When they do not fit
// it returns storage.ErrOverloaded: the caller must not acknowledge them.
func (l *Log) Append(entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var lines []byte
	for i := range entries {
		var err error
		if lines, err = appendLine(lines, &entries[i]); err != nil {
			return err
		}
	}
	return l.locked(func() error {
		segs, err := l.segments()
		if err != nil {
			return err
		}
		total := int64(len(lines))
		for i := range segs {
			total += segs[i].size
		}
		if total > l.config.MaxBytes {
			return fmt.Errorf("%w: the dead letters in %s are full (max_bytes %d): replay or remove them, or raise the limit",
				storage.ErrOverloaded, l.config.Directory, l.config.MaxBytes)
		}
		return l.appendTo(l.current(segs, int64(len(lines))), lines)
	})
}

// current gives the segment to append to: the last, or a new one when that is
// full or has grown old.
func (l *Log) current(segs []segment, more int64) *segment {
	now := l.now().UnixNano()
	if len(segs) > 0 {
		last := &segs[len(segs)-1]
		full := last.size > 0 && last.size+more > l.config.MaxBytes/parts
		old := l.config.MaxAge > 0 && now-last.created > int64(l.config.MaxAge/parts)
		if !full && !old {
			return last
		}
		now = max(now, last.created+1)
	}
	return &segment{path: l.segmentPath(now), created: now}
}

// Expire removes the segments whose every entry is past MaxAge and gives how
// many entries they had, also with an error. Nothing else lets go of entries:
// the caller says what is gone.
func (l *Log) Expire() (entries int, err error) {
	if l.config.MaxAge <= 0 {
		return 0, nil
	}
	err = l.locked(func() error {
		segs, err := l.segments()
		if err != nil {
			return err
		}
		oldest := l.now().UnixNano() - int64(l.config.MaxAge+l.config.MaxAge/parts)
		for i := 0; i < len(segs) && segs[i].created < oldest; i++ {
			n := 0
			if err := eachLine(segs[i].path, func(int, []byte) error { n++; return nil }); err != nil {
				return err
			}
			if err := os.Remove(segs[i].path); err != nil {
				return fmt.Errorf("drop old dead letters: %w", err)
			}
			entries += n
		}
		return l.syncDirectory()
	})
	return entries, err
}

// Entries streams the entries, oldest segment first, in the memory of one
// entry. A line that cannot be read is yielded as an error and passed over.
func (l *Log) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		segs, err := l.segments()
		if err != nil {
			yield(Entry{}, err)
			return
		}
		stop := errors.New("stop")
		for i := range segs {
			err := eachLine(segs[i].path, func(number int, line []byte) error {
				e, err := parseLine(line)
				if err != nil {
					err = fmt.Errorf("%s line %d: %w", segs[i].path, number, err)
				}
				if !yield(e, err) {
					return stop
				}
				return nil
			})
			if errors.Is(err, stop) || err != nil && !yield(Entry{}, err) {
				return
			}
		}
	}
}

// Replay gives the entries to write, some at a time, and removes those whose
// done is true, also when write fails after some. Entries that cannot be read
// stay. What is appended meanwhile may or may not be given. The segments are
// not locked while write runs; an erasure waits for the end of the replay.
func (l *Log) Replay(ctx context.Context, write func(ctx context.Context, entries []Entry) (done []bool, err error)) error {
	return l.exclusive(func() error {
		segs, err := l.segments()
		if err != nil {
			return err
		}
		for i := range segs {
			r := replay{write: write, stored: map[[sha256.Size]byte]bool{}}
			err := r.run(ctx, segs[i].path)
			if len(r.stored) > 0 {
				err = errors.Join(err, l.locked(func() error { return l.rewrite(&segs[i], r.remaining) })) //nolint:contextcheck // its wait has a bound of its own
			}
			if err != nil {
				return fmt.Errorf("replay dead letters: %w", err)
			}
		}
		return nil
	})
}

// replay sends one segment. Lines are known by their hash: the segment may have
// grown before it is rewritten.
type replay struct {
	write  func(context.Context, []Entry) ([]bool, error)
	batch  []Entry
	bytes  int
	sums   [][sha256.Size]byte
	stored map[[sha256.Size]byte]bool
}

func (r *replay) run(ctx context.Context, path string) error {
	err := eachLine(path, func(_ int, line []byte) error {
		e, err := parseLine(line)
		if err != nil {
			return nil //nolint:nilerr // an unreadable line stays for a person to look at
		}
		r.batch = append(r.batch, e)
		r.sums = append(r.sums, sha256.Sum256(line))
		r.bytes += len(line)
		if len(r.batch) == replayBatch || r.bytes >= replayBytes {
			return r.flush(ctx)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.flush(ctx)
}

func (r *replay) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	done, err := r.write(ctx, r.batch)
	for i := range min(len(done), len(r.sums)) {
		if done[i] {
			r.stored[r.sums[i]] = true
		}
	}
	r.batch, r.sums, r.bytes = r.batch[:0], r.sums[:0], 0
	return err
}

func (r *replay) remaining(line []byte) ([]byte, error) {
	if r.stored[sha256.Sum256(line)] {
		return nil, nil
	}
	return line, nil
}

// Erase erases a group in the events that match and gives how many there were.
// A line that cannot be read could hold anything: it ends the erasure with an
// error, so that nobody believes it was erased.
func (l *Log) Erase(match func(*activity.Event) bool, g activity.Group) (int, error) {
	erased := 0
	err := l.exclusive(func() error {
		return l.locked(func() error {
			segs, err := l.segments()
			if err != nil {
				return err
			}
			for i := range segs {
				err := l.rewrite(&segs[i], func(line []byte) ([]byte, error) {
					e, err := parseLine(line)
					if err != nil {
						return nil, err
					}
					if !match(&e.Event) {
						return line, nil
					}
					erased++
					e.Event.Erase(g)
					out, err := appendLine(nil, &e)
					if err != nil {
						return nil, err
					}
					return out[:len(out)-1], nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	return erased, err
}
