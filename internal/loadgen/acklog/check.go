package acklog

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
)

// Problem is one event that is not where the log says.
type Problem struct {
	Producer string
	Seq      int64
	ID       activity.ID
	What     string
}

// maxProblems bounds what a Result lists; the counts go on.
const maxProblems = 100

// Result is the outcome of a check.
type Result struct {
	Run          string
	Complete     bool // the generator ended by itself
	Torn         bool // the last line of the log was cut off
	Acknowledged int64
	Unknown      int64
	Rejected     int64

	StoredUnknown int64 // unknown events that are stored, which is allowed
	Dead          int64 // acknowledged events that are in the dead letters alone
	Extra         int64 // stored, but not named by a log that was cut short
	Others        int64 // stored events of other producers

	Lost     int64
	Doubled  int64
	Wrong    int64 // stored under another id than acknowledged, or stored though rejected
	Problems []Problem
}

// OK reports whether every acknowledged event is there exactly once.
func (r *Result) OK() bool { return r.Lost == 0 && r.Doubled == 0 && r.Wrong == 0 }

// Stored notes an event of the store.
func (l *Ledger) Stored(e *activity.Event) {
	s, known := l.find(e)
	if !known {
		return
	}
	s.stored = saturate(s.stored)
	if s.verdict == Acknowledged && !s.id.IsZero() && s.id != e.ID {
		l.wrong = append(l.wrong, Problem{
			Producer: e.Producer, Seq: e.ProducerSeq, ID: s.id, What: "stored under the id " + e.ID.String(),
		})
	}
}

// Dead notes an event of the dead letters.
func (l *Ledger) Dead(e *activity.Event) {
	if s, known := l.find(e); known {
		s.dead = saturate(s.dead)
	}
}

func saturate(n uint8) uint8 { return min(n, 254) + 1 }

func (l *Ledger) find(e *activity.Event) (*sent, bool) {
	number, ours := strings.CutPrefix(e.Producer, l.run+"-")
	client, err := strconv.Atoi(number)
	if !ours || err != nil || client < 0 {
		l.others++
		return nil, false
	}
	if client >= len(l.clients) || e.ProducerSeq < 1 || e.ProducerSeq > int64(len(l.clients[client])) {
		l.extra++
		return nil, false
	}
	s := &l.clients[client][e.ProducerSeq-1]
	if s.verdict == 0 && s.stored == 0 && s.dead == 0 {
		l.extra++
	}
	return s, true
}

// Result compares what was noted with the log.
func (l *Ledger) Result() Result {
	r := Result{Run: l.run, Complete: l.complete, Torn: l.torn, Extra: l.extra, Others: l.others}
	for client := range l.clients {
		producer := loadgen.Producer(l.run, client)
		for i := range l.clients[client] {
			s := &l.clients[client][i]
			r.judge(s, func(what string) {
				if len(r.Problems) < maxProblems {
					r.Problems = append(r.Problems, Problem{Producer: producer, Seq: int64(i) + 1, ID: s.id, What: what})
				}
			})
		}
	}
	r.Wrong += int64(len(l.wrong))
	r.Problems = append(r.Problems, l.wrong[:min(len(l.wrong), maxProblems)]...)
	if l.complete && l.extra > 0 {
		r.Wrong += l.extra
		r.Problems = append(r.Problems, Problem{Producer: l.run, What: fmt.Sprintf("%d stored events were never sent", l.extra)})
	}
	return r
}

func (r *Result) judge(s *sent, problem func(string)) {
	places := int(s.stored) + min(int(s.dead), 1)
	if s.stored > 1 || s.verdict == Acknowledged && places > 1 {
		r.Doubled++
		problem(fmt.Sprintf("stored %d times, %d times in the dead letters", s.stored, s.dead))
	}
	switch s.verdict {
	case Acknowledged:
		r.Acknowledged++
		switch {
		case places == 0:
			r.Lost++
			problem("acknowledged, and neither stored nor in the dead letters")
		case s.stored == 0:
			r.Dead++
		}
	case Unknown:
		r.Unknown++
		if s.stored > 0 {
			r.StoredUnknown++
		}
	case Rejected:
		r.Rejected++
		if s.stored > 0 {
			r.Wrong++
			problem("stored although it was rejected")
		}
	}
}

// Print writes the result for people.
func (r *Result) Print(w io.Writer) error {
	verdict := "OK: every acknowledged event is there exactly once"
	if !r.OK() {
		verdict = "FAILED"
	}
	_, err := fmt.Fprintf(w, `%s
run %s: acknowledged %d, unknown %d (of these stored %d), rejected %d
lost %d, doubled %d, wrong %d, only in the dead letters %d, not in the log %d, of other producers %d
`, verdict, r.Run, r.Acknowledged, r.Unknown, r.StoredUnknown, r.Rejected,
		r.Lost, r.Doubled, r.Wrong, r.Dead, r.Extra, r.Others)
	for _, p := range r.Problems {
		if err == nil {
			_, err = fmt.Fprintf(w, "%s %d (%s): %s\n", p.Producer, p.Seq, p.ID, p.What)
		}
	}
	if err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}
