package canonical

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Unknown is a key that this version does not know, as it was read.
type Unknown struct {
	Key   uint64
	Value []byte // one CBOR item
}

// ErrMalformed says that the bytes are not the canonical form of a group.
var ErrMalformed = errors.New("not canonical CBOR")

// Decode reads the map of one group into the group's fields of e and leaves the
// other fields as they are. The commitments of an event map go to
// IntegrityCommitments. Keys it does not know are given back, so that nothing of
// a newer writer is lost. Only the one canonical form of an event is accepted;
// anything else is ErrMalformed with the offset in bytes.
func Decode(b []byte, g activity.Group, e *activity.Event) ([]Unknown, error) {
	d := decoder{in: b}
	unknown, err := d.group(schemaOf(g), e)
	if err != nil {
		return nil, fmt.Errorf("decode at byte %d: %w", d.at, err)
	}
	return unknown, nil
}

type decoder struct {
	in []byte
	at int
}

// item is one value: number for integers (sign in major), data for strings.
type item struct {
	major byte
	arg   uint64
	data  []byte
}

func (d *decoder) group(schema []entry, e *activity.Event) ([]Unknown, error) {
	major, pairs, err := d.head()
	if err != nil {
		return nil, err
	}
	if major != majorMap {
		return nil, fmt.Errorf("%w: no map", ErrMalformed)
	}
	var unknown []Unknown
	for i, previous := uint64(0), uint64(0); i < pairs; i++ {
		major, key, err := d.head()
		if err != nil {
			return nil, err
		}
		if major != majorUint || (i > 0 && key <= previous) {
			return nil, fmt.Errorf("%w: keys are not ascending integers", ErrMalformed)
		}
		previous = key
		start := d.at
		v, err := d.item()
		if err != nil {
			return nil, err
		}
		for len(schema) > 0 && schema[0].key < key {
			schema = schema[1:]
		}
		if len(schema) == 0 || schema[0].key != key {
			unknown = append(unknown, Unknown{Key: key, Value: d.in[start:d.at]})
			continue
		}
		if !set(e, &schema[0], v) {
			return nil, fmt.Errorf("%w: key %d cannot hold this value", ErrMalformed, key)
		}
	}
	if d.at != len(d.in) {
		return nil, fmt.Errorf("%w: bytes after the map", ErrMalformed)
	}
	return unknown, nil
}

// head reads one head and refuses any but the shortest.
func (d *decoder) head() (major byte, arg uint64, err error) {
	if d.at >= len(d.in) {
		return 0, 0, fmt.Errorf("%w: too short", ErrMalformed)
	}
	first := d.in[d.at]
	d.at++
	major, low := first&0xe0, first&0x1f
	if low < arg1 {
		return major, uint64(low), nil
	}
	if low > arg8 {
		return 0, 0, fmt.Errorf("%w: indefinite or reserved length", ErrMalformed)
	}
	size := 1 << (low - arg1)
	if len(d.in)-d.at < size {
		return 0, 0, fmt.Errorf("%w: too short", ErrMalformed)
	}
	for _, c := range d.in[d.at : d.at+size] {
		arg = arg<<8 | uint64(c)
	}
	d.at += size
	least := [...]uint64{arg1, math.MaxUint8 + 1, math.MaxUint16 + 1, math.MaxUint32 + 1}
	if arg < least[low-arg1] {
		return 0, 0, fmt.Errorf("%w: not the shortest head", ErrMalformed)
	}
	return major, arg, nil
}

func (d *decoder) item() (item, error) {
	major, arg, err := d.head()
	if err != nil {
		return item{}, err
	}
	v := item{major: major, arg: arg}
	switch major {
	case majorUint, majorNeg:
		if arg > math.MaxInt64 {
			return item{}, fmt.Errorf("%w: integer beyond int64", ErrMalformed)
		}
	case majorBytes, majorText:
		if arg > uint64(len(d.in)-d.at) { //nolint:gosec // at never passes the end
			return item{}, fmt.Errorf("%w: too short", ErrMalformed)
		}
		v.data = d.in[d.at : d.at+int(arg)] //nolint:gosec // bounded by the line above
		d.at += len(v.data)
		if major == majorText && !utf8.Valid(v.data) {
			return item{}, fmt.Errorf("%w: invalid UTF-8", ErrMalformed)
		}
	default:
		return item{}, fmt.Errorf("%w: only integers, text and bytes are values", ErrMalformed)
	}
	return v, nil
}

// set writes a value into its field. It reports false for another type, another
// length, or a value that the encoder leaves out.
func set(e *activity.Event, s *entry, v item) bool {
	if (v.major == majorText || v.major == majorBytes) && len(v.data) == 0 {
		return false
	}
	switch s.typ {
	case activity.TypeText, activity.TypeJSON:
		if v.major == majorText {
			*e.Text(s.field) = string(v.data)
			return true
		}
	case activity.TypeKind:
		if v.major == majorText {
			kind, ok := activity.ParseKind(string(v.data))
			e.Kind = kind
			return ok && kind.String() == string(v.data)
		}
	case activity.TypeInt, activity.TypeTime:
		n := int64(v.arg) //nolint:gosec // item refuses what is beyond int64
		switch {
		case v.major == majorUint && n != 0:
			*e.Int(s.field) = n
			return true
		case v.major == majorNeg:
			*e.Int(s.field) = -1 - n
			return true
		}
	case activity.TypeOpt:
		if v.major == majorUint && v.arg != 0 {
			*e.Opt(s.field) = activity.Some(int64(v.arg) - s.bias) //nolint:gosec // item refuses what is beyond int64
			return true
		}
	case activity.TypeBytes:
		if v.major == majorBytes {
			return setBytes(e, s, v.data)
		}
	}
	return false
}

func setBytes(e *activity.Event, s *entry, b []byte) bool {
	if s.field != 0 {
		return e.SetBytes(s.field, b) && len(e.Bytes(s.field)) == len(b)
	}
	if len(b) != activity.CommitmentSize || isZero(b) {
		return false
	}
	if len(e.IntegrityCommitments) != 2*activity.CommitmentSize {
		e.IntegrityCommitments = make([]byte, 2*activity.CommitmentSize)
	}
	copy(part(e.IntegrityCommitments, s.part), b)
	return true
}
