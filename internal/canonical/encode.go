package canonical

import (
	"encoding/binary"
	"math"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Major types of RFC 8949 section 3.1, shifted into the head's upper bits.
const (
	majorUint  = 0 << 5
	majorNeg   = 1 << 5
	majorBytes = 2 << 5
	majorText  = 3 << 5
	majorMap   = 5 << 5
)

// Arguments of a head that say how many bytes follow.
const (
	arg1 = 24 + iota
	arg2
	arg4
	arg8
)

// AppendEvent appends the event map: the bytes that are hashed. The commitments
// in it are those the event carries. The event is expected to be normalised
// (activity.Normalise); another one is encoded as it is, except that a number
// which its bias cannot make positive counts as absent.
func AppendEvent(dst []byte, e *activity.Event) []byte {
	return AppendGroup(dst, e, activity.GroupEvent)
}

// AppendGroup appends the map of one group; for activity.GroupNone nothing.
func AppendGroup(dst []byte, e *activity.Event, g activity.Group) []byte {
	if g == activity.GroupNone {
		return dst
	}
	dst, _ = appendMap(dst, e, schemaOf(g))
	return dst
}

// appendMap appends a map and reports how many keys it holds.
func appendMap(dst []byte, e *activity.Event, schema []entry) (out []byte, n int) {
	start := len(dst)
	dst = append(dst, majorMap)
	for i := range schema {
		s := &schema[i]
		switch s.typ {
		case activity.TypeText, activity.TypeJSON:
			text := *e.Text(s.field)
			if text == "" {
				continue
			}
			dst = appendText(dst, s, text)
		case activity.TypeInt, activity.TypeTime:
			v := *e.Int(s.field)
			if v == 0 {
				continue
			}
			dst = appendInt(appendKey(dst, s), v)
		case activity.TypeOpt:
			v, ok := biased(*e.Opt(s.field), s.bias)
			if !ok {
				continue
			}
			dst = appendHead(appendKey(dst, s), majorUint, v)
		case activity.TypeBytes:
			b := bytesOf(e, s)
			if len(b) == 0 {
				continue
			}
			dst = appendHead(appendKey(dst, s), majorBytes, uint64(len(b)))
			dst = append(dst, b...)
		case activity.TypeKind:
			word := e.Kind.String()
			if word == "" {
				continue
			}
			dst = appendHead(appendKey(dst, s), majorText, uint64(len(word)))
			dst = append(dst, word...)
		}
		n++
	}
	return closeMap(dst, start, n), n
}

// closeMap writes the number of pairs into the head at start. A map of 24 pairs
// or more needs a second byte; no schema holds 256.
func closeMap(dst []byte, start, n int) []byte {
	if n < arg1 {
		dst[start] = majorMap | byte(n) //nolint:gosec // below 24
		return dst
	}
	dst = append(dst, 0)
	copy(dst[start+2:], dst[start+1:])
	dst[start], dst[start+1] = majorMap|arg1, byte(n) //nolint:gosec // below 256
	return dst
}

// appendText appends key and text; a short text, as most are, takes one step.
func appendText(dst []byte, s *entry, text string) []byte {
	if s.size == 1 && len(text) < arg1 {
		return append(append(dst, s.head[0], majorText|byte(len(text))), text...) //nolint:gosec // below 24
	}
	return append(appendHead(appendKey(dst, s), majorText, uint64(len(text))), text...)
}

func appendKey(dst []byte, s *entry) []byte {
	if s.size == 1 {
		return append(dst, s.head[0])
	}
	return append(dst, s.head[0], s.head[1])
}

// bytesOf gives a byte string; a commitment that is absent or zero is empty.
func bytesOf(e *activity.Event, s *entry) []byte {
	if s.field != 0 {
		return e.Bytes(s.field)
	}
	if len(e.IntegrityCommitments) != 2*activity.CommitmentSize {
		return nil
	}
	c := part(e.IntegrityCommitments, s.part)
	if isZero(c) {
		return nil
	}
	return c
}

// biased gives value + bias; ok is false when the value is absent or the sum is
// not positive, which no normalised event has.
func biased(o activity.OptInt64, bias int64) (v uint64, ok bool) {
	if !o.Valid || o.Value <= -bias || o.Value > math.MaxInt64-bias {
		return 0, false
	}
	return uint64(o.Value + bias), true //nolint:gosec // positive
}

func appendInt(dst []byte, v int64) []byte {
	if v < 0 {
		return appendHead(dst, majorNeg, uint64(-1-v))
	}
	return appendHead(dst, majorUint, uint64(v))
}

// appendHead appends the shortest head for an argument (section 4.2.1).
func appendHead(dst []byte, major byte, v uint64) []byte {
	switch {
	case v < arg1:
		return append(dst, major|byte(v))
	case v <= math.MaxUint8:
		return append(dst, major|arg1, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|arg2), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|arg4), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|arg8), v)
}
