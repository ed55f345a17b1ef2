package sqldb

import (
	"encoding/binary"
	"io"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// copyBuffer is a batch in PostgreSQL's binary COPY format: a header, then for
// each row the number of its columns (16 bits) and for each column its length
// (32 bits, -1 is null) and bytes, then a trailer. Every type of the table is
// its own bytes or a big-endian integer, so no type map is needed.
// https://www.postgresql.org/docs/current/sql-copy.html
type copyBuffer struct {
	bytes []byte
	read  int
}

var _ io.Reader = (*copyBuffer)(nil)

// copyHeader is the signature, the flags and the length of the extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// keepCopy is how much memory a batch may leave behind for the next.
const keepCopy = 4 << 20

// fill encodes a batch, with the place in it from 1 as stored_ns.
func (c *copyBuffer) fill(events []activity.Event) {
	if cap(c.bytes) > keepCopy {
		c.bytes = nil
	}
	c.read = 0
	b := append(c.bytes[:0], copyHeader...)
	fields := activity.Fields()
	for i := range events {
		e := &events[i]
		b = binary.BigEndian.AppendUint16(b, uint16(len(fields))) //nolint:gosec // 64 columns
		for _, f := range fields {
			b = appendColumn(b, e, f, int64(i)+1)
		}
	}
	c.bytes = binary.BigEndian.AppendUint16(b, 0xffff)
}

func appendColumn(b []byte, e *activity.Event, f activity.Field, place int64) []byte {
	switch f.Info().Type {
	case activity.TypeText, activity.TypeJSON:
		if s := *e.Text(f); s != "" || f == activity.FieldTenantID {
			return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) //nolint:gosec // an event is below 2 GiB
		}
	case activity.TypeInt:
		if n := *e.Int(f); n != 0 {
			return appendInt(b, n)
		}
	case activity.TypeTime:
		if f == activity.FieldStoredNS {
			return appendInt(b, place)
		}
		return appendInt(b, *e.Int(f))
	case activity.TypeOpt:
		if o := e.Opt(f); o.Valid {
			return appendInt(b, o.Value)
		}
	case activity.TypeBytes:
		if v := e.Bytes(f); len(v) > 0 {
			return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...) //nolint:gosec // an event is below 2 GiB
		}
	case activity.TypeKind:
		s := e.Kind.String()
		return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) //nolint:gosec // a word
	}
	return binary.BigEndian.AppendUint32(b, 0xffffffff)
}

func appendInt(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), uint64(n)) //nolint:gosec // the bits are what counts
}

// Read implements io.Reader.
func (c *copyBuffer) Read(p []byte) (int, error) {
	if c.read == len(c.bytes) {
		return 0, io.EOF
	}
	n := copy(p, c.bytes[c.read:])
	c.read += n
	return n, nil
}
