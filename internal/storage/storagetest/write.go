package storagetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

var writeCases = []testCase{
	{"every column comes back", func(t *testing.T, s *env) {
		t.Helper()
		want := newEvents(40)
		res := s.write(t, want...)
		assert.Equal(t, len(want), res.Written)
		got := s.scan(t, everything, activity.Query{Order: activity.OldestFirst})
		require.Len(t, got, len(want))
		for i := range got {
			assert.Positive(t, got[i].StoredNS)
			assert.LessOrEqual(t, got[i].StoredNS, res.LastStoredNS)
			got[i].StoredNS = 0
		}
		assert.Equal(t, want, got)
	}},
	{"nothing written is no error", func(t *testing.T, s *env) {
		t.Helper()
		assert.Zero(t, s.write(t))
	}},
	{"the same event again is a duplicate, also sealed again", func(t *testing.T, s *env) {
		t.Helper()
		e := newEvent(1)
		s.write(t, e)
		again := e
		again.ReceivedAt += 5
		seal(&again, 77)
		res := s.write(t, e, again)
		if !s.Capabilities().DetectsDuplicates {
			require.Len(t, s.scan(t, everything, activity.Query{}), 1)
			return
		}
		assert.Equal(t, []int{0, 1}, res.Duplicates)
		assert.Equal(t, e.IntegrityHash, s.scan(t, everything, activity.Query{})[0].IntegrityHash)
	}},
	{"other content under a key is a conflict and the first stays", func(t *testing.T, s *env) {
		t.Helper()
		e := newEvent(1)
		s.write(t, e)
		other := e
		other.Message = "something else"
		res := s.write(t, other)
		if s.Capabilities().DetectsDuplicates {
			assert.Equal(t, []int{0}, res.Conflicts)
		}
		got := s.scan(t, everything, activity.Query{})
		require.Len(t, got, 1)
		assert.Equal(t, e.Message, got[0].Message)
	}},
	{"duplicates and conflicts inside a batch", func(t *testing.T, s *env) {
		t.Helper()
		a, b := newEvent(1), newEvent(2)
		other := a
		other.Action, other.Message = "else", "else"
		res := s.write(t, a, a, b, other, b)
		if s.Capabilities().DetectsDuplicates {
			assert.Equal(t, 2, res.Written)
			assert.Equal(t, []int{1, 4}, res.Duplicates)
			assert.Equal(t, []int{3}, res.Conflicts)
		}
		assert.Len(t, s.scan(t, everything, activity.Query{}), 2)
	}},
	{"one id at two times is two events, over a month boundary too", func(t *testing.T, s *env) {
		t.Helper()
		a := newEvent(0)
		b := a
		b.Datetime += int64(10 * time.Minute) // the first of April
		seal(&b, 3)
		assert.Equal(t, 2, s.write(t, a, b).Written)
		if s.Capabilities().DetectsDuplicates {
			assert.Equal(t, []int{0, 1}, s.write(t, b, a).Duplicates)
		}
		assert.Len(t, s.scan(t, everything, activity.Query{}), 2)
		got, err := s.Get(context.Background(), everything, a.ID)
		require.NoError(t, err)
		assert.Equal(t, b.Datetime, got.Datetime, "get gives the newest")
	}},
	{"the caller's events are not changed or kept", func(t *testing.T, s *env) {
		t.Helper()
		events := []activity.Event{newEvent(1)}
		before := clone(&events[0])
		s.write(t, events...)
		assert.Equal(t, before, events[0])
		events[0].IntegrityHash[0] ^= 1
		assert.Equal(t, before.IntegrityHash, s.scan(t, everything, activity.Query{})[0].IntegrityHash)
	}},
	{"concurrent writers of the same events store each once", func(t *testing.T, s *env) {
		t.Helper()
		events := newEvents(60)
		var wg sync.WaitGroup
		var mu sync.Mutex
		written := 0
		for w := range 6 {
			wg.Go(func() {
				for i := range events {
					res, err := s.Write(context.Background(), events[(i+w*10)%60:(i+w*10)%60+1])
					if err != nil {
						t.Error(err) // require must not be called outside the test's goroutine
						return
					}
					mu.Lock()
					written += res.Written
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		assert.Len(t, s.scan(t, everything, activity.Query{}), len(events))
		if s.Capabilities().DetectsDuplicates {
			assert.Equal(t, len(events), written)
		}
	}},
	{"what was written is there after reopening", func(t *testing.T, s *env) {
		t.Helper()
		s.write(t, newEvents(20)...)
		if s.factory.Reopen == nil {
			assert.Len(t, s.scan(t, everything, activity.Query{}), 20)
			return
		}
		s.Store = s.factory.Reopen(t, s.Store)
		assert.Len(t, s.scan(t, everything, activity.Query{}), 20)
		res, err := s.Write(context.Background(), []activity.Event{newEvent(99)})
		require.NoError(t, err)
		assert.Equal(t, 1, res.Written)
	}},
}

var limitCases = []testCase{
	{"texts at their limits, emoji, extremes, zero and absent", func(t *testing.T, s *env) {
		t.Helper()
		var want []activity.Event
		add := func(change func(e *activity.Event)) {
			e := newEvent(len(want))
			change(&e)
			limits := activity.DefaultLimits()
			activity.Normalise(&e, &limits)
			seal(&e, 9)
			want = append(want, e)
		}
		for _, text := range []string{"👩‍👩‍👧 é é 漢字", "a\x00b", "\xff\xfe", "'; DROP TABLE x; --", " spaces ", "\n\t\r", string(slices.Repeat([]byte("x"), 65535))} {
			add(func(e *activity.Event) { e.Message, e.Traceback, e.Username = text, text, text })
		}
		add(func(e *activity.Event) {
			big := string(slices.Repeat([]byte("é"), 32767))
			e.Message, e.Traceback, e.ObjectJSONRepr = big, big, `"`+big[:65530]+`"`
		})
		add(func(e *activity.Event) {
			e.Message, e.Traceback = string(make([]byte, 0)), string(slices.Repeat([]byte("m"), 1<<20))
		})
		for _, n := range []int64{1<<63 - 1, -1 << 63, -1} {
			add(func(e *activity.Event) { e.ProducerSeq, e.ResponseStatus, e.Flags = n, n, activity.Flags(n) })
		}
		add(func(e *activity.Event) { e.ResponseTimeUS, e.RequestBodySize = activity.Some(0), activity.Some(0) })
		add(func(e *activity.Event) {
			e.ResponseTimeUS, e.RequestBodySize = activity.OptInt64{}, activity.OptInt64{}
		})
		s.write(t, want...)
		var enc canonical.Encoder
		for i := range want {
			got, err := s.Get(context.Background(), everything, want[i].ID)
			require.NoError(t, err)
			got.StoredNS = 0
			assert.Equal(t, want[i], got, "event %d", i)
			assert.Equal(t, canonical.Verified, enc.Verify(&got), "event %d", i)
		}
	}},
	{"an event of a mebibyte", func(t *testing.T, s *env) {
		t.Helper()
		e := newEvent(1)
		e.ExtraData = `"` + string(slices.Repeat([]byte("x"), 1<<20)) + `"`
		seal(&e, 1)
		s.write(t, e)
		got, err := s.Get(context.Background(), everything, e.ID)
		require.NoError(t, err)
		assert.Equal(t, e.ExtraData, got.ExtraData)
	}},
}

var faultCases = []testCase{
	{"a cancelled context stores nothing and reads nothing", func(t *testing.T, s *env) {
		t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := s.Write(ctx, newEvents(1))
		require.ErrorIs(t, err, context.Canceled)
		_, err = s.Page(ctx, everything, activity.Query{Limit: 1})
		require.ErrorIs(t, err, context.Canceled)
		_, err = s.Get(ctx, everything, activity.ID{1})
		require.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, s.scan(t, everything, activity.Query{}))
	}},
	{"failed, not stored: the retry stores", func(t *testing.T, s *env) {
		t.Helper()
		f := NewFaulty(s.Store)
		f.Plan(FaultNotStored, storage.ErrRetryable)
		_, err := f.Write(context.Background(), newEvents(5))
		require.ErrorIs(t, err, storage.ErrRetryable)
		res, err := f.Write(context.Background(), newEvents(5))
		require.NoError(t, err)
		assert.Equal(t, 5, res.Written)
	}},
	{"failed, but stored: the retry stores nothing twice", func(t *testing.T, s *env) {
		t.Helper()
		f := NewFaulty(s.Store)
		f.Plan(FaultStored, storage.ErrRetryable)
		_, err := f.Write(context.Background(), newEvents(5))
		require.ErrorIs(t, err, storage.ErrRetryable)
		_, err = f.Write(context.Background(), newEvents(5))
		require.NoError(t, err)
		assert.Len(t, s.scan(t, everything, activity.Query{}), 5)
	}},
	{"a closed store says so", func(t *testing.T, s *env) {
		t.Helper()
		require.NoError(t, s.Ping(context.Background()))
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		_, err := s.Write(context.Background(), newEvents(1))
		require.ErrorIs(t, err, storage.ErrClosed)
		_, err = s.Page(context.Background(), everything, activity.Query{Limit: 1})
		require.ErrorIs(t, err, storage.ErrClosed)
	}},
}
