package deadletter

import (
	"bufio"
	"bytes"
	"crypto/sha256"
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
	CauseInvalid  Cause = "invalid"  // the event is not whole: its record could not be read, or it does not fit into a line
)

// Entry is one dead letter.
type Entry struct {
	Time   int64          `json:"time"` // when it was refused, Unix nanoseconds
	Sink   string         `json:"sink"` // the component that was refused
	Cause  Cause          `json:"cause"`
	Detail string         `json:"detail,omitempty"` // for people
	Event  activity.Event `json:"event"`            // its lossless column form
}

// maxLine bounds a line: the largest event that a receiver takes, with every
// byte escaped, and room for the detail.
const maxLine = minBytes

// maxShort is the longest text that an event too large for a line keeps: with
// every field at it, and every byte escaped, the line still fits.
const maxShort = 4 << 10

// appendLine adds an entry of any size: of one that does not fit, the long
// texts are kept as their digest.
func appendLine(dst []byte, e *Entry) ([]byte, error) {
	line, err := json.Marshal(e)
	if err == nil && len(line) >= maxLine {
		short := shortened(e, len(line))
		line, err = json.Marshal(&short)
	}
	if err != nil {
		return dst, fmt.Errorf("encode dead letter %s: %w", e.Event.ID, err)
	}
	return append(append(dst, line...), '\n'), nil
}

// shortened gives the entry with a digest in the place of every long text. It is
// no longer whole, so it must not be stored: its cause becomes CauseInvalid.
func shortened(e *Entry, size int) Entry {
	out := *e
	out.Cause = CauseInvalid
	out.Detail = fmt.Sprintf("%s: too large for a dead letter (%d bytes, the limit is %d), long texts are kept as their digest; %s",
		e.Cause, size, maxLine, digest(e.Detail))
	for _, f := range activity.Fields() {
		if p := out.Event.Text(f); p != nil {
			*p = digest(*p)
		}
		if b := out.Event.Bytes(f); len(b) > maxShort {
			sum := sha256.Sum256(b)
			out.Event.SetBytes(f, sum[:])
		}
	}
	return out
}

// digest gives a short text as it is, and a long one as a JSON string that
// identifies it.
func digest(s string) string {
	if len(s) <= maxShort {
		return s
	}
	return fmt.Sprintf(`"sha256:%x (%d bytes)"`, sha256.Sum256([]byte(s)), len(s))
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
