package activitylog

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"
)

// segmentBytes is where a file of the spool ends and the next begins. A file is
// removed once the collector has the whole of it.
const segmentBytes = 1 << 20

// secretHeaders are never written to disk as they are.
var secretHeaders = []string{"authorization", "cookie", "proxy-authorization", "x-api-key"}

// record is an event on its way, complete and immutable.
type record struct {
	id      string
	body    []byte // a JSON object, without headers
	headers map[string][]string
}

// size is about what a record takes in memory.
func (r *record) size() int {
	n := len(r.body) + 256
	for name, values := range r.headers {
		n += len(name)
		for _, v := range values {
			n += len(v)
		}
	}
	return n
}

// wire gives the event as the collector takes it.
func (r *record) wire() []byte {
	if len(r.headers) == 0 {
		return r.body
	}
	headers, _ := json.Marshal(r.headers) //nolint:errchkjson // text only
	out := make([]byte, 0, len(r.body)+len(headers)+12)
	out = append(append(out, r.body[:len(r.body)-1]...), `,"headers":`...)
	return append(append(out, headers...), '}')
}

// line is a record on disk. Sealed holds its secret headers, encrypted with a
// key that only this process has: after a restart they are lost, and with them
// what a token says of the actor; everything else is sent.
type line struct {
	ID      string              `json:"id"`
	Event   json.RawMessage     `json:"event"`
	Headers map[string][]string `json:"headers,omitempty"`
	Sealed  []byte              `json:"sealed,omitempty"`
}

// spool keeps events on disk, in files of lines, oldest first. Only one
// goroutine uses it.
type spool struct {
	dir  string
	max  int64
	lock *flock.Flock
	aead cipher.AEAD

	segments []segment
	bytes    int64
	current  *os.File // the last segment, while it is written to
	next     uint64
}

type segment struct {
	path string
	size int64
}

func openSpool(dir string, limit int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("activitylog: SpoolDir: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
	taken, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("activitylog: SpoolDir: %w", err)
	}
	if !taken {
		return nil, fmt.Errorf("activitylog: SpoolDir %s is used by another process; give each its own", dir)
	}
	s := &spool{dir: dir, max: limit, lock: lock}
	if err := s.open(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return s, nil
}

func (s *spool) open() error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	if s.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(s.dir, "*.spool"))
	if err != nil {
		return err
	}
	slices.Sort(names) // numbered with leading zeros
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		s.segments = append(s.segments, segment{name, info.Size()})
		s.bytes += info.Size()
		if _, err := fmt.Sscanf(filepath.Base(name), "%d.spool", &s.next); err == nil {
			s.next++
		}
	}
	return nil
}

func (s *spool) empty() bool { return len(s.segments) == 0 }

// append writes records and syncs them to the disk. Those for which the spool
// has no room are given back in full; after an error none counts as written.
func (s *spool) append(batch []record) (full []record, err error) {
	var b bytes.Buffer
	for i := range batch {
		raw, err := s.encode(&batch[i])
		if err != nil {
			return nil, err
		}
		if s.bytes+int64(b.Len()+len(raw)) > s.max {
			full = batch[i:]
			break
		}
		b.Write(raw)
	}
	if b.Len() == 0 {
		return full, nil
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	last := &s.segments[len(s.segments)-1]
	_, err = s.current.Write(b.Bytes())
	if err == nil {
		err = s.current.Sync()
	}
	if err != nil { // what stays in part is a damaged line, or sent twice
		_ = s.current.Truncate(last.size)
		s.rotate()
		return nil, err
	}
	last.size += int64(b.Len())
	s.bytes += int64(b.Len())
	if last.size >= segmentBytes {
		s.rotate()
	}
	return full, nil
}

func (s *spool) encode(r *record) ([]byte, error) {
	l := line{ID: r.id, Event: r.body, Headers: r.headers}
	secrets := map[string][]string{}
	for _, name := range secretHeaders {
		if v, ok := r.headers[name]; ok {
			secrets[name] = v
		}
	}
	if len(secrets) > 0 {
		l.Headers = maps.Clone(r.headers)
		for name := range secrets {
			delete(l.Headers, name)
		}
		plain, err := json.Marshal(secrets)
		if err != nil {
			return nil, err
		}
		l.Sealed = s.aead.Seal(nil, nil, plain, []byte(r.id)) //nolint:gosec // a random nonce is made inside
	}
	raw, err := json.Marshal(&l)
	return append(raw, '\n'), err
}

func (s *spool) decode(raw []byte) (record, error) {
	var l line
	if err := json.Unmarshal(raw, &l); err != nil {
		return record{}, err
	}
	r := record{id: l.ID, body: l.Event, headers: l.Headers}
	if len(l.Sealed) == 0 {
		return r, nil
	}
	var secrets map[string][]string
	if plain, err := s.aead.Open(nil, nil, l.Sealed, []byte(l.ID)); err == nil && json.Unmarshal(plain, &secrets) == nil {
		if r.headers == nil {
			r.headers = map[string][]string{}
		}
		maps.Copy(r.headers, secrets)
	}
	return r, nil
}

// ready makes sure that there is a file to append to.
func (s *spool) ready() error {
	if s.current != nil {
		return nil
	}
	path := filepath.Join(s.dir, fmt.Sprintf("%020d.spool", s.next))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // of the operator's folder
	if err != nil {
		return err
	}
	s.next++
	s.current = f
	s.segments = append(s.segments, segment{path: path})
	return s.syncDir()
}

// syncDir makes names of files as durable as their content.
func (s *spool) syncDir() error {
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

func (s *spool) rotate() {
	if s.current != nil {
		_ = s.current.Close() // synced before
		s.current = nil
	}
}

// oldest reads the first file. Lines that a crash has cut are counted, not
// given.
func (s *spool) oldest() (batch []record, damaged int, err error) {
	if len(s.segments) == 1 {
		s.rotate()
	}
	f, err := os.Open(s.segments[0].path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, int(min(s.max, 1<<30))+1)
	for lines.Scan() {
		r, err := s.decode(lines.Bytes())
		if err != nil {
			damaged++
			continue
		}
		batch = append(batch, r)
	}
	return batch, damaged, lines.Err()
}

// done removes the first file. One that cannot be read is put aside instead.
func (s *spool) done(readable bool) error {
	first := s.segments[0]
	err := error(nil)
	if readable {
		err = os.Remove(first.path)
	} else {
		err = os.Rename(first.path, strings.TrimSuffix(first.path, ".spool")+".unreadable")
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.segments = slices.Delete(s.segments, 0, 1)
	s.bytes -= first.size
	return nil
}

// refuse keeps an event that the collector will never take, for people to look
// at. It reports whether there was room.
func (s *spool) refuse(r *record) (bool, error) {
	path := filepath.Join(s.dir, "rejected.jsonl")
	if info, err := os.Stat(path); err == nil && info.Size()+int64(r.size()) > s.max/4 {
		return false, nil
	}
	raw, err := s.encode(r)
	if err != nil {
		return false, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // of the operator's folder
	if err != nil {
		return false, err
	}
	_, err = f.Write(raw)
	return err == nil, errors.Join(err, f.Sync(), f.Close())
}

func (s *spool) close() error {
	s.rotate()
	return s.lock.Close()
}
