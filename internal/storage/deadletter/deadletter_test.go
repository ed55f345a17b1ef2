package deadletter

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// crashDirectory makes the test binary append until it is killed.
const crashDirectory = "DEADLETTER_CRASH_DIRECTORY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirectory); dir != "" {
		appendForEver(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func appendForEver(dir string) {
	l, err := Open(config(dir), time.Now)
	for i := 0; err == nil; i++ {
		if err = l.Append([]Entry{entry(i)}); err == nil {
			fmt.Println(i) // acknowledged
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func config(dir string) Config {
	c := NewDefaultConfig()
	c.Directory = dir
	return c
}

func open(t *testing.T, c Config, now func() time.Time) *Log {
	t.Helper()
	l, err := Open(c, now)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func entry(i int) Entry {
	return Entry{
		Time: int64(i) + 1, Sink: "auditsql", Cause: CauseConflict, Detail: "<why>\n",
		Event: activity.Event{
			ID: activity.ID{byte(i), byte(i >> 8)}, Kind: activity.KindCRUD, Datetime: 1<<63 - 1, UserID: "user-" + strconv.Itoa(i%3),
			Message: "é\n\"", ExtraData: `{"a":1.0}`, Latitude: activity.Some(0), IntegrityHash: []byte{1, 2},
		},
	}
}

func read(t *testing.T, l *Log) []Entry {
	t.Helper()
	var out []Entry
	for e, err := range l.Entries() {
		require.NoError(t, err)
		out = append(out, e)
	}
	return out
}

func TestEntriesAreLosslessAndPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dead")
	l := open(t, config(dir), time.Now)
	want := []Entry{entry(0), entry(1), {Time: 5, Sink: "s", Cause: CauseInvalid}}
	require.NoError(t, l.Append(want))
	assert.Equal(t, want, read(t, open(t, config(dir), time.Now)))
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
}

func TestATornLineIsPassedOverAndCutOff(t *testing.T) {
	l := open(t, config(t.TempDir()), time.Now)
	require.NoError(t, l.Append([]Entry{entry(0)}))
	segs, err := l.segments()
	require.NoError(t, err)
	f, err := os.OpenFile(segs[0].path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"time":3,"si`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	assert.Equal(t, []Entry{entry(0)}, read(t, l))
	require.NoError(t, l.Append([]Entry{entry(1)}))
	assert.Equal(t, []Entry{entry(0), entry(1)}, read(t, l))
}

func TestAFullLogTakesNothing(t *testing.T) {
	c := config(t.TempDir())
	c.MaxBytes = minBytes
	l := open(t, c, time.Now)
	big := entry(0)
	big.Event.Message = strings.Repeat("x", 1<<20)
	taken := 0
	var err error
	for err == nil {
		if err = l.Append([]Entry{big}); err == nil {
			taken++
		}
	}
	require.ErrorIs(t, err, storage.ErrOverloaded)
	assert.Len(t, read(t, l), taken)
	assert.Equal(t, 7, taken)
}

func TestOldSegmentsAreDropped(t *testing.T) {
	c := config(t.TempDir())
	c.MaxAge = 8 * time.Hour
	now := time.Unix(1_800_000_000, 0)
	l := open(t, c, func() time.Time { return now })
	require.NoError(t, l.Append([]Entry{entry(0)}))
	now = now.Add(8 * time.Hour)
	require.NoError(t, l.Append([]Entry{entry(1)}))
	assert.Len(t, read(t, l), 2, "not yet past its age for certain")
	n, err := l.Expire()
	require.NoError(t, err)
	assert.Zero(t, n)
	now = now.Add(2 * time.Hour)
	require.NoError(t, l.Append([]Entry{entry(2)}))
	assert.Len(t, read(t, l), 3, "nothing goes without being counted")
	n, err = l.Expire()
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, []Entry{entry(1), entry(2)}, read(t, l))
}

func TestNothingExpiresByDefault(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := open(t, config(t.TempDir()), func() time.Time { return now })
	require.NoError(t, l.Append([]Entry{entry(0)}))
	now = now.AddDate(10, 0, 0)
	n, err := l.Expire()
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Equal(t, []Entry{entry(0)}, read(t, l))
}

func TestReplayRemovesWhatWasStored(t *testing.T) {
	l := open(t, config(t.TempDir()), time.Now)
	var all []Entry
	for i := range 600 {
		all = append(all, entry(i))
	}
	require.NoError(t, l.Append(all))
	calls, broken := 0, errors.New("broken")
	err := l.Replay(t.Context(), func(_ context.Context, entries []Entry) ([]bool, error) {
		calls++
		done := make([]bool, len(entries))
		for i := range done {
			done[i] = i%2 == 0
		}
		if calls == 2 {
			return done[:4], broken
		}
		return done, nil
	})
	require.ErrorIs(t, err, broken)
	assert.Len(t, read(t, l), 600-128-2)
	require.NoError(t, l.Replay(t.Context(), func(_ context.Context, entries []Entry) ([]bool, error) {
		done := make([]bool, len(entries))
		for i := range done {
			done[i] = true
		}
		return done, nil
	}))
	assert.Empty(t, read(t, l))
	segs, err := l.segments()
	require.NoError(t, err)
	assert.Empty(t, segs, "an empty segment is removed")
}

func TestNothingAppendedDuringAReplayIsLost(t *testing.T) {
	dir := t.TempDir()
	appender, replayer := open(t, config(dir), time.Now), open(t, config(dir), time.Now)
	var mu sync.Mutex
	stored := map[activity.ID]bool{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 100 {
			assert.NoError(t, appender.Append([]Entry{entry(i)}))
		}
	})
	wg.Go(func() {
		for range 10 {
			assert.NoError(t, replayer.Replay(context.Background(), func(_ context.Context, entries []Entry) ([]bool, error) {
				mu.Lock()
				defer mu.Unlock()
				done := make([]bool, len(entries))
				for i := range entries {
					stored[entries[i].Event.ID], done[i] = true, true
				}
				return done, nil
			}))
		}
	})
	wg.Wait()
	for _, e := range read(t, appender) {
		stored[e.Event.ID] = true
	}
	assert.Len(t, stored, 100)
}

func TestErase(t *testing.T) {
	l := open(t, config(t.TempDir()), time.Now)
	require.NoError(t, l.Append([]Entry{entry(0), entry(1), entry(2)}))
	n, err := l.Erase(func(e *activity.Event) bool { return e.UserID == "user-1" }, activity.GroupPersonal)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	want := []Entry{entry(0), entry(1), entry(2)}
	want[1].Event.Erase(activity.GroupPersonal)
	assert.Equal(t, want, read(t, l))
}

func TestAKilledProcessLosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDirectory+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		acknowledged := 0
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if acknowledged++; acknowledged == 20 {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait(), "killed")
		l := open(t, config(dir), time.Now)
		assert.GreaterOrEqual(t, len(read(t, l)), acknowledged)
		require.NoError(t, l.Replay(t.Context(), func(_ context.Context, entries []Entry) ([]bool, error) {
			done := make([]bool, len(entries))
			for i := range done {
				done[i] = true
			}
			return done, nil
		}))
	}
}

func TestAClosedLogSaysSo(t *testing.T) {
	l := open(t, config(t.TempDir()), time.Now)
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Append([]Entry{entry(0)}), storage.ErrClosed)
}

func FuzzParseLine(f *testing.F) {
	e := entry(1)
	line, err := appendLine(nil, &e)
	require.NoError(f, err)
	f.Add(line)
	f.Add([]byte(`{"time":1} x`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parseLine(line)
		if err != nil {
			require.ErrorIs(t, err, activity.ErrInvalid)
			return
		}
		again, err := appendLine(nil, &e)
		require.NoError(t, err)
		back, err := parseLine(again)
		require.NoError(t, err)
		require.Equal(t, e, back)
	})
}

func TestALockThatAnotherHoldsIsNotWaitedForForEver(t *testing.T) {
	dir := t.TempDir()
	l, other := open(t, config(dir), time.Now), open(t, config(dir), time.Now)
	held, free := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		assert.NoError(t, other.locked(func() error {
			close(held)
			select {
			case <-free:
			case <-time.After(4 * lockTime):
			}
			return nil
		}))
	})
	<-held
	began := time.Now()
	var waiting sync.WaitGroup
	for range 3 { // those in the same process do not wait one after the other
		waiting.Go(func() { assert.ErrorIs(t, l.Append([]Entry{entry(0)}), storage.ErrRetryable) })
	}
	waiting.Wait()
	assert.Less(t, time.Since(began), 2*lockTime)
	close(free)
	wg.Wait()
	assert.Empty(t, read(t, l), "nothing was acknowledged, nothing is kept")
	require.NoError(t, l.Append([]Entry{entry(0)}))
}

func TestAnEventLargerThanALineIsKeptByItsDigest(t *testing.T) {
	l := open(t, config(t.TempDir()), time.Now)
	huge := entry(0)
	huge.Detail = strings.Repeat("why", maxLine)
	huge.Event.Message = strings.Repeat("x", maxLine)
	huge.Event.IntegrityHash = make([]byte, maxLine)
	for _, f := range activity.Fields() {
		if p := huge.Event.Text(f); p != nil && *p == "" {
			*p = strings.Repeat("\x01", maxShort) // six bytes each
		}
	}
	require.NoError(t, l.Append([]Entry{huge, entry(1)}))
	kept := read(t, l)
	require.Len(t, kept, 2)
	assert.Equal(t, entry(1), kept[1])
	assert.Equal(t, CauseInvalid, kept[0].Cause, "an event that is not whole is not stored by a replay")
	assert.Contains(t, kept[0].Detail, "conflict: too large for a dead letter")
	assert.Equal(t, huge.Event.ID, kept[0].Event.ID)
	assert.Equal(t, huge.Event.UserID, kept[0].Event.UserID)
	sum := sha256.Sum256([]byte(huge.Event.Message))
	assert.Equal(t, fmt.Sprintf(`"sha256:%x (%d bytes)"`, sum, maxLine), kept[0].Event.Message)
	assert.Len(t, huge.Event.Message, maxLine, "the caller's event stays as it is")
}
