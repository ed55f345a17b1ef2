package scylla

import (
	"encoding/binary"
	"math"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Names of the members of a cell that are no field of an event.
const (
	nameRank   = "rank"
	nameWriter = "writer"
	nameSalt   = "salt"
	nameErased = "erased_ns"
)

// acceptance is one commit of one event. Its rank falls as stored_ns rises:
// of two acceptances received in the same nanosecond the one stored first has
// the larger cells, which is what the database keeps.
type acceptance struct {
	event  *activity.Event
	rank   int64
	writer int64 // of this process; with the rank unique
}

func newAcceptance(e *activity.Event, storedNS, writer int64) *acceptance {
	return &acceptance{event: e, rank: math.MaxInt64 - storedNS, writer: writer}
}

// timestamp is the write timestamp: the earlier an event was received the
// higher. It is at most 0, below every time at which something is erased or
// deleted, and never in the future, which ScyllaDB refuses.
func timestamp(receivedAt int64) int64 { return -max(receivedAt, 0) }

// cell is a value of one of the three user-defined types. A frozen value is one
// cell for the database: it is kept or replaced whole, and an absent member is
// a part of it, not a tombstone.
type cell struct {
	*acceptance
	group activity.Group // GroupEvent, GroupPersonal or GroupContent
}

var _ gocql.Marshaler = cell{}

// MarshalCQL writes the members that the type has on the server, in its order.
func (c cell) MarshalCQL(info gocql.TypeInfo) ([]byte, error) {
	udt, ok := info.(gocql.UDTTypeInfo)
	if !ok {
		return nil, typeError(info)
	}
	out := make([]byte, 0, 512)
	for i := range udt.Elements {
		switch name := udt.Elements[i].Name; name {
		case nameRank:
			out = appendInt(out, c.rank)
		case nameWriter:
			out = appendInt(out, c.writer)
		case nameSalt:
			out = appendSome(out, saltOf(c.event, c.group))
		default:
			f, _ := activity.FieldByName(name) // a member that this binary does not know stays null
			out = appendField(out, c.event, f)
		}
	}
	return out, nil
}

// erased is the value of a cell that has been erased: no rank.
type erased int64 // Unix nanoseconds of the erasure

// MarshalCQL implements gocql.Marshaler.
func (at erased) MarshalCQL(info gocql.TypeInfo) ([]byte, error) {
	udt, ok := info.(gocql.UDTTypeInfo)
	if !ok {
		return nil, typeError(info)
	}
	var out []byte
	for i := range udt.Elements {
		if udt.Elements[i].Name == nameErased {
			out = appendInt(out, int64(at))
		} else {
			out = appendNull(out)
		}
	}
	return out, nil
}

// saltOf gives the half of the salts that goes with a group.
func saltOf(e *activity.Event, g activity.Group) []byte {
	n := min(len(e.IntegritySalts), activity.SaltSize)
	if g == activity.GroupPersonal {
		return e.IntegritySalts[:n]
	}
	return e.IntegritySalts[n:]
}

func appendNull(out []byte) []byte { return binary.BigEndian.AppendUint32(out, math.MaxUint32) }

func appendInt(out []byte, n int64) []byte {
	out = binary.BigEndian.AppendUint32(out, 8)
	return binary.BigEndian.AppendUint64(out, uint64(n)) //nolint:gosec // two's complement on purpose
}

func appendSome(out, value []byte) []byte {
	if len(value) == 0 {
		return appendNull(out)
	}
	out = binary.BigEndian.AppendUint32(out, uint32(len(value))) //nolint:gosec // an event is far below 4 GiB
	return append(out, value...)
}

// appendField appends a member; what is not known is null.
func appendField(out []byte, e *activity.Event, f activity.Field) []byte {
	switch f.Info().Type {
	case activity.TypeText, activity.TypeJSON:
		s := *e.Text(f)
		if s == "" {
			return appendNull(out)
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(s))) //nolint:gosec // an event is far below 4 GiB
		return append(out, s...)
	case activity.TypeInt:
		if n := *e.Int(f); n != 0 {
			return appendInt(out, n)
		}
	case activity.TypeTime:
		return appendInt(out, *e.Int(f))
	case activity.TypeOpt:
		if o := e.Opt(f); o.Valid {
			return appendInt(out, o.Value)
		}
	case activity.TypeBytes:
		return appendSome(out, e.Bytes(f))
	case activity.TypeKind: // a column of the key
	}
	return appendNull(out)
}

// row reads one row of the events.
type row struct {
	record                 storage.Record
	facts, person, content cellReader
	id                     []byte
}

// cellReader fills an event from a cell.
type cellReader struct {
	row     *row
	present bool
	rank    int64
	ranked  bool // false when it was erased
	salt    []byte
}

var _ gocql.Unmarshaler = (*cellReader)(nil)

func newRow() *row {
	r := &row{}
	r.facts.row, r.person.row, r.content.row = r, r, r
	return r
}

// UnmarshalCQL implements gocql.Unmarshaler. data is not kept.
func (c *cellReader) UnmarshalCQL(info gocql.TypeInfo, data []byte) error {
	if c.present = data != nil; !c.present {
		return nil
	}
	udt, ok := info.(gocql.UDTTypeInfo)
	if !ok {
		return typeError(info)
	}
	for i := range udt.Elements {
		value, rest, err := member(data)
		if err != nil {
			return err
		}
		data = rest
		if value == nil {
			continue
		}
		switch name := udt.Elements[i].Name; name {
		case nameRank:
			c.rank, c.ranked = number(value)
		case nameSalt:
			c.salt = append([]byte(nil), value...)
		case nameWriter, nameErased:
		default:
			if f, known := activity.FieldByName(name); known && !setField(&c.row.record.Event, f, value) {
				c.row.record.Derived = append(c.row.record.Derived, name)
			}
		}
	}
	return nil
}

// member takes the next member off a cell; nil when it is null. Members added
// to the type after the cell was written are missing at its end.
func member(data []byte) (value, rest []byte, err error) {
	if len(data) == 0 {
		return nil, nil, nil
	}
	if len(data) < 4 {
		return nil, nil, errCell
	}
	n := int32(binary.BigEndian.Uint32(data)) //nolint:gosec // a negative length is null
	data = data[4:]
	if n < 0 {
		return nil, data, nil
	}
	if int(n) > len(data) {
		return nil, nil, errCell
	}
	return data[:n:n], data[n:], nil
}

func number(value []byte) (int64, bool) {
	if len(value) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(value)), true //nolint:gosec // two's complement on purpose
}

// setField sets a field from a member that is not null, and reports false for a
// value that the field never has: somebody edited it by hand.
func setField(e *activity.Event, f activity.Field, value []byte) bool {
	switch f.Info().Type {
	case activity.TypeText, activity.TypeJSON:
		*e.Text(f) = string(value)
		return len(value) > 0
	case activity.TypeInt, activity.TypeTime:
		n, ok := number(value)
		*e.Int(f) = n
		return ok
	case activity.TypeOpt:
		n, ok := number(value)
		*e.Opt(f) = activity.OptInt64{Value: n, Valid: ok}
		return ok
	case activity.TypeBytes:
		return len(value) > 0 && e.SetBytes(f, value)
	case activity.TypeKind:
	}
	return true
}

// finish completes the event of a row, and reports false when the row holds
// none: what is left of an event that was erased and deleted at the same time.
func (r *row) finish(tenant, kind string, datetime int64) bool {
	if !r.facts.present {
		return false
	}
	e := &r.record.Event
	e.TenantID, e.Datetime = tenant, datetime
	e.StoredNS = math.MaxInt64 - r.facts.rank
	k, ok := activity.ParseKind(kind)
	if e.Kind = k; !ok || k.String() != kind {
		r.record.Derived = append(r.record.Derived, activity.FieldKind.String())
	}
	if len(r.id) != len(e.ID) || !e.SetBytes(activity.FieldID, r.id) {
		r.record.Derived = append(r.record.Derived, activity.FieldID.String())
	}
	salts := append(r.person.saltOrZero(e), r.content.saltOrZero(e)...)
	if len(salts) > 0 {
		e.IntegritySalts = salts
	}
	return true
}

// saltOrZero gives the half of the salts in the cell: zero once the cell of a
// sealed event has been erased.
func (c *cellReader) saltOrZero(e *activity.Event) []byte {
	if c.present && !c.ranked && e.Sealed() {
		return make([]byte, activity.SaltSize)
	}
	return c.salt
}
