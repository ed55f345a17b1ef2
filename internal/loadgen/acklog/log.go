package acklog

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
)

// Verdict is what is known about an event that was sent.
type Verdict byte

// The verdicts, as they are written.
const (
	// Acknowledged: it must be stored exactly once.
	Acknowledged Verdict = 'a'
	// Unknown: no answer told; it may be stored once.
	Unknown Verdict = 'u'
	// Rejected: the server said it did not take it; it must not be stored.
	Rejected Verdict = 'r'
)

const (
	magic   = "auditload-acks-1"
	endLine = "end"
)

// Log is an open acknowledgement log. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	file *os.File
}

// Create starts a log at path, which must not exist: two runs in one log could
// not be told apart.
func Create(path, run string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("create the acknowledgement log (each run needs a new one): %w", err)
	}
	if _, err := fmt.Fprintf(f, "%s %s\n", magic, run); err != nil {
		return nil, errors.Join(fmt.Errorf("write the acknowledgement log: %w", err), f.Close())
	}
	return &Log{file: f}, nil
}

// AppendLine renders one event for Write. detail must hold no space or newline.
func AppendLine(dst []byte, v Verdict, client int, ref *loadgen.Ref, id activity.ID, detail string) []byte {
	dst = append(dst, byte(v), ' ')
	dst = strconv.AppendInt(dst, int64(client), 10)
	dst = strconv.AppendInt(append(dst, ' '), ref.Seq, 10)
	dst = append(append(dst, ' '), id.String()...)
	dst = strconv.AppendInt(append(dst, ' '), ref.Datetime, 10)
	dst = append(append(dst, ' '), detail...)
	return append(dst, '\n')
}

// Write appends whole lines.
func (l *Log) Write(lines []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.Write(lines); err != nil {
		return fmt.Errorf("write the acknowledgement log: %w", err)
	}
	return nil
}

// Finish marks the log as complete: every event that was sent is in it.
func (l *Log) Finish() error {
	return l.Write([]byte(endLine + "\n"))
}

// Close closes the file.
func (l *Log) Close() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("close the acknowledgement log: %w", err)
	}
	return nil
}
