package acklog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Bounds of a log that is checked: an event takes 40 bytes of memory.
const (
	maxEvents  = 50_000_000
	maxClients = 10_000
)

// sent is what the log says of one event, and how often it was met since.
type sent struct {
	id       activity.ID
	datetime int64
	verdict  Verdict // 0: the log does not name it
	stored   uint8
	dead     uint8
}

// Ledger is a log that was read, to be compared with what is stored.
type Ledger struct {
	run      string
	complete bool
	torn     bool
	clients  [][]sent // by client, then by sequence number - 1
	events   int
	oldest   int64 // Unix nanoseconds
	newest   int64

	others int64 // stored events of other producers
	extra  int64 // stored events of the run that the log does not name
	wrong  []Problem
}

// Read reads a log.
func Read(r io.Reader) (*Ledger, error) {
	l := &Ledger{oldest: math.MaxInt64, newest: math.MinInt64}
	br := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := br.ReadString('\n')
		if errors.Is(err, io.EOF) {
			l.torn = line != ""
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the acknowledgement log: %w", err)
		}
		if err := l.line(n, strings.TrimSuffix(line, "\n")); err != nil {
			return nil, fmt.Errorf("line %d of the acknowledgement log: %w", n, err)
		}
	}
	if l.run == "" {
		return nil, errors.New("the acknowledgement log is empty")
	}
	return l, nil
}

func (l *Ledger) line(n int, line string) error {
	if n == 1 {
		head, run, ok := strings.Cut(line, " ")
		if !ok || head != magic || run == "" {
			return fmt.Errorf("want %q and the name of the run", magic)
		}
		l.run = run
		return nil
	}
	if line == endLine {
		l.complete = true
		return nil
	}
	words := strings.SplitN(line, " ", 6)
	if len(words) != 6 || len(words[0]) != 1 {
		return fmt.Errorf("%q is no entry", line)
	}
	client, err := strconv.Atoi(words[1])
	if err != nil || client < 0 || client >= maxClients {
		return fmt.Errorf("client %q: want 0..%d", words[1], maxClients-1)
	}
	seq, err := strconv.Atoi(words[2])
	if err != nil || seq < 1 || seq > maxEvents {
		return fmt.Errorf("sequence number %q: want 1..%d", words[2], maxEvents)
	}
	id, err := activity.ParseID(words[3])
	if err != nil {
		return err
	}
	datetime, err := strconv.ParseInt(words[4], 10, 64)
	if err != nil {
		return fmt.Errorf("time %q: want Unix nanoseconds", words[4])
	}
	switch v := Verdict(words[0][0]); v {
	case Acknowledged, Unknown, Rejected:
		return l.add(client, seq, sent{id: id, datetime: datetime, verdict: v})
	default:
		return fmt.Errorf("%q is no verdict", words[0])
	}
}

func (l *Ledger) add(client, seq int, s sent) error {
	for len(l.clients) <= client {
		l.clients = append(l.clients, nil)
	}
	if missing := seq - len(l.clients[client]); missing > 0 {
		if l.events += missing; l.events > maxEvents {
			return fmt.Errorf("more than %d events cannot be checked at once", maxEvents)
		}
		l.clients[client] = append(l.clients[client], make([]sent, missing)...)
	}
	at := &l.clients[client][seq-1]
	if at.verdict != 0 {
		return fmt.Errorf("event %d of client %d has two entries", seq, client)
	}
	*at = s
	l.oldest, l.newest = min(l.oldest, s.datetime), max(l.newest, s.datetime)
	return nil
}
