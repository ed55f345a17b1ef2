package deadletter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const segmentSuffix = ".jsonl"

// segment is one file, named by its creation in Unix nanoseconds.
type segment struct {
	path    string
	created int64
	size    int64
}

// segments lists the files, oldest first.
func (l *Log) segments() ([]segment, error) {
	entries, err := os.ReadDir(l.config.Directory)
	if err != nil {
		return nil, fmt.Errorf("list the dead letters: %w", err)
	}
	var out []segment
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), segmentSuffix)
		if !ok {
			continue
		}
		created, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the dead letters: %w", err)
		}
		out = append(out, segment{filepath.Join(l.config.Directory, entry.Name()), created, info.Size()})
	}
	slices.SortFunc(out, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

func (l *Log) segmentPath(created int64) string {
	return filepath.Join(l.config.Directory, fmt.Sprintf("%020d%s", created, segmentSuffix))
}

// appendTo adds whole lines to a segment and makes them durable. When that
// fails the segment is cut back to what it was.
func (l *Log) appendTo(seg *segment, lines []byte) (err error) {
	f, err := os.OpenFile(seg.path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a path of our own directory
	if err != nil {
		return fmt.Errorf("open dead letters: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := wholeEnd(f)
	if err != nil {
		return fmt.Errorf("find the end of %s: %w", seg.path, err)
	}
	if err := f.Truncate(end); err != nil {
		return fmt.Errorf("cut a torn line off %s: %w", seg.path, err)
	}
	_, err = f.WriteAt(lines, end)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("append to %s: %w", seg.path, errors.Join(err, f.Truncate(end)))
	}
	if end == 0 {
		return l.syncDirectory()
	}
	return nil
}

// wholeEnd gives the offset behind the last whole line.
func wholeEnd(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for end := info.Size(); end > 0; {
		start := max(0, end-int64(len(buf)))
		n, err := f.ReadAt(buf[:end-start], start)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}

// rewrite replaces a segment by the lines that edit gives for its lines; nil
// drops a line. A segment left empty is removed. Until the rename the old
// segment is whole, after it the new one.
func (l *Log) rewrite(seg *segment, edit func(line []byte) ([]byte, error)) (err error) {
	temp := filepath.Join(l.config.Directory, "rewrite.tmp")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a path of our own directory
	if err != nil {
		return fmt.Errorf("rewrite dead letters: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("rewrite %s: %w", seg.path, err), os.Remove(temp))
		}
	}()
	w := bufio.NewWriter(f)
	kept, changed := false, false
	err = eachLine(seg.path, func(_ int, line []byte) error {
		out, err := edit(line)
		if err != nil {
			return err
		}
		if out == nil {
			changed = true
			return nil
		}
		kept = true
		changed = changed || !bytes.Equal(out, line)
		if _, err := w.Write(out); err != nil {
			return err
		}
		return w.WriteByte('\n')
	})
	if err == nil {
		err = errors.Join(w.Flush(), f.Sync())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	switch {
	case !changed:
		return os.Remove(temp)
	case kept:
		err = os.Rename(temp, seg.path)
	default:
		if err = os.Remove(seg.path); err == nil {
			err = os.Remove(temp)
		}
	}
	return errors.Join(err, l.syncDirectory())
}

func (l *Log) syncDirectory() error {
	d, err := os.Open(l.config.Directory) //nolint:gosec // the operator names the folder
	if err != nil {
		return fmt.Errorf("open the dead-letter directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
