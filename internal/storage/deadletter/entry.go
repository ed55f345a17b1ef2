package deadletter

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Cause says why an event is a dead letter.
type Cause string

// The causes.
const (
	CauseConflict Cause = "conflict" // its key holds other content
	CauseRefused  Cause = "refused"  // the database cannot hold it
	CauseInvalid  Cause = "invalid"  // it could not be read from its record
)

// Entry is one dead letter.
type Entry struct {
	Time   int64          `json:"time"` // when it was refused, Unix nanoseconds
	Sink   string         `json:"sink"` // the component that was refused
	Cause  Cause          `json:"cause"`
	Detail string         `json:"detail,omitempty"` // for people
	Event  activity.Event `json:"event"`            // its lossless column form
}

// maxLine bounds a line: the largest event with every byte escaped, and room
// for the detail.
const maxLine = minBytes

func appendLine(dst []byte, e *Entry) ([]byte, error) {
	line, err := json.Marshal(e)
	if err != nil {
		return dst, fmt.Errorf("encode dead letter %s: %w", e.Event.ID, err)
	}
	if len(line) >= maxLine {
		return dst, fmt.Errorf("%w: dead letter %s has %d bytes, the limit is %d", activity.ErrInvalid, e.Event.ID, len(line), maxLine)
	}
	return append(append(dst, line...), '\n'), nil
}

func parseLine(line []byte) (Entry, error) {
	var e Entry
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Entry{}, fmt.Errorf("%w dead letter: %w", activity.ErrInvalid, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, fmt.Errorf("%w dead letter: text after the entry", activity.ErrInvalid)
	}
	return e, nil
}

// eachLine gives the whole lines of a segment, without their ends, until fn
// fails. A last line without an end was torn by a crash before it was
// acknowledged and is left out. A segment that is gone has no lines. The line
// is valid only inside fn.
func eachLine(path string, fn func(number int, line []byte) error) error {
	f, err := os.Open(path) //nolint:gosec // a path of our own directory
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open dead letters: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	lines.Split(wholeLines)
	for n := 1; lines.Scan(); n++ {
		if err := fn(n, lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read dead letters from %s: %w", path, err)
	}
	return nil
}

// wholeLines is bufio.ScanLines without a torn last line.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}
