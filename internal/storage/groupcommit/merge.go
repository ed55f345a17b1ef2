package groupcommit

import (
	"errors"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// merge is one batch made of whole requests. Its buffers are reused.
type merge struct {
	requests []*request
	count    int   // events
	bytes    int64 // their size
	copied   chan struct{}

	events   []activity.Event
	seals    []byte    // backs the byte slices of events
	outcomes []outcome // one an event
}

// outcome is what became of one event.
type outcome struct {
	fate fate
	// stored is LastStoredNS of the commit that held the event.
	stored int64
	err    error // why it was refused
}

type fate uint8

const (
	written fate = iota
	duplicate
	conflict
	refused
)

// copyEvents takes the events over from the callers, which may leave at any
// time and reuse their memory. Strings are immutable; byte slices are not.
func (m *merge) copyEvents() {
	for _, r := range m.requests {
		m.events = append(m.events, r.events...)
		r.events = nil
	}
	for i := range m.events {
		e := &m.events[i]
		e.IntegrityHash = m.own(e.IntegrityHash)
		e.IntegritySalts = m.own(e.IntegritySalts)
		e.IntegrityCommitments = m.own(e.IntegrityCommitments)
	}
	close(m.copied)
}

func (m *merge) own(b []byte) []byte {
	if b == nil {
		return nil
	}
	start := len(m.seals)
	m.seals = append(m.seals, b...)
	return m.seals[start:len(m.seals):len(m.seals)]
}

// settle commits the merge and notes the fate of each event, or the error of
// each request.
func (m *merge) settle(commit Commit) {
	m.outcomes = append(m.outcomes, make([]outcome, len(m.events))...)
	if from, err := m.commitRange(commit, 0, len(m.events)); err != nil {
		m.fail(from, err)
	}
}

// commitRange commits the events from lo up to hi. A content error halves the
// range until the refused event stands alone: at most 2n-1 commits for n
// events, about 2k*log2(n) for k bad ones. Any other error ends the work and
// is given with the first event it leaves without a fate.
func (m *merge) commitRange(commit Commit, lo, hi int) (from int, err error) {
	res, err := attempt(commit, m.events[lo:hi])
	switch {
	case err == nil:
		m.note(lo, hi, &res)
		return 0, nil
	case !errors.Is(err, storage.ErrContent):
		return lo, err
	case hi-lo == 1:
		m.outcomes[lo] = outcome{fate: refused, err: err}
		return 0, nil
	}
	mid := lo + (hi-lo)/2
	if from, err := m.commitRange(commit, lo, mid); err != nil {
		return from, err
	}
	return m.commitRange(commit, mid, hi)
}

func (m *merge) note(lo, hi int, res *storage.WriteResult) {
	committed := m.outcomes[lo:hi]
	for i := range committed {
		committed[i].stored = res.LastStoredNS
	}
	for _, i := range res.Duplicates {
		committed[i].fate = duplicate
	}
	for _, i := range res.Conflicts {
		committed[i].fate = conflict
	}
	for _, r := range res.Refused {
		committed[r.Index] = outcome{fate: refused, err: r.Err}
	}
}

// fail gives err to every request that has an event at or after from.
func (m *merge) fail(from int, err error) {
	end := 0
	for _, r := range m.requests {
		end += r.length
		if end > from {
			r.err = err
		}
	}
}

// deliver gives each caller its own result, with its own indexes.
func (m *merge) deliver() {
	start := 0
	for _, r := range m.requests {
		end := start + r.length
		if r.err == nil {
			r.result = m.result(start, end)
		}
		start = end
		close(r.done)
	}
}

func (m *merge) result(start, end int) storage.WriteResult {
	var res storage.WriteResult
	for i, o := range m.outcomes[start:end] {
		switch o.fate {
		case written:
			res.Written++
			res.LastStoredNS = max(res.LastStoredNS, o.stored)
		case duplicate:
			res.Duplicates = append(res.Duplicates, i)
		case conflict:
			res.Conflicts = append(res.Conflicts, i)
		case refused:
			res.Refused = append(res.Refused, storage.Refusal{Index: i, Err: o.err})
		}
	}
	return res
}

// reset keeps the buffers and lets go of what they point at.
func (m *merge) reset() {
	clear(m.requests)
	clear(m.events)
	clear(m.outcomes)
	*m = merge{
		requests: m.requests[:0], events: m.events[:0],
		seals: m.seals[:0], outcomes: m.outcomes[:0],
	}
}
