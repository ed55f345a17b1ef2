package enrichprocessor

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/oschwald/geoip2-golang/v2"
	"go.uber.org/zap"
)

// database is a MaxMind database in a file that may be absent, and is opened
// again when the file changes. T is what is read of an address.
type database[T any] struct {
	key, path string
	cacheSize int
	logger    *zap.Logger
	read      func(*geoip2.Reader, netip.Addr) (T, error)

	current atomic.Pointer[opened[T]]

	// Of the one goroutine that reloads.
	seen  fileState
	wrong string // what could not be read at the last look, "" when it could
}

// opened is one version of the file. Its cache goes with it, so that no answer
// of an older version outlives it.
type opened[T any] struct {
	reader *geoip2.Reader
	cache  *lru.Cache[netip.Addr, T]
	// users counts those who read the file, which is mapped into memory, and one
	// for being current. The last of them closes it.
	users atomic.Int64
	fault atomic.Bool
}

// fileState tells one version of a file from the next. The zero value is a file
// that was never looked at.
type fileState struct {
	looked, there bool
	info          fs.FileInfo
}

func (s fileState) same(other fileState) bool {
	if !s.looked || s.there != other.there {
		return false
	}
	return !s.there || os.SameFile(s.info, other.info) && s.info.Size() == other.info.Size() && s.info.ModTime().Equal(other.info.ModTime())
}

func newDatabase[T any](key, path string, cacheSize int, logger *zap.Logger, read func(*geoip2.Reader, netip.Addr) (T, error)) *database[T] {
	return &database[T]{
		key: key, path: path, cacheSize: cacheSize, read: read,
		logger: logger.With(zap.String("key", key), zap.String("path", path)),
	}
}

// reload opens the file when it is another than the one seen last. A file that
// cannot be read is an error at the start; later it is logged, and what is open
// stays in use. So does it when the file goes. What failed is tried at each look:
// it may have been for want of a right or a file handle.
func (d *database[T]) reload(starting bool) error {
	state, err := stateOf(d.path)
	if err == nil && d.seen.same(state) {
		return nil
	}
	d.seen = state
	if err == nil && !state.there {
		d.logger.Warn("No geo database at this path; events are not located by it until it is there.", zap.Bool("older_in_use", d.current.Load() != nil))
		return nil
	}
	var next *opened[T]
	if err == nil {
		next, err = d.open()
	}
	if err != nil {
		err = fmt.Errorf("enrich: open geo database %q (%s): %w", d.path, d.key, err)
		d.seen = fileState{}
		if !starting && d.wrong != err.Error() {
			d.logger.Error("The geo database changed and cannot be read; replace it.", zap.Error(err), zap.Bool("older_in_use", d.current.Load() != nil))
		}
		d.wrong = err.Error()
		return err
	}
	d.wrong = ""
	meta := next.reader.Metadata()
	d.logger.Info("Opened the geo database.", zap.String("type", meta.DatabaseType), zap.Time("built", time.Unix(int64(meta.BuildEpoch), 0).UTC())) //nolint:gosec // a date
	d.use(next)
	return nil
}

// use makes a version the current one, or none.
func (d *database[T]) use(next *opened[T]) {
	if old := d.current.Swap(next); old != nil {
		d.release(old)
	}
}

// stateOf looks at a file. That it is absent is no error.
func stateOf(path string) (fileState, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fileState{looked: true}, nil
	case err != nil:
		return fileState{looked: true}, err
	}
	return fileState{looked: true, there: true, info: info}, nil
}

func (d *database[T]) open() (_ *opened[T], err error) {
	o := &opened[T]{}
	o.users.Store(1)
	if o.cache, err = lru.New[netip.Addr, T](d.cacheSize); err != nil {
		return nil, fmt.Errorf("create cache: %w", err)
	}
	err = guarded(func() (err error) {
		if o.reader, err = geoip2.Open(d.path); err != nil {
			return err
		}
		_, err = d.read(o.reader, netip.IPv4Unspecified()) // is it of the right type?
		return err
	})
	if err != nil && o.reader != nil {
		d.release(o)
	}
	return o, err
}

// lookup gives what the database says of an address; ok is false when there is
// none. Nothing is allocated for an address in the cache.
func (d *database[T]) lookup(addr netip.Addr) (found T, ok bool) {
	o := d.current.Load()
	if o == nil {
		return found, false
	}
	if found, ok = o.cache.Get(addr); ok {
		return found, true
	}
	if !locatable(addr) {
		return found, false
	}
	if o = d.acquire(); o == nil {
		return found, false
	}
	err := guarded(func() (err error) {
		found, err = d.read(o.reader, addr)
		return err
	})
	if err != nil {
		if !o.fault.Swap(true) {
			d.logger.Error("The geo database cannot be read; replace it by renaming a new file over it.", zap.Error(err))
		}
		var none T
		found = none
	}
	o.cache.Add(addr, found)
	d.release(o)
	return found, err == nil
}

// acquire gives the version in use, to be released.
func (d *database[T]) acquire() *opened[T] {
	for {
		o := d.current.Load()
		if o == nil {
			return nil
		}
		// A version nobody uses is closed or about to be, and never comes back.
		for n := o.users.Load(); n > 0; n = o.users.Load() {
			if o.users.CompareAndSwap(n, n+1) {
				return o
			}
		}
	}
}

// release ends a use; the last one closes the file.
func (d *database[T]) release(o *opened[T]) {
	if o.users.Add(-1) > 0 {
		return
	}
	if err := o.reader.Close(); err != nil {
		d.logger.Warn("The old geo database was not closed.", zap.Error(err))
	}
}

// guarded runs what reads a mapped file. When somebody writes over the file
// instead of renaming a new one to its place, its pages may go, and reading them
// is a fault, which would end the process: it becomes an error.
func guarded(read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the file was changed while it was open: %v", r)
		}
	}()
	return read()
}
